//! A process reads its configuration again at HUP, while it runs.

use std::fmt::Display;
use std::io;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config::{self, Change, Config, Sources};
use super::service_manager;
use super::telemetry::Log;

/// The numbers of reloads, by result.
type Counts = Family<Vec<(&'static str, &'static str)>, Counter>;

fn no_reloads() -> Counts {
    let counts = Counts::default();
    for result in ["applied", "refused"] {
        drop(counts.get_or_create(&vec![("result", result)]));
    }
    counts
}

fn register(registry: &mut Registry, counts: Counts) {
    registry.register(
        "config_reloads",
        "Reloads of the configuration at HUP, by result: applied, or refused as a whole",
        counts,
    );
}

/// Registers the metrics of reloads without any, for a description.
pub fn describe(registry: &mut Registry) {
    register(registry, no_reloads());
}

/// Reads the configuration at each HUP. It does not change the process: its owner does, and reports back.
#[derive(Debug)]
pub struct Reloads<C> {
    hangups: Signal,
    sources: Sources,
    current: C,
    log: Log,
    counts: Counts,
}

/// A configuration that was read again.
#[derive(Debug)]
pub struct Reload<C> {
    /// The configuration to run with from now on: only values that count while the process runs are other ones.
    pub config: C,
    changes: Vec<Change>,
}

impl<C: Config> Reloads<C> {
    /// Installs the handler. From then on HUP does not end the process. `current` is what the process runs with.
    ///
    /// # Errors
    /// If the system refuses the handler.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(sources: Sources, current: C, log: Log) -> io::Result<Self> {
        let counts = no_reloads();
        Ok(Self {
            hangups: signal(SignalKind::hangup())?,
            sources,
            current,
            log,
            counts,
        })
    }

    /// Registers the counter of reloads.
    pub fn register(&self, registry: &mut Registry) {
        register(registry, self.counts.clone());
    }

    /// Waits for HUP, and returns the configuration if it is valid. An invalid one is reported, and the process
    /// continues with what it has.
    pub async fn next(&mut self) -> Reload<C> {
        loop {
            if self.hangups.recv().await.is_none() {
                // The runtime ends.
                std::future::pending::<()>().await;
            }
            service_manager::reloading();
            match config::load::<C>(&self.sources) {
                Ok(new) => {
                    let (config, changes) = config::take_live(&self.current, &new);
                    match config::check_merged(&config) {
                        Ok(()) => return Reload { config, changes },
                        Err(error) => self.refuse(&error),
                    }
                }
                Err(error) => self.refuse(&error),
            }
        }
    }

    /// Says that the process runs with a configuration now, and what has changed.
    pub fn apply(&mut self, reload: Reload<C>) {
        let Reload { config, changes } = reload;
        if config.log_filter() != self.current.log_filter()
            && let Err(error) = self.log.set_filter(config.log_filter())
        {
            return self.refuse(&error);
        }
        for Change { key, from, to, .. } in changes.iter().filter(|change| change.is_live) {
            tracing::info!(key, from, to, "the configuration has changed");
        }
        let others = changes.iter().filter(|change| !change.is_live);
        let keys: Vec<_> = others.map(|change| change.key.as_str()).collect();
        if !keys.is_empty() {
            let keys = keys.join(", ");
            tracing::warn!(
                keys,
                "these keys have changed too, but count only at the next start of the process"
            );
        }
        config::warn(&config);
        self.current = config;
        tracing::info!("the configuration was read again and is in use");
        self.count("applied");
    }

    /// Says that a configuration is not used, and why.
    pub fn refuse(&self, why: &impl Display) {
        for problem in why.to_string().lines() {
            tracing::error!(
                "the configuration was read again and is not used, the earlier one stays: {problem}"
            );
        }
        self.count("refused");
    }

    fn count(&self, result: &'static str) {
        self.counts.get_or_create(&vec![("result", result)]).inc();
        service_manager::ready();
    }
}

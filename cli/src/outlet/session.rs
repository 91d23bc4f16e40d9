//! The work of an outlet on any bus.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, TryStreamExt as _};
use grandstand_common::bus::Bus;
use grandstand_common::follow::Followed;
use grandstand_common::process::admin::{Component, Phase, Pulse};
use grandstand_common::process::drain;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::backoff::Backoff;
use super::calls::{Answers, Calls};
use super::config::OutletSection;
use super::deliveries::{Deliveries, SessionError};
use super::endpoint::{Endpoint, EndpointError};
use super::lease::Lease;
use super::metrics::OutletMetrics;
use super::store::Store;
use super::target::Target;
use super::tls::{TlsError, roots, tls};

/// The interval at which a standby tries to take over.
const STANDBY: Duration = Duration::from_secs(1);
/// The pauses before the work begins again after a fault of the bus.
const PAUSES: Backoff = Backoff {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(5),
};

/// The endpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("the endpoint {0}: `{key}` {1}", key = .1.key())]
    Endpoint(String, EndpointError),
    #[error("outlet.ca_file: {0}")]
    Tls(#[from] TlsError),
}

/// The endpoints of a configuration.
#[derive(Debug)]
pub(super) struct Targets {
    all: Vec<Target>,
    /// The time for which dead letters are kept.
    dead_for: Duration,
    /// The time limit for the requests under way when other endpoints take their place.
    drain: Duration,
}

impl Targets {
    /// Reads the files that a configuration names.
    ///
    /// # Errors
    /// If a file of a secret or of certificates cannot be read any more.
    pub(super) fn open(
        section: &OutletSection,
        metrics: &OutletMetrics,
    ) -> Result<Self, TargetError> {
        let tls = tls(roots(&section.ca_file)?)?;
        let endpoint = |section| {
            Endpoint::new(section).map_err(|why| {
                let name = section.name.clone();
                TargetError::Endpoint(name, why)
            })
        };
        let endpoints: Result<Vec<_>, _> = section.endpoints.iter().map(endpoint).collect();
        let target = |endpoint| Target::new(endpoint, tls.clone(), metrics);
        Ok(Self {
            all: endpoints?.into_iter().map(target).collect(),
            dead_for: section.dead_for(),
            drain: Duration::from_millis(section.drain_ms),
        })
    }

    /// Replaces the endpoints in use. The gauges of those that are gone end.
    pub(super) fn replace(self, current: &watch::Sender<Arc<Self>>, metrics: &OutletMetrics) {
        let old = current.send_replace(Arc::new(self));
        let new = current.borrow();
        let names: BTreeSet<_> = new.all.iter().map(|target| &target.endpoint.name).collect();
        for gone in &old.all {
            let name = &gone.endpoint.name;
            if !names.contains(name) {
                metrics.forget(name);
            }
        }
    }
}

/// An outlet on any bus.
pub(crate) struct Outlet {
    pub(super) bus: Bus,
    pub(super) layout: watch::Receiver<Followed>,
    pub(super) targets: watch::Receiver<Arc<Targets>>,
    pub(super) metrics: OutletMetrics,
    pub(super) component: Component,
    pub(super) watch: drain::Watch,
}

impl Outlet {
    /// Delivers items and answers calls until the drain begins and the requests under way have ended.
    pub(super) async fn run(self) {
        let pulse = self.component.pulse("outlet");
        pulse.begin();
        let mut work = pin!(self.work());
        loop {
            tokio::select! {
                () = &mut work => return,
                () = pulse.asked() => Pulse::answer(&pulse),
            }
        }
    }

    async fn work(&self) {
        let store = Store::new(self.bus.clone());
        let mut lease = Lease::new(store.clone());
        let mut failures = 0;
        while let Some(true) = self.unless_drained(self.lead(&mut lease)).await {
            let ended = tokio::select! {
                ended = self.sessions(&store) => Some(ended),
                () = lease.keep() => None,
            };
            self.metrics.leads.set(0);
            match ended {
                Some(Ok(())) => {
                    lease.release().await;
                    return;
                }
                Some(Err(error)) => {
                    failures += 1;
                    tracing::warn!("nothing is delivered at the moment: {error}");
                    let why = Cow::Owned(error.to_string());
                    self.component.set(Phase::Unready(why));
                    let pause = sleep(PAUSES.pause(failures, None));
                    self.unless_drained(pause).await;
                }
                None => tracing::warn!("another process has taken over"),
            }
        }
    }

    /// Waits until this process is the one at work.
    async fn lead(&self, lease: &mut Lease) -> bool {
        let mut is_told = false;
        loop {
            match lease.take().await {
                Ok(true) => return true,
                Ok(false) if !is_told => {
                    is_told = true;
                    tracing::info!(
                        "another process is at work; this one takes over when that one ends"
                    );
                    self.component.set(Phase::Ready);
                }
                Ok(false) => {}
                Err(error) => {
                    let why = Cow::Owned(error.to_string());
                    self.component.set(Phase::Unready(why));
                }
            }
            sleep(STANDBY).await;
        }
    }

    /// Works until the drain is done, each time with the endpoints of the newest configuration.
    async fn sessions(&self, store: &Store) -> Result<(), SessionError> {
        let mut newest = self.targets.clone();
        loop {
            let targets = Arc::clone(&newest.borrow_and_update());
            let (signal, watch) = drain::channel();
            let mut session = pin!(self.session(store, &targets, watch));
            let is_end = tokio::select! {
                ended = &mut session => return ended,
                _ = self.watch.signaled() => true,
                Ok(()) = newest.changed() => false,
            };
            let deadline = Instant::now() + targets.drain;
            signal.start(deadline);
            if is_end {
                return session.await;
            }
            match timeout_at(deadline, session).await {
                Ok(ended) => ended?,
                Err(_) => tracing::warn!(
                    "the requests under way take too long; they are sent again by the new configuration"
                ),
            }
        }
    }

    /// Works until the drain that `watch` tells of is done.
    async fn session(
        &self,
        store: &Store,
        targets: &Targets,
        watch: drain::Watch,
    ) -> Result<(), SessionError> {
        let answers = Answers {
            store: store.clone(),
            layout: self.layout.clone(),
        };
        let mut all = FuturesUnordered::<BoxFuture<'_, Result<(), SessionError>>>::new();
        let calls = Calls::open(&targets.all, answers).await?;
        all.push(calls.run(watch.clone()).boxed());
        for target in &targets.all {
            if !target.endpoint.topics.is_empty() {
                let opened = Deliveries::open(target.clone(), store.clone(), targets.dead_for);
                let deliveries = opened.await?;
                all.push(deliveries.run(watch.clone()).boxed());
            }
        }
        tracing::info!("delivering");
        self.metrics.leads.set(1);
        self.component.set(Phase::Ready);
        while all.try_next().await?.is_some() {}
        Ok(())
    }

    async fn unless_drained<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.watch.signaled() => None,
            value = future => Some(value),
        }
    }
}

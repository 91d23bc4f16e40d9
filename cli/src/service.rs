//! A process that does one work beside the edges and workers: the archive, the outlet.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Admin, Component, Phase, Status};
use grandstand_common::process::config::{Config, Sources};
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::{Frame, drain};
use grandstand_common::supervisor::Supervisor;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, sleep_until};

/// The configuration of such a process.
pub(crate) trait ServiceConfig: Config {
    /// The name of the command, of its section, and in metrics.
    const NAME: &'static str;
    /// The key of the admin port's address.
    const ADMIN_KEY: &'static str;
    /// The role on the bus.
    const ROLE: BusRole;

    /// The name of the process in NATS.
    fn name(&self) -> &str;
    /// The address for health and metrics.
    fn admin(&self) -> SocketAddr;
    /// The section of the cluster.
    fn cluster(&self) -> &ClusterSettings;
    /// The time for which the loop may stall before `/health` fails.
    fn answer_within(&self) -> Duration;
    /// The time limit for the work under way at the end.
    fn drain(&self) -> Duration;
}

/// The frame of the process around its work.
pub(crate) struct Service<'a, C> {
    frame: &'a mut Frame,
    config: C,
    reloads: Reloads<C>,
    status: Status,
    component: Component,
    buses: BusMetrics,
    /// Serves the admin port until it is dropped.
    _admin: Admin,
}

impl<'a, C: ServiceConfig + Clone> Service<'a, C> {
    /// Opens the admin port. `register` adds the metrics of the work.
    ///
    /// # Errors
    /// If the system refuses signals or the port.
    pub(crate) fn start<M>(
        config: C,
        sources: Sources,
        frame: &'a mut Frame,
        register: impl FnOnce(&mut Registry) -> M,
    ) -> Result<(Self, M), Failure> {
        let reloads = Reloads::new(sources, config.clone(), frame.log.clone())
            .map_err(|e| Failure::new(Exit::Internal, format!("cannot wait for signals: {e}")))?;
        let status = Status::new();
        let component = status.component(C::NAME);
        status.answer_within(config.answer_within());
        let mut registry = registry(Build {
            service: C::NAME,
            version: env!("CARGO_PKG_VERSION"),
        });
        frame.log.register(&mut registry);
        reloads.register(&mut registry);
        let metrics = register(&mut registry);
        let buses = BusMetrics::default();
        buses.register(registry.sub_registry_with_prefix(C::NAME));
        let admin = Admin::start(
            C::ADMIN_KEY,
            config.admin(),
            status.clone(),
            registry,
            None,
            &frame.supervisor,
        )?;
        let service = Self {
            frame,
            config,
            reloads,
            status,
            component,
            buses,
            _admin: admin,
        };
        Ok((service, metrics))
    }

    /// The component of the work in readiness.
    pub(crate) fn component(&self) -> Component {
        self.component.clone()
    }

    /// The supervisor of the tasks of the work.
    pub(crate) fn scope(&self) -> Supervisor {
        self.frame.supervisor.scope(C::NAME)
    }

    /// Connects to the bus; `None` if the process is told to end meanwhile.
    ///
    /// # Errors
    /// If NATS refuses for good.
    pub(crate) async fn connect(&mut self) -> Result<Option<Bus>, Failure> {
        self.component
            .set(Phase::Starting("connecting to the bus".into()));
        let scope = self.scope();
        let (name, cluster) = (self.config.name(), self.config.cluster());
        tokio::select! {
            bus = cluster.start(name, C::ROLE, &self.component, &scope) => {
                let bus = bus?;
                self.buses.add(&bus);
                Ok(Some(bus))
            }
            signal = self.frame.supervisor.stand_down_at(self.frame.signals.next()) => {
                tracing::info!(signal, "ending before the start is complete");
                self.frame.result()?;
                Ok(None)
            }
        }
    }

    /// Runs the work until it ends, a part of the process fails, or TERM or INT comes: then the work is told, and has the
    /// drain time. `late` says what happens to what it has not done by then. `reload` changes the work to a configuration
    /// that was read again, or says why it cannot.
    ///
    /// # Errors
    /// That of the work, or of the part that has failed.
    pub(crate) async fn run(
        mut self,
        signal: drain::Signal,
        work: impl Future<Output = Result<(), Failure>>,
        reload: impl Fn(&C) -> Result<(), String>,
        late: &str,
    ) -> Result<(), Failure> {
        tokio::pin!(work);
        let mut drain = self.config.drain();
        let mut deadline = None;
        let ended = loop {
            let new = tokio::select! {
                ended = &mut work => break ended,
                _ = self.frame.failures.first(), if deadline.is_none() => break Ok(()),
                () = until(deadline) => {
                    tracing::warn!("{late}");
                    break Ok(());
                }
                name = self.frame.signals.next() => {
                    if deadline.is_some() {
                        tracing::warn!(signal = name, "ending at once");
                        break Ok(());
                    }
                    tracing::info!(signal = name, "ending; a second signal ends the process at once");
                    self.component.set(Phase::Draining);
                    self.frame.supervisor.stand_down();
                    let end = Instant::now() + drain;
                    signal.start(end);
                    deadline = Some(end);
                    continue;
                }
                new = self.reloads.next() => new,
            };
            if let Err(why) = reload(&new.config) {
                self.reloads.refuse(&why);
                continue;
            }
            drain = new.config.drain();
            self.status.answer_within(new.config.answer_within());
            self.reloads.apply(new);
        };
        self.frame.result()?;
        ended
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

//! The start of a shard: its core, its server, and the tasks that connect them with the bus.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::auth::Verifier;
use grandstand_common::bus::{Bus, BusRole, NatsErrors};
use grandstand_common::follow::Followed;
use grandstand_common::id::EdgeId;
use grandstand_common::log_clock::LogClock;
use grandstand_common::process::admin::Pulse;
use grandstand_common::supervisor::Supervisor;
use tokio::sync::{mpsc, watch};

use super::config::{EdgeConfig, LimitsSection};
use super::limits::drive_new_limits;
use super::options::{BusSource, EdgeError, EdgeOptions};
use super::readiness::Dependencies;
use super::shard_end::RunningShard;
use crate::core::{Core, CoreConfig};
use crate::limits::SharedLimits;
use crate::server::backend::ApiBackend;
use crate::server::connections::Connections;
use crate::server::context::ServerOptions;
use crate::server::echo::EchoHandler;
use crate::server::listen::{Listener, ListenerEnd};
use crate::server::proxy::SharedProxy;
use crate::server::quic::QuicListener;
use crate::server::routes::{Route, RouteLimits, Routes};
use crate::server::{Server, yielding};
use crate::shard::api::{self, ShardApi};
use crate::shard::bus::{Leases, ShardBus};
use crate::shard::handle::{Shard, now};
use crate::shard::handler::CoreHandler;
use crate::shard::lobby::Lobby;
use crate::shard::metrics::ShardMetrics;
use crate::shard::questions::{Question, drive_questions};
use crate::shard::revocations::drive_revocations;
use crate::shard::shedding::drive_shedding;
use crate::shard::{self, FlushOptions, LogRefusals};

/// The state that all shards of a process share. Tasks of the process keep it current.
#[derive(Clone)]
pub(super) struct SharedState {
    pub(super) leases: watch::Receiver<Leases>,
    pub(super) layouts: watch::Receiver<Followed>,
    pub(super) limits: SharedLimits,
    /// The section of limits in use.
    pub(super) settings: watch::Receiver<LimitsSection>,
    pub(super) proxy: SharedProxy,
    pub(super) refusals: LogRefusals,
    /// The clock of the process' connection to the bus. The connections of shards read no entries.
    pub(super) log_clock: LogClock,
    pub(super) lobby: Lobby,
    pub(super) errors: NatsErrors,
}

impl SharedState {
    /// The dependencies of the edge, of which `bus` is the process' connection.
    pub(super) fn dependencies(&self, bus: Bus) -> Dependencies {
        Dependencies {
            bus,
            leases: self.leases.clone(),
            layouts: self.layouts.clone(),
            refusals: self.refusals.clone(),
            limits: self.limits.clone(),
        }
    }
}

/// Everything that a shard needs to start.
pub(super) struct ShardParts {
    pub(super) edge: EdgeId,
    pub(super) config: EdgeConfig,
    pub(super) options: EdgeOptions,
    pub(super) shared: SharedState,
    pub(super) listeners: Vec<Listener>,
    pub(super) quic: Option<QuicListener>,
    /// The questions of operators.
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) metrics: ShardMetrics,
    pub(super) supervisor: Supervisor,
    pub(super) pulse: Pulse,
}

impl ShardParts {
    /// Starts the shard on the running `LocalSet`. Its listeners accept until `end` says otherwise.
    pub(super) async fn serve(
        self,
        end: watch::Receiver<Option<ListenerEnd>>,
    ) -> Result<RunningShard, EdgeError> {
        yielding::set_enabled(self.config.edge.yield_cpu);
        let bus = self.connect().await?;
        let core_config = CoreConfig {
            shared: self.shared.limits.clone(),
            ..self.config.core(bus.layout())
        };
        let connections = Connections::new(core_config.heartbeat)?;
        let verifier = self.options.admission.verifier.clone();
        let core = Core::new(
            core_config,
            self.edge.clone(),
            Some(verifier.clone()),
            rand::random(),
            now(&self.shared.log_clock),
        );
        let pulse = Rc::new(self.pulse);
        let shard = Shard::new(
            core,
            self.shared.log_clock.clone(),
            connections.clone(),
            self.supervisor.clone(),
            Rc::clone(&pulse),
        );
        // Before the first client comes whose stream another edge may be asked about.
        let requests = if self.config.edge.api {
            Some(api::subscribe(&bus, &self.edge).await?)
        } else {
            None
        };
        let backend = (self.config.edge.api).then(|| {
            let layouts = self.shared.layouts.clone();
            let lobby = (self.shared.lobby.clone(), self.shared.log_clock.clone());
            ShardApi::new(self.options.admission.clone(), bus.clone(), layouts, lobby)
        });
        let server_options = ServerOptions {
            limits: self.shared.limits.clone(),
            proxy: self.shared.proxy.clone(),
            ..self.config.server()
        };
        let server = Server::new(
            server_options,
            connections.clone(),
            self.metrics.server.clone(),
            Routes {
                api: backend.map(|backend| backend as Rc<dyn ApiBackend>),
                ..routes(&self.config, &self.options, &shard, &connections)
            },
            self.edge.clone(),
        );
        let flush = FlushOptions {
            slice: Duration::from_micros(self.config.rooms.flush_slice_us),
            interval: Duration::from_micros(self.config.rooms.flush_interval_us),
        };
        if let Some(requests) = requests {
            let answering = api::drive_requests(
                Rc::clone(&shard),
                connections.clone(),
                bus.clone(),
                requests,
            );
            self.supervisor.keep_local("requests", answering);
        }
        let shard_bus = ShardBus {
            bus,
            edge: self.edge,
            leases: self.shared.leases.clone(),
            layouts: self.shared.layouts.clone(),
            refusals: self.shared.refusals.clone(),
        };
        shard::start(&shard, shard_bus, flush, self.metrics).await?;
        start_tasks(&shard, &server, &self.supervisor, self.shared, &verifier);
        let questions = drive_questions(Rc::clone(&shard), self.questions);
        self.supervisor.keep_local("questions", questions);
        pulse.begin();
        let driver = server.start(&self.supervisor, pulse);
        for listener in self.listeners {
            let accept = server.accept(listener, &self.supervisor, end.clone());
            self.supervisor.keep_local("accept", accept);
        }
        let quic = self
            .quic
            .map(|listener| server.serve_quic(listener, &self.supervisor));
        Ok(RunningShard {
            shard,
            server,
            connections,
            driver,
            quic,
            supervisor: self.supervisor,
        })
    }

    /// Connects to NATS, unless the shards share the bus of the process.
    async fn connect(&self) -> Result<Bus, EdgeError> {
        match &self.options.bus {
            BusSource::Nats => {
                let name = self.edge.as_str();
                let cluster = &self.config.cluster;
                let bus = cluster
                    .connect(name, BusRole::Edge, &self.shared.errors, &self.supervisor)
                    .await?;
                self.metrics.bus.add(&bus);
                Ok(bus)
            }
            // The process has registered the shared bus' metrics.
            BusSource::Shared(bus) => Ok(bus.clone()),
        }
    }
}

/// Starts the tasks that apply changes from outside to the shard: limits, shortage of memory, revocations.
fn start_tasks(
    shard: &Rc<Shard>,
    server: &Server,
    supervisor: &Supervisor,
    shared: SharedState,
    verifier: &Verifier,
) {
    let new_limits = drive_new_limits(Rc::clone(shard), server.limits(), shared.settings);
    supervisor.keep_local("new limits", new_limits);
    let shedding = drive_shedding(Rc::clone(shard), shared.limits);
    supervisor.keep_local("shedding", shedding);
    let revocations = drive_revocations(Rc::clone(shard), verifier.revocations().clone());
    supervisor.keep_local("revocations", revocations);
}

/// The paths that the shard serves.
fn routes(
    config: &EdgeConfig,
    options: &EdgeOptions,
    shard: &Rc<Shard>,
    connections: &Connections,
) -> Routes {
    let handler = CoreHandler::new(Rc::clone(shard), options.admission.clone());
    let mut routes = vec![Route {
        path: "/v1/ws",
        handler: Rc::new(handler),
        limits: Cell::new(config.limits.route()),
    }];
    if options.echo {
        let handler = EchoHandler::new(connections.clone(), config.deflate());
        routes.push(Route {
            path: "/v1/echo",
            handler: Rc::new(handler),
            limits: Cell::new(RouteLimits {
                message_bytes: EchoHandler::LIMIT,
                outbox_bytes: EchoHandler::LIMIT,
            }),
        });
    }
    Routes::new(routes, options.pages.clone())
}

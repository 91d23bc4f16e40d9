//! A shard's thread, from its start to its drain.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::bus::{NatsErrors, Role};
use grandstand_common::error::ErrorKind;
use grandstand_common::follow::Followed;
use grandstand_common::id::EdgeId;
use grandstand_common::log_clock::LogClock;
use grandstand_common::process::admin::Pulse;
use grandstand_common::supervisor::Supervisor;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::conn::transport::Transport;
use crate::core::{Core, CoreConfig};
use crate::limits::SharedLimits;
use crate::process::config::{EdgeConfig, LimitsSection};
use crate::process::limits::drive_new_limits;
use crate::process::options::{BusSource, EdgeError, EdgeOptions};
use crate::server::Server;
use crate::server::connections::Connections;
use crate::server::context::ServerOptions;
use crate::server::echo::EchoHandler;
use crate::server::farewell;
use crate::server::listen::{Listener, ListenerEnd};
use crate::server::proxy::SharedProxy;
use crate::server::quic::QuicListener;
use crate::server::routes::{Route, RouteLimits, Routes};
use crate::server::yielding;
use crate::shard::bus::{Leases, ShardBus};
use crate::shard::handle::{Shard, now};
use crate::shard::handler::CoreHandler;
use crate::shard::metrics::ShardMetrics;
use crate::shard::questions::{Question, drive_questions};
use crate::shard::revocations::drive_revocations;
use crate::shard::shedding::drive_shedding;
use crate::shard::{self, FlushOptions, LogRefusals};

/// The most time for the close handshakes of a shard that has failed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The most time for the packets that close the connections over QUIC.
const SETTLING: Duration = Duration::from_millis(500);

/// The way in which a shard ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// The time over which clients are told to reconnect.
    pub(super) within: Duration,
    /// The end of its listeners.
    pub(super) listeners: ListenerEnd,
}

/// Everything that a shard's thread needs to start.
pub(super) struct ShardThread {
    pub(super) config: EdgeConfig,
    pub(super) options: EdgeOptions,
    pub(super) edge: EdgeId,
    /// The questions of operators.
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) listeners: Vec<Listener>,
    pub(super) quic: Option<QuicListener>,
    pub(super) proxy: SharedProxy,
    /// Held as long as the shard reads packets of QUIC.
    pub(super) reads_packets: mpsc::Sender<()>,
    pub(super) leases: watch::Receiver<Leases>,
    pub(super) layouts: watch::Receiver<Followed>,
    /// The limits that all shards share.
    pub(super) limits: SharedLimits,
    /// The section of limits in use.
    pub(super) settings: watch::Receiver<LimitsSection>,
    pub(super) refusals: LogRefusals,
    /// The clock of the process' connection to the bus. That of the shard's reads no entries.
    pub(super) log_clock: LogClock,
    pub(super) metrics: ShardMetrics,
    pub(super) supervisor: Supervisor,
    pub(super) pulse: Pulse,
    /// Set once the shard is to end.
    pub(super) stopped: watch::Receiver<Option<Stop>>,
    pub(super) errors: NatsErrors,
    pub(super) ready: mpsc::Sender<Result<(), EdgeError>>,
    pub(super) _running: mpsc::Sender<()>,
}

impl ShardThread {
    pub(super) fn run(self) {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                self.ready.blocking_send(Err(error.into())).ok();
                return;
            }
        };
        let ready = self.ready.clone();
        LocalSet::new().block_on(&runtime, async move {
            if let Err(error) = self.drive().await
                && let Err(unheard) = ready.send(Err(error)).await
            {
                tracing::error!(error = ?unheard.0, "a shard has failed");
            }
        });
    }

    async fn drive(self) -> Result<(), EdgeError> {
        yielding::set_enabled(self.config.edge.yield_cpu);
        let bus = match &self.options.bus {
            BusSource::Nats => {
                let (name, supervisor) = (self.edge.as_str(), &self.supervisor);
                let cluster = &self.config.cluster;
                let bus = cluster
                    .connect(name, Role::Edge, (&self.errors, supervisor))
                    .await?;
                self.metrics.bus.add(&bus);
                bus
            }
            // The process has registered the shared bus' metrics.
            BusSource::Shared(bus) => bus.clone(),
        };
        let core = CoreConfig {
            shared: self.limits.clone(),
            ..self.config.core(bus.layout())
        };
        let connections = Connections::new(core.heartbeat)?;
        let verifier = self.options.admission.verifier.clone();
        let revocations = verifier.revocations().clone();
        let (supervisor, pulse) = (self.supervisor.clone(), Rc::new(self.pulse));
        let shard = Shard::new(
            {
                let (edge, now) = (self.edge.clone(), now(&self.log_clock));
                let core = Core::new(core, edge, Some(verifier), rand::random(), now);
                (core, self.log_clock.clone())
            },
            connections.clone(),
            supervisor.clone(),
            Rc::clone(&pulse),
        );
        let flush = FlushOptions {
            slice: Duration::from_micros(self.config.rooms.flush_slice_us),
            interval: Duration::from_micros(self.config.rooms.flush_interval_us),
        };
        let to = ShardBus {
            bus,
            edge: self.edge.clone(),
            leases: self.leases.clone(),
            layouts: self.layouts.clone(),
            refusals: self.refusals.clone(),
        };
        let server = server(
            (&self.config, &self.options),
            (&self.limits, &self.proxy),
            &self.metrics,
            &shard,
            connections.clone(),
            self.edge.clone(),
        );
        shard::start(&shard, to, flush, self.metrics).await?;
        let (new, short) = (Rc::clone(&shard), Rc::clone(&shard));
        let applied = (new, server.limits());
        supervisor.keep_local("new limits", drive_new_limits(applied, self.settings));
        supervisor.keep_local("shedding", drive_shedding(short, self.limits));
        let ending = drive_revocations(Rc::clone(&shard), revocations);
        supervisor.keep_local("revocations", ending);
        let answering = drive_questions(Rc::clone(&shard), self.questions);
        supervisor.keep_local("questions", answering);
        pulse.begin();
        let driving = server.start(&supervisor, pulse);
        let (end, ended) = watch::channel(None);
        for listener in self.listeners {
            let accepting = server.accept(listener, &supervisor, ended.clone());
            supervisor.keep_local("accept", accepting);
        }
        let quic = self.quic;
        let quic = quic.map(|listener| server.serve_quic(listener, &supervisor));
        self.ready.send(Ok(())).await.ok();
        let mut stopped = self.stopped;
        let stop = match stopped.wait_for(Option::is_some).await {
            Ok(stop) => *stop,
            // The process has dropped the sender, so it ends.
            Err(_) => None,
        };
        let stop = stop.unwrap_or(Stop {
            within: Duration::ZERO,
            listeners: ListenerEnd::Close,
        });
        end.send_replace(Some(stop.listeners));
        if let Some(quic) = &quic {
            match stop.listeners {
                ListenerEnd::Close => quic.stop(),
                ListenerEnd::HandOver => quic.hand_over(),
            }
        }
        drop(self.reads_packets);
        let draining = drain((&shard, &server), connections.clone(), stop.within);
        tokio::select! {
            biased;
            () = supervisor.failed() => {}
            drained = supervisor.guard("drain", draining) => {
                drained.ok();
            }
        }
        if supervisor.has_failed() {
            // The driver may have died. If it has not, it must not read what the farewell reads.
            driving.abort();
            let why = ErrorKind::GoingAway;
            let farewell = farewell::close_all(connections, why, FAREWELL);
            supervisor.guard("farewell", farewell).await.ok();
        }
        if let Some(quic) = quic {
            quic.stop();
            quic.settled(SETTLING).await;
        }
        Ok(())
    }
}

fn server(
    (config, options): (&EdgeConfig, &EdgeOptions),
    (shared, proxy): (&SharedLimits, &SharedProxy),
    metrics: &ShardMetrics,
    shard: &Rc<Shard>,
    connections: Connections,
    edge: EdgeId,
) -> Server {
    let mut routes = vec![Route {
        path: "/v1/ws",
        handler: Rc::new(CoreHandler::new(
            Rc::clone(shard),
            options.admission.clone(),
        )),
        limits: Cell::new(config.limits.route()),
    }];
    if options.echo {
        routes.push(Route {
            path: "/v1/echo",
            handler: Rc::new(EchoHandler::new(connections.clone(), config.deflate())),
            limits: Cell::new(RouteLimits {
                message_bytes: EchoHandler::LIMIT,
                outbox_bytes: EchoHandler::LIMIT,
            }),
        });
    }
    let pages = options.pages.clone();
    Server::new(
        ServerOptions {
            limits: shared.clone(),
            proxy: proxy.clone(),
            ..config.server()
        },
        connections,
        metrics.server.clone(),
        Routes { routes, pages },
        edge,
    )
}

/// Tells clients to reconnect at times spread over the drain time, waits for them to leave, and closes the remaining
/// connections. Clients whose handshakes are in progress are told as soon as they are connected.
async fn drain(
    (shard, server): (&Rc<Shard>, &Server),
    mut connections: Connections,
    within: Duration,
) {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);
    shard.run(|core, _, now| core.drain(within, now));
    // Clients that are told last get up to a second more, or nothing if `within` is zero.
    let end = tokio::time::Instant::now() + within + within.min(Duration::from_secs(1));
    while !server.is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    // The last inputs, and the entries that the players are lost, must be stored and processed, because no other process
    // appends them again.
    let end = tokio::time::Instant::now() + Duration::from_secs(1);
    loop {
        // A handshake may have opened another one.
        for conn in connections.open_keys() {
            connections.close(conn, ErrorKind::GoingAway);
        }
        let is_done = server.is_empty() && !shard.read(Core::has_unprocessed);
        if is_done || tokio::time::Instant::now() >= end {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

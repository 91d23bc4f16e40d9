//! A shard's thread, from its start to its drain.

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::clock;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::EdgeId;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::conn::transport::Transport;
use crate::core::Core;
use crate::process::config::EdgeConfig;
use crate::process::options::{BusSource, EdgeError, EdgeOptions};
use crate::server::Server;
use crate::server::connections::Connections;
use crate::server::echo::EchoHandler;
use crate::server::routes::{Route, Routes};
use crate::shard::bus::{Leases, ShardBus};
use crate::shard::handle::Shard;
use crate::shard::handler::CoreHandler;
use crate::shard::metrics::ShardMetrics;
use crate::shard::{self, FlushOptions, LogRefusals};

/// Everything that a shard's thread needs to start.
pub(super) struct ShardThread {
    pub(super) config: EdgeConfig,
    pub(super) options: EdgeOptions,
    pub(super) edge: EdgeId,
    pub(super) listener: std::net::TcpListener,
    pub(super) leases: watch::Receiver<Leases>,
    pub(super) refusals: LogRefusals,
    pub(super) metrics: ShardMetrics,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) ready: mpsc::Sender<Result<(), EdgeError>>,
    pub(super) _alive: mpsc::Sender<()>,
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
        let bus = match &self.options.bus {
            BusSource::Nats => {
                let bus = self.config.cluster.connect(self.edge.as_str()).await?;
                self.metrics.bus.add(&bus);
                bus
            }
            // The process has registered the shared bus' metrics.
            BusSource::Shared(bus) => bus.clone(),
        };
        let core = self.config.core();
        let connections = Connections::new(core.heartbeat)?;
        let verifier = self.options.admission.verifier.clone();
        let shard = Shard::new(
            {
                let now = clock::now();
                Core::new(core, self.edge.clone(), verifier, rand::random(), now)
            },
            connections.clone(),
        );
        let flush = FlushOptions {
            slice: Duration::from_micros(self.config.rooms.flush_slice_us),
            interval: Duration::from_micros(self.config.rooms.flush_interval_us),
        };
        let to = ShardBus {
            bus,
            edge: self.edge.clone(),
            leases: self.leases.clone(),
            refusals: self.refusals.clone(),
        };
        let server = self.server(&shard, connections.clone());
        shard::start(&shard, to, flush, self.metrics).await?;
        server.start();
        let accepting = tokio::task::spawn_local(server.accept(self.listener));
        self.ready.send(Ok(())).await.ok();
        let mut stopped = self.stopped;
        // A dropped sender also stops the shard.
        stopped.wait_for(|stop| *stop).await.ok();
        accepting.abort();
        drain(
            &shard,
            connections,
            Duration::from_millis(self.config.edge.drain_ms),
        )
        .await;
        Ok(())
    }

    fn server(&self, shard: &Rc<Shard>, connections: Connections) -> Server {
        let limits = &self.config.limits;
        let mut routes = vec![Route {
            path: "/v1/ws",
            handler: Rc::new(CoreHandler::new(
                Rc::clone(shard),
                self.options.admission.clone(),
            )),
            message_bytes: limits.message_bytes,
            outbox_bytes: limits.outbox_bytes,
        }];
        if self.options.echo {
            routes.push(Route {
                path: "/v1/echo",
                handler: Rc::new(EchoHandler::new(connections.clone(), self.config.deflate())),
                message_bytes: EchoHandler::LIMIT,
                outbox_bytes: EchoHandler::LIMIT,
            });
        }
        let metrics = self.metrics.server.clone();
        let pages = self.options.pages.clone();
        Server::new(
            self.config.server(),
            connections,
            metrics,
            Routes { routes, pages },
            self.edge.clone(),
        )
    }
}

/// Tells clients to reconnect at times spread over `within`, waits for them to leave, and closes the remaining connections.
async fn drain(shard: &Rc<Shard>, mut connections: Connections, within: Duration) {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);
    shard.run(|core, _, _| core.drain(within));
    // Clients that are told last get up to a second more, or nothing if `within` is zero.
    let end = tokio::time::Instant::now() + within + within.min(Duration::from_secs(1));
    while !connections.is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    for conn in connections.open_keys() {
        connections.close(conn, ErrorKind::GoingAway);
    }
    // The last inputs, and the entries that the players are lost, must be stored and processed, because no other process
    // appends them again.
    let end = tokio::time::Instant::now() + Duration::from_secs(1);
    let is_done = || connections.is_empty() && !shard.read(Core::has_unprocessed);
    while !is_done() && tokio::time::Instant::now() < end {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

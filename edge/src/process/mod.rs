//! The process around the shards.

pub mod config;

pub mod leases;

pub mod liveness;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusError, ConnectError};
use grandstand_common::cluster::JoinError;
use grandstand_common::exit::Exit;
use grandstand_common::id::{EdgeId, IdError};
use grandstand_common::process::admin::{Component, Phase};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, LocalSet};

use crate::conn::transport::Transport;
use crate::core::Core;
use crate::process::config::EdgeConfig;
use crate::server::connections::Conns;
use crate::server::context::{Front, Pages, Paths, Route};
use crate::server::echo::Echo;
use crate::server::listen::{ListenError, bind, drive_accept};
use crate::shard::admission::Admission;
use crate::shard::bus::{Leases, ShardBus};
use crate::shard::handle::Shard;
use crate::shard::handler::Gate;
use crate::shard::metrics::{EdgeMetrics, ShardMetrics};
use crate::shard::{self, FlushOptions};

/// Why an edge does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Its address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It cannot connect to the bus.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster does not want it.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The bus does not take its subscriptions.
    #[error("cannot subscribe on the bus: {0}")]
    Subscribe(#[from] BusError),
    /// A thread or runtime cannot be had.
    #[error("cannot start a shard: {0}")]
    Thread(#[from] std::io::Error),
    /// A shard ended by itself.
    #[error("a shard has ended by itself; the log says why")]
    Ended,
}

impl EdgeError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Listen(ListenError::Taken { .. }) => Exit::AddressInUse,
            Self::Listen(_) => Exit::Config,
            Self::Connect(error) => error.exit(),
            Self::Subscribe(_) => Exit::Unavailable,
            Self::Join(error) => error.exit(),
            Self::Thread(_) | Self::Ended => Exit::Internal,
        }
    }
}

/// How shards get to the bus.
#[derive(Debug, Clone)]
pub enum BusSource {
    /// Each connects to NATS by itself, as the configuration says.
    Nats,
    /// All use this one: the embedded bus.
    Shared(Bus),
}

/// What the configuration file does not say.
#[derive(Debug, Clone)]
pub struct EdgeOptions {
    /// How shards get to the bus.
    pub bus: BusSource,
    /// Who may come in.
    pub admission: Admission,
    /// Pages to serve beside the WebSockets.
    pub pages: Pages,
    /// Serve `/v1/echo`.
    pub echo: bool,
}

/// A running edge. Dropped, it goes on; see [`Edge::end`].
#[derive(Debug)]
pub struct Edge {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    drain: Duration,
    alive: AbortHandle,
}

impl Edge {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a shard ends by itself, which none should.
    pub async fn failed(&mut self) -> EdgeError {
        self.ended.recv().await;
        EdgeError::Ended
    }

    /// Stops to accept, tells clients to connect anew, and ends when they have gone or the drain time is over.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        let gone = async { while self.ended.recv().await.is_some() {} };
        let grace = self.drain + Duration::from_secs(5);
        if tokio::time::timeout(grace, gone).await.is_err() {
            tracing::warn!("connections were still open when the drain time was over");
        }
        self.alive.abort();
    }
}

/// Starts an edge: its shards, each on a thread of its own. Ready when this returns.
///
/// # Errors
/// See [`EdgeError`].
pub async fn start(
    config: &EdgeConfig,
    options: EdgeOptions,
    component: &Component,
    metrics: &EdgeMetrics,
) -> Result<Edge, EdgeError> {
    let listeners = bind(&config.listener(), config.shards())?;
    let address = listeners
        .first()
        .map_or(Ok(config.edge.listen), |listener| listener.local_addr())?;
    component.set(Phase::Starting("connecting to the bus".into()));
    let bus = match &options.bus {
        BusSource::Nats => config.cluster.connect(&config.edge.name).await?,
        BusSource::Shared(bus) => bus.clone(),
    };
    metrics.bus.add(&bus);
    config.cluster.join(&bus).await?;
    tokio::spawn(config.cluster.clone().stay(bus.clone()));
    let (sender, leases) = watch::channel(Leases::default());
    let random: u32 = rand::random();
    let edges = (0..listeners.len())
        // The name was checked with the configuration.
        .map(|shard| EdgeId::of_shard(&config.edge.name, shard, random))
        .collect::<Result<Vec<_>, IdError>>()
        .map_err(std::io::Error::other)?;
    let answering = match edges.first() {
        Some(edge) => tokio::spawn(liveness::listen(bus.clone(), &edge.process()).await?),
        None => tokio::spawn(async {}),
    };
    tokio::spawn(leases::drive_leases(bus, sender));
    let (stop, stopped) = watch::channel(false);
    let (alive, ended) = mpsc::channel(1);
    let (ready, mut started) = mpsc::channel(listeners.len().max(1));
    for (index, (listener, edge)) in listeners.into_iter().zip(edges).enumerate() {
        let thread = ShardThread {
            config: config.clone(),
            options: options.clone(),
            edge,
            listener,
            leases: leases.clone(),
            metrics: metrics.shard(),
            stopped: stopped.clone(),
            ready: ready.clone(),
            _alive: alive.clone(),
        };
        std::thread::Builder::new()
            .name(format!("edge-{index}"))
            .spawn(move || thread.run())?;
    }
    drop((ready, alive));
    for _ in 0..config.shards() {
        started.recv().await.unwrap_or(Err(EdgeError::Ended))?;
    }
    component.set(Phase::Ready);
    let drain = Duration::from_millis(config.edge.drain_ms);
    Ok(Edge {
        address,
        stop,
        ended,
        drain,
        alive: answering.abort_handle(),
    })
}

/// What a shard's thread starts with.
struct ShardThread {
    config: EdgeConfig,
    options: EdgeOptions,
    edge: EdgeId,
    listener: std::net::TcpListener,
    leases: watch::Receiver<Leases>,
    metrics: ShardMetrics,
    stopped: watch::Receiver<bool>,
    ready: mpsc::Sender<Result<(), EdgeError>>,
    _alive: mpsc::Sender<()>,
}

impl ShardThread {
    fn run(self) {
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
                tracing::error!(error = ?unheard.0, "a shard has ended");
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
            // Counted by the process.
            BusSource::Shared(bus) => bus.clone(),
        };
        let core = self.config.core();
        let conns = Conns::new(core.heartbeat)?;
        let verifier = self.options.admission.verifier.clone();
        let shard = Shard::new(
            {
                let now = grandstand_common::clock::now();
                Core::new(core, self.edge.clone(), verifier, rand::random(), now)
            },
            conns.clone(),
        );
        let flush = FlushOptions {
            slice: Duration::from_micros(self.config.rooms.flush_slice_us),
            interval: Duration::from_micros(self.config.rooms.flush_interval_us),
        };
        let to = ShardBus {
            bus,
            edge: self.edge.clone(),
            leases: self.leases.clone(),
        };
        let front = self.front(&shard, conns.clone());
        shard::start(&shard, to, flush, self.metrics).await?;
        front.start();
        let accepting = tokio::task::spawn_local(drive_accept(front, self.listener));
        self.ready.send(Ok(())).await.ok();
        let mut stopped = self.stopped;
        // A process that is gone without a word stops too.
        stopped.wait_for(|stop| *stop).await.ok();
        accepting.abort();
        drain(
            &shard,
            conns,
            Duration::from_millis(self.config.edge.drain_ms),
        )
        .await;
        Ok(())
    }

    fn front(&self, shard: &Rc<Shard>, conns: Conns) -> Rc<Front> {
        let limits = &self.config.limits;
        let mut routes = vec![Route {
            path: "/v1/ws",
            endpoint: Rc::new(Gate::new(Rc::clone(shard), self.options.admission.clone())),
            message_bytes: limits.message_bytes,
            outbox_bytes: limits.outbox_bytes,
        }];
        if self.options.echo {
            routes.push(Route {
                path: "/v1/echo",
                endpoint: Rc::new(Echo::new(conns.clone(), self.config.deflate())),
                message_bytes: Echo::LIMIT,
                outbox_bytes: Echo::LIMIT,
            });
        }
        let metrics = self.metrics.front.clone();
        let pages = self.options.pages.clone();
        Front::new(self.config.front(), conns, metrics, Paths { routes, pages })
    }
}

/// Tells clients to connect anew, and waits for them to go; closes those that are left.
async fn drain(shard: &Rc<Shard>, mut conns: Conns, within: Duration) {
    const LOOK: Duration = Duration::from_millis(20);
    shard.run(|core, _, _| core.drain(within));
    // Who was told to go last has a while to do so; nobody has if there is no time at all.
    let end = tokio::time::Instant::now() + within + within.min(Duration::from_secs(1));
    while !conns.is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
    for conn in conns.open_keys() {
        conns.close(conn, grandstand_common::error::ErrorKind::GoingAway);
    }
    // What players did last, and that they are lost, is to be in the log and reported, or nobody repeats it.
    let end = tokio::time::Instant::now() + Duration::from_secs(1);
    let is_done = || conns.is_empty() && !shard.read(Core::has_unprocessed);
    while !is_done() && tokio::time::Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes an [`Admission`] from the configuration.
///
/// # Errors
/// If the key cannot be used.
pub fn admission(
    config: &EdgeConfig,
) -> Result<Admission, grandstand_common::auth::AuthConfigError> {
    Ok(Admission {
        verifier: Some(Arc::new(config.auth.verifier()?)),
        origins: config.edge.origins.clone(),
        trust_user: false,
    })
}

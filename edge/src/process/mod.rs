//! The edge process: starts the shards, watches the leases, answers probes, drains.

mod thread;

mod options;

pub mod config;

pub mod api;

mod sockets;

#[cfg(feature = "quic")]
mod packets;

#[cfg(not(feature = "quic"))]
mod no_packets;

mod certificates;

mod revocations;

mod tokens;

pub mod leases;

pub mod liveness;

mod degraded;

mod limits;

mod memory;

mod readiness;

mod reload;

pub mod upgrade;

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::bus::Role;
use grandstand_common::follow::follow;
use grandstand_common::id::{EdgeId, IdError};
use grandstand_common::process::admin::{Component, Phase};
use grandstand_common::supervisor::Supervisor;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::limits::SharedLimits;
use crate::server::listen::ListenerEnd;
use crate::server::proxy::SharedProxy;
use crate::shard::LogRefusals;
use crate::shard::bus::Leases;
use crate::shard::metrics::EdgeMetrics;
use crate::shard::questions::QUESTIONS;
use api::RevokeParts;
use config::{EdgeConfig, LimitsSection};
#[cfg(not(feature = "quic"))]
use no_packets as packets;
use packets::{Packets, listen_quic};
use reload::Replaceable;
use sockets::{copies, listen};
use thread::{ShardThread, Stop};
use upgrade::{Sockets, Successor};

pub use options::{AdmissionError, BusSource, EdgeError, EdgeOptions, admission};
pub use reload::EdgeReloadError;

/// The most time over which clients are told to reconnect when a part of the edge has failed.
const FAILED_DRAIN: Duration = Duration::from_secs(3);

/// The time for the last writes to clients and to the log, after the drain time.
const GRACE: Duration = Duration::from_secs(5);

/// The time within which the shards must stop reading packets of QUIC: a turn of each, even of a slow one.
const RELEASE: Duration = Duration::from_secs(2);

/// A handle to a running edge. Dropping it does not stop the edge; [`Edge::end`] and [`Edge::give_up`] do.
#[derive(Debug)]
pub struct Edge {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    quic_address: Option<SocketAddr>,
    stop: watch::Sender<Option<Stop>>,
    ended: mpsc::Receiver<()>,
    drain: Duration,
    alive: Option<AbortHandle>,
    supervisor: Supervisor,
    limits: SharedLimits,
    limits_in_use: watch::Sender<LimitsSection>,
    /// Copies of the listening sockets, for the next process.
    sockets: Sockets,
    /// The sockets of QUIC, until they are read.
    packets: Option<Packets>,
    /// Closed once no shard reads packets of QUIC any more.
    reading: mpsc::Receiver<()>,
    replaceable: Replaceable,
    /// The time between two looks at the files of certificates.
    looks_every: watch::Sender<Duration>,
}

impl Edge {
    /// The address for clients without TLS; if there is none, that for clients with TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for clients with TLS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// The UDP address for clients over QUIC.
    pub fn quic_address(&self) -> Option<SocketAddr> {
        self.quic_address
    }

    /// Replaces the limits while the edge runs. Connections over a lower limit stay; `message_bytes` and `outbox_bytes` are for
    /// those that are opened from then on.
    pub fn set_limits(&self, limits: &LimitsSection) {
        self.limits.replace(limits.shared());
        self.limits_in_use.send_replace(limits.clone());
    }

    /// Takes the copies of the listening sockets, for the next process. There are none without `upgrade.socket`, and those of
    /// QUIC only once they are [read](Self::take_packets). A listener is closed only once they are dropped.
    pub fn take_sockets(&mut self) -> Sockets {
        std::mem::take(&mut self.sockets)
    }

    /// Takes on what can change while the edge runs: keys of tokens, origins, certificates, limits, proxies and the drain
    /// time. Files are read again.
    ///
    /// # Errors
    /// If the configuration cannot be used; then nothing changes.
    pub fn reload(&mut self, config: &EdgeConfig) -> Result<(), EdgeReloadError> {
        self.replaceable.replace(config)?;
        self.set_limits(&config.limits);
        self.drain = Duration::from_millis(config.edge.drain_ms);
        self.looks_every
            .send_replace(Duration::from_secs(config.tls.reload_s));
        Ok(())
    }

    /// Reads packets of QUIC from the sockets of another process, which does so no more.
    ///
    /// # Errors
    /// If the sockets of further shards cannot be opened.
    pub fn take_packets(&mut self) -> Result<(), EdgeError> {
        match self.packets.take() {
            Some(packets) => packets.begin(&mut self.sockets),
            None => Ok(()),
        }
    }

    /// Stops accepting and tells clients to reconnect. Returns when all have left, at the latest 5 s after the drain time.
    pub async fn end(self) {
        let within = self.drain;
        self.stop(within, ListenerEnd::Close).await;
    }

    /// Ends like [`end`](Self::end), while another process accepts at the same sockets. It is told when it alone reads packets of
    /// QUIC.
    /// Then `answer` gets the socket to that process, which asks over it what this one does.
    pub async fn hand_over(mut self, successor: Successor, answer: impl FnOnce(UnixStream)) {
        let within = self.drain;
        self.tell(within, ListenerEnd::HandOver);
        let released = async { while self.reading.recv().await.is_some() {} };
        if tokio::time::timeout(RELEASE, released).await.is_err() {
            tracing::warn!("a shard does not say that it reads no packets of QUIC any more");
        }
        answer(successor.release().await);
        self.left(within).await;
    }

    /// Ends because a part of the process has failed: clients of a shard that has failed are disconnected
    /// at once, all others are told to reconnect within 3 s.
    pub async fn give_up(self) {
        let within = self.drain.min(FAILED_DRAIN);
        self.stop(within, ListenerEnd::Close).await;
    }

    async fn stop(self, within: Duration, listeners: ListenerEnd) {
        self.tell(within, listeners);
        self.left(within).await;
    }

    /// Tells the shards to drain.
    fn tell(&self, within: Duration, listeners: ListenerEnd) {
        self.supervisor.stand_down();
        self.stop.send_replace(Some(Stop { within, listeners }));
    }

    /// Waits until the shards have drained.
    async fn left(mut self, within: Duration) {
        let gone = async { while self.ended.recv().await.is_some() {} };
        let grace = within + GRACE;
        if tokio::time::timeout(grace, gone).await.is_err() {
            tracing::warn!("connections were still open at the end of the drain time");
        }
        if let Some(alive) = self.alive {
            alive.abort();
        }
    }
}

/// Starts an edge with each shard on a thread of its own. The edge is ready when this returns. It takes its listening
/// sockets from `sockets` as far as they are there.
///
/// # Errors
/// See [`EdgeError`].
pub async fn start(
    config: &EdgeConfig,
    options: EdgeOptions,
    sockets: &mut Sockets,
    component: &Component,
    metrics: &EdgeMetrics,
) -> Result<Edge, EdgeError> {
    let tls = config.certificates()?;
    let is_first = sockets.is_empty();
    if is_first {
        // While the edge waits for NATS, clients are refused instead of waiting in a backlog.
        drop((
            listen(config, tls.as_ref(), sockets)?,
            listen_quic(config, tls.as_ref(), sockets)?,
        ));
    }
    sockets::check(sockets)?;
    component.set(Phase::Starting("connecting to the bus".into()));
    let supervisor = options.supervisor.scope("edge");
    let bus = match &options.bus {
        BusSource::Nats => {
            let (name, role) = (&config.edge.name, Role::Edge);
            let watched = (component, &supervisor);
            config.cluster.start(name, role, watched).await?
        }
        BusSource::Shared(bus) => bus.clone(),
    };
    metrics.bus.add(&bus);
    let following = (component, &supervisor);
    tokens::follow(&options.admission, &bus, following, metrics).await;
    let listeners = listen(config, tls.as_ref(), sockets)?;
    let (mut address, mut tls_address) = (None, None);
    for listener in listeners.first().into_iter().flatten() {
        let addr = listener.socket.local_addr()?;
        address.get_or_insert(addr);
        if listener.tls.is_some() {
            tls_address = Some(addr);
        }
    }
    let (quic, packets) = listen_quic(config, tls.as_ref(), sockets)?;
    let copies = match config.upgrade.path() {
        Some(_) => copies(&listeners)?,
        None => Sockets::default(),
    };
    let quic_address = packets.as_ref().map(Packets::addr);
    let mut quic = quic.into_iter();
    let (reads, reading) = mpsc::channel(1);
    let (sender, leases) = watch::channel(Leases::default());
    let random: u32 = rand::random();
    let edges = (0..listeners.len())
        // The configuration's validation has checked the name.
        .map(|shard| EdgeId::of_shard(&config.edge.name, shard, random))
        .collect::<Result<Vec<_>, IdError>>()
        .map_err(std::io::Error::other)?;
    let alive = match edges.first() {
        Some(edge) => {
            let answering = liveness::listen(bus.clone(), &edge.process()).await?;
            Some(supervisor.keep("alive", answering))
        }
        None => None,
    };
    let now = tokio::time::Instant::now().into_std();
    let limits = SharedLimits::new(config.limits.shared(), now);
    let (limits_in_use, settings) = watch::channel(config.limits.clone());
    let driven = limits::drive_limits(limits.clone(), settings.clone(), metrics.limits.clone());
    supervisor.keep("limits", driven);
    let layouts = follow(&bus, &supervisor);
    supervisor.keep("leases", leases::drive_leases(bus.clone(), sender));
    supervisor.keep("clock", leases::drive_log_clock(bus.clone()));
    let refusals = LogRefusals::default();
    let (stop, stopped) = watch::channel(None);
    let (running, ended) = mpsc::channel(1);
    let (ready, mut started) = mpsc::channel(listeners.len().max(1));
    let replaceable = Replaceable {
        admission: options.admission.clone(),
        tls: tls.clone(),
        proxy: SharedProxy::new(config.proxy.options()),
    };
    let mut askers = Vec::with_capacity(listeners.len());
    for (index, (listeners, edge)) in listeners.into_iter().zip(edges).enumerate() {
        let name = format!("edge-{index}");
        let (asker, questions) = mpsc::channel(QUESTIONS);
        askers.push(asker);
        let thread = ShardThread {
            questions,
            pulse: component.pulse(&name),
            supervisor: options.supervisor.scope(&name),
            config: config.clone(),
            options: options.clone(),
            edge,
            listeners,
            quic: quic.next(),
            reads_packets: reads.clone(),
            proxy: replaceable.proxy.clone(),
            leases: leases.clone(),
            log_clock: bus.log_clock().clone(),
            layouts: layouts.clone(),
            limits: limits.clone(),
            settings: settings.clone(),
            refusals: refusals.clone(),
            metrics: metrics.shard(),
            errors: bus.errors().cloned().unwrap_or_default(),
            stopped: stopped.clone(),
            ready: ready.clone(),
            _running: running.clone(),
        };
        let supervisor = thread.supervisor.clone();
        supervisor.thread(&name, move || thread.run())?;
    }
    drop((ready, running, reads));
    for _ in 0..config.shards() {
        started.recv().await.unwrap_or(Err(EdgeError::Ended))?;
    }
    if let Some(api) = &options.api {
        let revoke = RevokeParts {
            bus: bus.clone(),
            revocations: options.admission.verifier.revocations().clone(),
        };
        api.show(askers, revoke, limits.clone());
    }
    component.set(Phase::Ready);
    let dependencies = readiness::Dependencies {
        layouts,
        bus,
        leases,
        refusals,
        limits: limits.clone(),
    };
    let degraded = metrics.degraded.clone();
    let driven = readiness::drive_readiness(dependencies, component.clone(), degraded);
    supervisor.keep("readiness", async move {
        let mut stopped = stopped;
        tokio::select! {
            () = driven => {}
            _ = stopped.wait_for(Option::is_some) => {}
        }
    });
    let (looks_every, every) = watch::channel(Duration::from_secs(config.tls.reload_s));
    if let Some(tls) = tls {
        let metrics = metrics.certificates.clone();
        let followed = certificates::drive_certificates(tls, every, metrics);
        supervisor.keep("certificates", followed);
    }
    let drain = Duration::from_millis(config.edge.drain_ms);
    let mut edge = Edge {
        address: address.unwrap_or(config.edge.listen),
        tls_address,
        quic_address,
        stop,
        ended,
        drain,
        alive,
        supervisor: options.supervisor,
        limits,
        limits_in_use,
        sockets: copies,
        packets,
        reading,
        replaceable,
        looks_every,
    };
    if is_first {
        edge.take_packets()?;
    }
    Ok(edge)
}

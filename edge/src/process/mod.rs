//! The edge process: starts the shards, watches the leases, answers probes, drains.

mod thread;

mod options;

pub mod config;

pub mod leases;

pub mod liveness;

mod degraded;

mod readiness;

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::id::{EdgeId, IdError};
use grandstand_common::process::admin::{Component, Phase};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::server::listen::bind;
use crate::shard::LogRefusals;
use crate::shard::bus::Leases;
use crate::shard::metrics::EdgeMetrics;
use config::EdgeConfig;
use thread::ShardThread;

pub use options::{BusSource, EdgeError, EdgeOptions, admission};

/// A handle to a running edge. Dropping it does not stop the edge; [`Edge::end`] does.
#[derive(Debug)]
pub struct Edge {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    drain: Duration,
    alive: AbortHandle,
}

impl Edge {
    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a shard fails.
    pub async fn failed(&mut self) -> EdgeError {
        self.ended.recv().await;
        EdgeError::Ended
    }

    /// Stops accepting and tells clients to reconnect. Returns when all have left, at the latest 5 s after the drain time.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        let gone = async { while self.ended.recv().await.is_some() {} };
        let grace = self.drain + Duration::from_secs(5);
        if tokio::time::timeout(grace, gone).await.is_err() {
            tracing::warn!("connections were still open at the end of the drain time");
        }
        self.alive.abort();
    }
}

/// Starts an edge with each shard on a thread of its own. The edge is ready when this returns.
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
    tokio::spawn(config.cluster.clone().keep_joined(bus.clone()));
    let (sender, leases) = watch::channel(Leases::default());
    let random: u32 = rand::random();
    let edges = (0..listeners.len())
        // The configuration's validation has checked the name.
        .map(|shard| EdgeId::of_shard(&config.edge.name, shard, random))
        .collect::<Result<Vec<_>, IdError>>()
        .map_err(std::io::Error::other)?;
    let answering = match edges.first() {
        Some(edge) => tokio::spawn(liveness::listen(bus.clone(), &edge.process()).await?),
        None => tokio::spawn(async {}),
    };
    tokio::spawn(leases::drive_leases(bus.clone(), sender));
    let refusals = LogRefusals::default();
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
            refusals: refusals.clone(),
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
    let watched = readiness::Watched {
        bus,
        leases,
        partitions: config.cluster.partitions,
        refusals,
    };
    let degraded = metrics.degraded.clone();
    let driven = readiness::drive_readiness(watched, component.clone(), degraded);
    tokio::spawn(async move {
        let mut stopped = stopped;
        tokio::select! {
            () = driven => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    let drain = Duration::from_millis(config.edge.drain_ms);
    Ok(Edge {
        address,
        stop,
        ended,
        drain,
        alive: answering.abort_handle(),
    })
}

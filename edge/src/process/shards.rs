//! Starts the shards of an edge, each on a thread of its own.

use grandstand_common::id::EdgeId;
use grandstand_common::process::admin::Component;
use tokio::sync::{mpsc, watch};

use super::api::Asker;
use super::config::EdgeConfig;
use super::options::{EdgeError, EdgeOptions};
use super::shard_end::Stop;
use super::shard_start::{ShardParts, SharedState};
use super::thread::ShardThread;
use crate::server::listen::Listener;
use crate::server::quic::QuicListener;
use crate::shard::metrics::EdgeMetrics;
use crate::shard::questions::QUESTIONS;

/// The parts of an edge that all shards need.
pub(super) struct ShardStarter<'a> {
    pub(super) config: &'a EdgeConfig,
    pub(super) options: &'a EdgeOptions,
    pub(super) shared: &'a SharedState,
    pub(super) component: &'a Component,
    pub(super) metrics: &'a EdgeMetrics,
}

/// Handles to the running shards.
pub(super) struct StartedShards {
    /// The queues of questions to the shards.
    pub(super) askers: Vec<Asker>,
    /// Tells the shards to end.
    pub(super) stop: watch::Sender<Option<Stop>>,
    /// Closed once all shards have ended.
    pub(super) ended: mpsc::Receiver<()>,
    /// Closed once no shard reads packets of QUIC any more.
    pub(super) reading: mpsc::Receiver<()>,
}

impl ShardStarter<'_> {
    /// Starts a shard for each id with its listeners, and waits until all serve clients.
    pub(super) async fn start(
        &self,
        edges: Vec<EdgeId>,
        listeners: Vec<Vec<Listener>>,
        quic: Vec<QuicListener>,
    ) -> Result<StartedShards, EdgeError> {
        let (stop, stopped) = watch::channel(None);
        let (running, ended) = mpsc::channel(1);
        let (reads_packets, reading) = mpsc::channel(1);
        let (ready, mut started) = mpsc::channel(edges.len().max(1));
        let mut askers = Vec::with_capacity(edges.len());
        let mut quic = quic.into_iter();
        for (index, (edge, listeners)) in edges.into_iter().zip(listeners).enumerate() {
            let name = format!("edge-{index}");
            let supervisor = self.options.supervisor.scope(&name);
            let (asker, questions) = mpsc::channel(QUESTIONS);
            askers.push(asker);
            let parts = ShardParts {
                edge,
                config: self.config.clone(),
                options: self.options.clone(),
                shared: self.shared.clone(),
                listeners,
                quic: quic.next(),
                questions,
                metrics: self.metrics.shard(index),
                supervisor: supervisor.clone(),
                pulse: self.component.pulse(&name),
            };
            let thread = ShardThread {
                parts,
                ready: ready.clone(),
                stopped: stopped.clone(),
                reads_packets: reads_packets.clone(),
                running: running.clone(),
            };
            supervisor.thread(&name, move || thread.run())?;
        }
        drop((ready, running, reads_packets));
        for _ in 0..askers.len() {
            started.recv().await.unwrap_or(Err(EdgeError::Ended))?;
        }
        Ok(StartedShards {
            askers,
            stop,
            ended,
            reading,
        })
    }
}

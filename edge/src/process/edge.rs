//! A handle to a running edge: what can change while it runs, and how it ends.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::config::{EdgeConfig, LimitsSection};
use super::options::EdgeError;
use super::packets::Packets;
use super::reload::{EdgeReloadError, Replaceable};
use super::shard_end::Stop;
use super::upgrade::{Sockets, Successor};
use crate::limits::SharedLimits;
use crate::server::listen::ListenerEnd;

/// The most time over which clients are told to reconnect when a part of the edge has failed.
const FAILED_DRAIN: Duration = Duration::from_secs(3);

/// The time for the last writes to clients and to the log, after the drain time.
const GRACE: Duration = Duration::from_secs(5);

/// The time within which the shards must stop reading packets of QUIC: a turn of each, even of a slow one.
const RELEASE: Duration = Duration::from_secs(2);

/// A handle to a running edge. Dropping it does not stop the edge; [`Edge::end`] and [`Edge::give_up`] do.
#[derive(Debug)]
pub struct Edge {
    pub(super) address: SocketAddr,
    pub(super) tls_address: Option<SocketAddr>,
    pub(super) quic_address: Option<SocketAddr>,
    pub(super) stop: watch::Sender<Option<Stop>>,
    pub(super) ended: mpsc::Receiver<()>,
    pub(super) drain: Duration,
    pub(super) alive: Option<AbortHandle>,
    pub(super) supervisor: Supervisor,
    pub(super) limits: SharedLimits,
    pub(super) limits_in_use: watch::Sender<LimitsSection>,
    /// Copies of the listening sockets, for the next process.
    pub(super) sockets: Sockets,
    /// The sockets of QUIC, until they are read.
    pub(super) packets: Option<Packets>,
    /// Closed once no shard reads packets of QUIC any more.
    pub(super) reading: mpsc::Receiver<()>,
    pub(super) replaceable: Replaceable,
    /// The time between two looks at the files of certificates.
    pub(super) looks_every: watch::Sender<Duration>,
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

    /// Replaces the limits while the edge runs. Connections over a lower limit stay; `message_bytes` and `outbox_bytes`
    /// are for those that are opened from then on.
    pub fn set_limits(&self, limits: &LimitsSection) {
        self.limits.replace(limits.shared());
        self.limits_in_use.send_replace(limits.clone());
    }

    /// Takes the copies of the listening sockets, for the next process or edge. There are none unless the edge
    /// [can be replaced](super::EdgeOptions::is_replaceable), and those of QUIC only once they are [read](Self::take_packets). A listener is closed only once they are dropped.
    pub fn take_sockets(&mut self) -> Sockets {
        std::mem::take(&mut self.sockets)
    }

    /// Applies the parts of a configuration that can change while the edge runs: keys of tokens, origins, certificates,
    /// limits, proxies and the drain time. Files are read again.
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

    /// Begins to read packets of QUIC. Another process that read them from the same sockets must have stopped.
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
        self.close(within).await;
    }

    /// Ends like [`end`](Self::end), while another process accepts at the same sockets. Tells that process when it alone
    /// reads packets of QUIC. Then `answer` gets the socket over which that process asks for the metrics of this one.
    pub async fn hand_over(mut self, successor: Successor, answer: impl FnOnce(UnixStream)) {
        let within = self.drain;
        self.tell(Stop::InOrder {
            within,
            listeners: ListenerEnd::HandOver,
        });
        self.released().await;
        answer(successor.release().await);
        self.left(within).await;
    }

    /// Ends like [`end`](Self::end), while `next`, an edge of the same process, accepts at the same sockets. From then on
    /// `next` reads the packets of QUIC as well.
    ///
    /// # Errors
    /// If `next` cannot read them.
    pub async fn hand_over_to(
        mut self,
        next: impl Future<Output = Result<(), EdgeError>>,
    ) -> Result<(), EdgeError> {
        let within = self.drain;
        self.tell(Stop::InOrder {
            within,
            listeners: ListenerEnd::HandOver,
        });
        self.released().await;
        next.await?;
        self.left(within).await;
        Ok(())
    }

    /// Ends as in a crash: closes all sockets without a word to the clients, and stores nothing.
    pub async fn end_at_once(mut self) {
        drop(self.take_sockets());
        self.tell(Stop::AtOnce);
        self.left(Duration::ZERO).await;
    }

    /// Ends because a part of the process has failed: clients of a shard that has failed are disconnected
    /// at once, all others are told to reconnect within 3 s.
    pub async fn give_up(self) {
        let within = self.drain.min(FAILED_DRAIN);
        self.close(within).await;
    }

    /// Drains and closes the listening sockets.
    async fn close(mut self, within: Duration) {
        drop(self.take_sockets());
        let listeners = ListenerEnd::Close;
        self.tell(Stop::InOrder { within, listeners });
        self.left(within).await;
    }

    /// Tells the shards to end.
    fn tell(&self, stop: Stop) {
        self.supervisor.stand_down();
        self.stop.send_replace(Some(stop));
    }

    /// Waits until no shard reads packets of QUIC any more.
    async fn released(&mut self) {
        let all_released = async { while self.reading.recv().await.is_some() {} };
        if tokio::time::timeout(RELEASE, all_released).await.is_err() {
            tracing::warn!("a shard does not say that it reads no packets of QUIC any more");
        }
    }

    /// Waits until the shards have drained.
    async fn left(mut self, within: Duration) {
        let all_ended = async { while self.ended.recv().await.is_some() {} };
        let grace = within + GRACE;
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            tracing::warn!("connections were still open at the end of the drain time");
        }
        if let Some(alive) = self.alive {
            alive.abort();
        }
    }
}

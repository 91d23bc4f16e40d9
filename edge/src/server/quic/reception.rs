//! The packets of a shard's connections, from wherever they arrive.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use crate::server::quic::arrivals::Arrivals;
use crate::server::quic::handover::{Handover, Route};
use crate::server::quic::metrics::QuicMetrics;
use crate::server::quic::packet::Packet;
use crate::server::quic::socket::PacketSocket;

/// Receives packets, and hands over those of other shards and processes.
pub(super) struct Reception {
    pub(super) arrivals: Rc<Arrivals>,
    handover: Handover,
    metrics: QuicMetrics,
    /// Packets of this shard that are not handled yet: those of one batch.
    waiting: VecDeque<Packet>,
}

impl Reception {
    pub(super) fn new(arrivals: Rc<Arrivals>, handover: Handover, metrics: QuicMetrics) -> Self {
        Self {
            arrivals,
            handover,
            metrics,
            waiting: VecDeque::new(),
        }
    }

    /// Waits until packets may have arrived.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        tokio::select! {
            ready = self.arrivals.ready() => ready,
            packet = self.handover.next() => {
                self.waiting.extend(packet);
                Ok(())
            }
        }
    }

    /// Receives a batch from each source, unless packets wait. Returns whether there may be more.
    ///
    /// # Errors
    /// If a socket fails.
    pub(super) fn receive(&mut self, socket: &mut PacketSocket) -> io::Result<bool> {
        if !self.waiting.is_empty() {
            return Ok(true);
        }
        let waiting = &mut self.waiting;
        let mut has_more = self
            .arrivals
            .receive(socket, |packet| waiting.push_back(packet));
        if self.arrivals.is_reading() {
            let mut received = 0;
            has_more |= socket.receive(|packet| {
                received += 1;
                match self.handover.route(packet) {
                    Route::Here(packet) => waiting.push_back(packet),
                    Route::Elsewhere => drop(self.metrics.handed_over.inc()),
                    Route::Earlier => drop(self.metrics.forwarded.inc()),
                    Route::Lost => drop(self.metrics.lost.inc()),
                }
            })?;
            self.metrics.received.inc_by(received);
        }
        Ok(has_more)
    }

    /// Whether packets wait to be handled.
    pub(super) fn has_packets(&self) -> bool {
        !self.waiting.is_empty() || self.handover.has_packets()
    }

    /// The next packet of a connection of this shard, or of a new one.
    pub(super) fn next(&mut self) -> Option<Packet> {
        self.waiting
            .pop_front()
            .or_else(|| self.handover.try_next())
    }
}

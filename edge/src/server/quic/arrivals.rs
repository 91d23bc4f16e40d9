//! The arrival of a shard's packets: at its sockets, or, once another process has these, from that process.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use crate::server::quic::forward::{Inlet, Left};
use crate::server::quic::packet::Packet;
use crate::server::quic::socket::{PacketSocket, Ports};
use crate::server::quic::status::Status;

/// The most forwarded packets that are handled before other tasks run.
const FORWARDED_PER_TURN: usize = 64;

/// The place at which the packets of a shard arrive.
#[derive(Debug)]
pub(super) struct Arrivals {
    ports: Rc<Ports>,
    inlet: Option<Inlet>,
    /// No process forwards packets.
    has_ended: Cell<bool>,
    /// The loss was noticed.
    is_noticed: Cell<bool>,
    status: Rc<Status>,
}

impl Arrivals {
    pub(super) fn new(ports: Rc<Ports>, inlet: Option<Inlet>, status: Rc<Status>) -> Rc<Self> {
        Rc::new(Self {
            has_ended: Cell::new(inlet.is_none()),
            is_noticed: Cell::default(),
            ports,
            inlet,
            status,
        })
    }

    /// Whether packets are read from the sockets.
    pub(super) fn is_reading(&self) -> bool {
        !self.status.is_handed_over()
    }

    /// Returns true once, when no packets arrive any more: the process that has the sockets has ended, or forwards none.
    pub(super) fn notice_end(&self) -> bool {
        let is_deaf = !self.is_reading() && self.has_ended.get();
        is_deaf && !self.is_noticed.replace(true)
    }

    /// Waits until packets may have arrived, or arrive elsewhere.
    pub(super) async fn ready(&self) -> io::Result<()> {
        let forwarded = async {
            match &self.inlet {
                Some(inlet) if !self.has_ended.get() => inlet.readable().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.ports.readable(), if self.is_reading() => ready,
            ready = forwarded => ready,
            () = self.status.changed() => Ok(()),
        }
    }

    /// Whether packets have arrived that are not received yet.
    pub(super) fn has_packets(&self) -> bool {
        match &self.inlet {
            _ if self.is_reading() => self.ports.has_packets(),
            Some(inlet) => inlet.has_packets(),
            None => false,
        }
    }

    /// Receives forwarded packets. Returns whether there may be more.
    pub(super) fn receive(&self, socket: &mut PacketSocket, take: impl FnMut(Packet)) -> bool {
        let Some(inlet) = self.inlet.as_ref().filter(|_| !self.has_ended.get()) else {
            return false;
        };
        let left = inlet.receive(socket.buffer(), FORWARDED_PER_TURN, take);
        self.has_ended.set(left == Left::Ended);
        left == Left::More
    }
}

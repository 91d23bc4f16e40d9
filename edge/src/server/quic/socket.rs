//! A shard's UDP socket: packets in batches, with the kernel's offloads where it has them.

use std::io::{self, IoSliceMut};
use std::rc::Rc;

use bytes::BytesMut;
use quinn_proto::Transmit;
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::server::quic::handover::Packet;

/// The buffers that one system call fills.
const BATCH: usize = 8;

/// The bytes of a buffer: the kernel may put several packets of one sender into it.
const BUFFER: usize = 64 << 10;

/// The most packets that the kernel is asked to cut one buffer into.
const MAX_SEGMENTS: usize = 10;

/// A UDP socket with its buffers.
pub(super) struct PacketSocket {
    socket: Rc<UdpSocket>,
    state: UdpSocketState,
    buffers: Vec<u8>,
    /// What the socket did not accept.
    unsent: Option<(Transmit, Vec<u8>)>,
}

impl PacketSocket {
    /// Registers the socket with the running runtime.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self {
            state: UdpSocketState::new((&socket).into())?,
            socket: Rc::new(socket),
            buffers: vec![0; BATCH * BUFFER],
            unsent: None,
        })
    }

    /// The socket.
    pub(super) fn socket(&self) -> &Rc<UdpSocket> {
        &self.socket
    }

    /// Whether the network may split packets, so that the size of a path cannot be found out.
    pub(super) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// The most packets in one call of [`send`](Self::send).
    pub(super) fn max_segments(&self) -> usize {
        self.state.max_gso_segments().min(MAX_SEGMENTS)
    }

    /// Receives up to one batch. Returns whether there may be more.
    ///
    /// # Errors
    /// If the socket fails. An error about a packet that was sent earlier is none.
    pub(super) fn receive(&mut self, mut take: impl FnMut(Packet)) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); BATCH];
        let mut chunks = self.buffers.chunks_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let received = self.socket.try_io(Interest::READABLE, || {
            self.state
                .recv((&*self.socket).into(), &mut slices, &mut metas)
        });
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // ICMP told of a client that is gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(true),
            Err(error) => return Err(error),
        };
        for (meta, slice) in metas.iter().zip(&slices).take(count) {
            for data in slice[..meta.len].chunks(meta.stride.max(1)) {
                take(Packet {
                    from: meta.addr,
                    to: meta.dst_ip,
                    ecn: meta.ecn,
                    data: BytesMut::from(data),
                });
            }
        }
        Ok(true)
    }

    /// Sends packets, or keeps them if the socket is blocked. Must not be called while it is.
    pub(super) fn send(&mut self, transmit: Transmit, bytes: &[u8]) {
        if !self.try_send(&transmit, bytes) {
            let bytes = bytes[..transmit.size].to_vec();
            self.unsent = Some((transmit, bytes));
        }
    }

    /// Whether the socket has not accepted all packets.
    pub(super) fn is_blocked(&self) -> bool {
        self.unsent.is_some()
    }

    /// Sends what the socket did not accept.
    pub(super) fn flush(&mut self) {
        if let Some((transmit, bytes)) = self.unsent.take() {
            self.send(transmit, &bytes);
        }
    }

    fn try_send(&self, transmit: &Transmit, bytes: &[u8]) -> bool {
        let packet = quinn_udp::Transmit {
            destination: transmit.destination,
            ecn: transmit
                .ecn
                .and_then(|ecn| EcnCodepoint::from_bits(ecn as u8)),
            contents: &bytes[..transmit.size],
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        let sent = self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send((&*self.socket).into(), &packet)
        });
        // Any other error is of one client, whose packets are then lost like those that the network drops.
        !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

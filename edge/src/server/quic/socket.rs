//! A shard's UDP sockets: packets in batches, with the kernel's offloads where it has them.

use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::rc::Rc;
use std::task::Poll;

use bytes::BytesMut;
use quinn_proto::Transmit;
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::server::quic::packet::Packet;

/// The buffers that one system call fills.
const BATCH: usize = 8;

/// The bytes of a buffer: the kernel may put several packets of one sender into it.
const BUFFER: usize = 64 << 10;

/// The most packets that the kernel is asked to cut one buffer into.
const MAX_SEGMENTS: usize = 10;

/// The UDP sockets of a shard, all of one address. There is more than one if an earlier process had more shards.
#[derive(Debug)]
pub struct UdpSockets {
    /// The one that sends.
    pub first: std::net::UdpSocket,
    /// The others, which only receive.
    pub others: Vec<std::net::UdpSocket>,
}

/// A UDP socket of a runtime.
#[derive(Debug)]
struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Port {
    fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state })
    }
}

/// The UDP sockets of a shard.
#[derive(Debug)]
pub(super) struct Ports {
    first: Port,
    others: Vec<Port>,
}

impl Ports {
    /// Registers the sockets with the running runtime.
    pub(super) fn new(sockets: UdpSockets) -> io::Result<Rc<Self>> {
        let others = sockets.others.into_iter().map(Port::new);
        Ok(Rc::new(Self {
            first: Port::new(sockets.first)?,
            others: others.collect::<io::Result<_>>()?,
        }))
    }

    fn all(&self) -> impl Iterator<Item = &Port> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Waits until a packet may have arrived.
    pub(super) async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut ready = self.all().map(|port| port.socket.poll_recv_ready(context));
            let ready = ready.find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        })
        .await
    }

    /// Waits until packets may be sent.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.first.socket.writable().await
    }

    /// Whether packets have arrived that were not received yet.
    pub(super) fn has_packets(&self) -> bool {
        self.all().any(|port| {
            let mut socket = [PollFd::new(&port.socket, PollFlags::IN)];
            let polled = poll(&mut socket, Some(&Timespec::default()));
            polled.is_err() || !socket[0].revents().is_empty()
        })
    }
}

/// The UDP sockets of a shard, with their buffers.
pub(super) struct PacketSocket {
    ports: Rc<Ports>,
    buffers: Vec<u8>,
    /// The packets that the socket did not accept.
    unsent: Option<(Transmit, Vec<u8>)>,
}

impl PacketSocket {
    pub(super) fn new(ports: Rc<Ports>) -> Self {
        Self {
            ports,
            buffers: vec![0; BATCH * BUFFER],
            unsent: None,
        }
    }

    /// The sockets.
    pub(super) fn ports(&self) -> Rc<Ports> {
        Rc::clone(&self.ports)
    }

    /// Whether the network may split packets, so that the size of a path cannot be found out.
    pub(super) fn may_fragment(&self) -> bool {
        self.ports.first.state.may_fragment()
    }

    /// The most packets in one call of [`send`](Self::send).
    pub(super) fn max_segments(&self) -> usize {
        self.ports.first.state.max_gso_segments().min(MAX_SEGMENTS)
    }

    /// Space for what arrives.
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffers
    }

    /// Receives up to one batch from each socket. Returns whether there may be more.
    ///
    /// # Errors
    /// If a socket fails. An error about a packet that was sent earlier is none.
    pub(super) fn receive(&mut self, mut take: impl FnMut(Packet)) -> io::Result<bool> {
        let mut has_more = false;
        for port in self.ports.all() {
            has_more |= receive(port, &mut self.buffers, &mut take)?;
        }
        Ok(has_more)
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
        let Port { socket, state } = &self.ports.first;
        let sent = socket.try_io(Interest::WRITABLE, || {
            state.try_send(socket.into(), &packet)
        });
        // Any other error is of one client, whose packets are then lost like those that the network drops.
        !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Receives up to one batch. Returns whether there may be more.
fn receive(port: &Port, buffers: &mut [u8], mut take: impl FnMut(Packet)) -> io::Result<bool> {
    let Port { socket, state } = port;
    let mut metas = [RecvMeta::default(); BATCH];
    let mut chunks = buffers.chunks_mut(BUFFER);
    let mut slices: [IoSliceMut<'_>; BATCH] =
        std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
    let received = socket.try_io(Interest::READABLE, || {
        state.recv(socket.into(), &mut slices, &mut metas)
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

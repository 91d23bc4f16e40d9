//! Packets for the connections of an earlier process, on their way to it.
//!
//! After an upgrade in place the new process alone reads the UDP sockets. It forwards a packet whose connection id
//! names the earlier process to the shard of that connection, over a socket pair of which the earlier process has
//! handed over one end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use quinn_udp::EcnCodepoint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};
use tokio::net::UnixDatagram;

use crate::server::quic::cid::Place;
use crate::server::quic::packet::Packet;

/// The beginning of the name of an outlet. The generation and the shard follow.
const NAME: &str = "quic.packets";

/// The kernel's buffer of a pair, in bytes: several hundred packets. Further ones are dropped and counted; their
/// senders send them again.
const BUFFER: usize = 1 << 20;

/// A packet between two processes, which may be of two versions of the program.
#[derive(Clone, PartialEq, prost::Message)]
struct Forwarded {
    /// The sender's IP address, in 4 or 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    from: Vec<u8>,
    #[prost(uint32, tag = "2")]
    port: u32,
    /// The scope of an IPv6 address.
    #[prost(uint32, tag = "3")]
    scope: u32,
    /// The address of this machine that it was sent to; empty if it is unknown.
    #[prost(bytes = "vec", tag = "4")]
    to: Vec<u8>,
    /// The bits of ECN.
    #[prost(uint32, tag = "5")]
    ecn: u32,
    #[prost(bytes = "bytes", tag = "6")]
    data: Bytes,
}

impl Forwarded {
    fn of(packet: &Packet) -> Self {
        Self {
            from: octets(packet.from.ip()),
            port: packet.from.port().into(),
            scope: match packet.from {
                SocketAddr::V4(_) => 0,
                SocketAddr::V6(from) => from.scope_id(),
            },
            to: packet.to.map(octets).unwrap_or_default(),
            ecn: packet.ecn.map_or(0, |ecn| ecn as u32),
            data: Bytes::copy_from_slice(&packet.data),
        }
    }

    /// The packet; `None` if the addresses are none.
    fn packet(self) -> Option<Packet> {
        let port = u16::try_from(self.port).ok()?;
        Some(Packet {
            from: match address(&self.from)? {
                IpAddr::V4(ip) => (ip, port).into(),
                IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
            },
            to: address(&self.to),
            ecn: u8::try_from(self.ecn)
                .ok()
                .and_then(EcnCodepoint::from_bits),
            data: self.data.into(),
        })
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().into(),
        IpAddr::V6(ip) => ip.octets().into(),
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    let v6 = || <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into());
    v4.or_else(|_| v6()).ok()
}

/// The outcome of a forwarded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The earlier process has it.
    Yes,
    /// The earlier process is too busy: the packet is lost.
    Lost,
    /// The earlier process has ended.
    Ended,
}

/// The end of a socket pair at which packets for one shard go in. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Outlet {
    place: Place,
    socket: Arc<Socket>,
}

impl Outlet {
    /// The outlet that a process has handed over under this name. `None` if that process has ended.
    pub fn adopt(name: &str, file: OwnedFd) -> Option<Self> {
        let outlet = Self {
            place: place_of(name)?,
            socket: Arc::new(Socket::from(file)),
        };
        (!outlet.has_ended()).then_some(outlet)
    }

    /// Whether sockets of this name are outlets.
    pub fn is_name(name: &str) -> bool {
        place_of(name).is_some()
    }

    /// The name under which it is handed over.
    pub fn name(&self) -> String {
        let Place { generation, shard } = self.place;
        format!("{NAME}/{generation}/{shard}")
    }

    /// The shard that gets the packets.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Sends a packet, without waiting.
    pub(super) fn send(&self, packet: &Packet) -> Sent {
        let message = Forwarded::of(packet).encode_to_vec();
        match self.socket.send(&message) {
            Ok(_) => Sent::Yes,
            Err(error) => match error.kind() {
                io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::NotConnected => Sent::Ended,
                _ => Sent::Lost,
            },
        }
    }

    fn has_ended(&self) -> bool {
        !ready(&*self.socket, PollFlags::empty()).is_empty()
    }
}

impl AsFd for Outlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The generation and the shard in the name of an outlet.
fn place_of(name: &str) -> Option<Place> {
    let (generation, shard) = name
        .strip_prefix(NAME)?
        .strip_prefix('/')?
        .split_once('/')?;
    Some(Place {
        generation: generation.parse().ok()?,
        shard: shard.parse().ok()?,
    })
}

/// The state of an [`Inlet`] after a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// There may be more packets.
    More,
    /// There are no more for now.
    Nothing,
    /// No process forwards packets any more.
    Ended,
}

/// The end of a socket pair at which one shard gets its packets, on the running runtime. Its messages arrive one by one as
/// datagrams do, and unlike with these, their end is noticed.
#[derive(Debug)]
pub(super) struct Inlet(UnixDatagram);

impl Inlet {
    /// Registers the end with the running runtime.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixDatagram::from(OwnedFd::from(socket));
        UnixDatagram::from_std(socket).map(Self)
    }

    /// Waits until there is a packet, or the other end is closed.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    pub(super) fn has_packets(&self) -> bool {
        ready(&self.0, PollFlags::IN).contains(PollFlags::IN)
    }

    /// Receives up to `limit` packets by way of `buffer`. What is no packet is dropped.
    pub(super) fn receive(
        &self,
        buffer: &mut [u8],
        limit: usize,
        mut take: impl FnMut(Packet),
    ) -> Left {
        for _ in 0..limit {
            match self.0.try_recv(buffer) {
                Ok(0) => return Left::Ended,
                Ok(count) => {
                    let forwarded = Forwarded::decode(&buffer[..count]).ok();
                    forwarded.and_then(Forwarded::packet).map(&mut take);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Left::Ended,
            }
        }
        Left::More
    }
}

/// Creates the two ends for a shard. A message is one packet, and blocks neither end.
///
/// # Errors
/// If the process has no descriptor left.
pub(super) fn pair(place: Place) -> io::Result<(Outlet, Socket)> {
    let (outlet, inlet) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    outlet.set_send_buffer_size(BUFFER)?;
    outlet.set_nonblocking(true)?;
    inlet.set_nonblocking(true)?;
    let socket = Arc::new(outlet);
    Ok((Outlet { place, socket }, inlet))
}

/// The operations that a socket is ready for.
fn ready(socket: &impl AsFd, flags: PollFlags) -> PollFlags {
    let mut socket = [PollFd::new(socket, flags)];
    match poll(&mut socket, Some(&Timespec::default())) {
        Ok(_) => socket[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        generation: 7,
        shard: 515,
    };

    fn packet(from: &str, to: Option<&str>, ecn: Option<EcnCodepoint>, size: usize) -> Packet {
        Packet {
            from: from.parse().unwrap(),
            to: to.map(|to| to.parse().unwrap()),
            ecn,
            data: vec![b'x'; size].as_slice().into(),
        }
    }

    fn receive(inlet: &Inlet, limit: usize) -> (Vec<Packet>, Left) {
        let mut packets = Vec::new();
        let left = inlet.receive(&mut vec![0; 70_000], limit, |packet| packets.push(packet));
        (packets, left)
    }

    #[tokio::test]
    async fn packets_arrive_as_they_were_received() {
        let (outlet, inlet) = pair(PLACE).unwrap();
        let inlet = Inlet::new(inlet).unwrap();
        let packets = [
            packet(
                "192.0.2.7:9",
                Some("127.0.0.1"),
                Some(EcnCodepoint::Ce),
                1200,
            ),
            packet("[::ffff:192.0.2.7]:65535", Some("127.0.0.1"), None, 1),
            packet(
                "[fe80::1%3]:9",
                Some("fe80::2"),
                Some(EcnCodepoint::Ect0),
                65_000,
            ),
            packet("[2001:db8::1]:443", None, Some(EcnCodepoint::Ect1), 0),
        ];
        for packet in &packets {
            assert_eq!(outlet.send(packet), Sent::Yes);
        }
        inlet.readable().await.unwrap();
        assert!(inlet.has_packets());
        let (mut received, left) = receive(&inlet, 3);
        assert_eq!(left, Left::More);
        let (last, left) = receive(&inlet, 3);
        assert_eq!(left, Left::Nothing);
        received.extend(last);
        assert_eq!(received, packets);
        assert!(!inlet.has_packets());
    }

    #[tokio::test]
    async fn a_busy_process_loses_packets_and_a_dead_one_is_noticed() {
        let (outlet, inlet) = pair(PLACE).unwrap();
        let packet = packet("192.0.2.7:9", None, None, 1200);
        let mut sent = 0;
        while outlet.send(&packet) == Sent::Yes {
            sent += 1;
            assert!(sent < 10_000, "nothing bounds the queue");
        }
        assert!(sent > 50, "only {sent} packets wait");
        assert_eq!(outlet.send(&packet), Sent::Lost);
        let copy = |outlet: &Outlet| outlet.as_fd().try_clone_to_owned().unwrap();
        assert!(Outlet::adopt(&outlet.name(), copy(&outlet)).is_some());
        drop(inlet);
        assert_eq!(outlet.send(&packet), Sent::Ended);
        assert!(Outlet::adopt(&outlet.name(), copy(&outlet)).is_none());
    }

    #[tokio::test]
    async fn the_end_of_the_next_process_and_messages_that_are_no_packets_are_noticed() {
        let (outlet, inlet) = pair(PLACE).unwrap();
        let inlet = Inlet::new(inlet).unwrap();
        for message in [b"GET / HTTP/1.1".as_slice(), &[0x0A, 1, 9]] {
            outlet.socket.send(message).unwrap();
        }
        drop(outlet);
        inlet.readable().await.unwrap();
        assert_eq!(receive(&inlet, 10), (Vec::new(), Left::Ended));
    }

    #[test]
    fn a_name_has_the_place() {
        let (outlet, _inlet) = pair(PLACE).unwrap();
        assert_eq!(place_of(&outlet.name()), Some(PLACE));
        for name in [
            "quic.listen",
            "quic.packets",
            "quic.packets/1",
            "quic.packets/256/1",
            "quic.packets/1/x",
        ] {
            assert!(!Outlet::is_name(name), "{name}");
        }
    }
}

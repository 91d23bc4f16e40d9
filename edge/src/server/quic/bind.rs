//! Creates the UDP sockets of the shards.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::server::listen::ListenError;
use crate::server::quic::socket::UdpSockets;

/// An address for QUIC, with the options of its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpOptions {
    /// The address. Port 0 picks a free port; `[::]` accepts IPv4 as well.
    pub addr: SocketAddr,
    /// Whether to refuse an address that another process uses, even if that process shares it.
    pub exclusive: bool,
    /// The kernel's buffers per socket, in bytes: for packets received, and to be sent. The kernel caps them.
    pub buffers: usize,
}

/// The UDP sockets of an edge. There are at least as many as shards once it is [complete](Self::complete).
#[derive(Debug)]
pub struct UdpPort {
    options: UdpOptions,
    sockets: Vec<UdpSocket>,
}

impl UdpPort {
    /// Creates one socket per shard. The kernel spreads packets over them by the client's address.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn open(options: &UdpOptions, shards: usize) -> Result<Self, ListenError> {
        let addr = options.addr;
        if options.exclusive && addr.port() != 0 {
            // With SO_REUSEPORT, another process could take packets unnoticed.
            socket(options, addr, false).map_err(|error| ListenError::of(addr, error))?;
        }
        let mut port = Self {
            options: options.clone(),
            sockets: Vec::with_capacity(shards),
        };
        port.complete(shards)?;
        Ok(port)
    }

    /// Takes the sockets of another process.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn adopt(options: &UdpOptions, adopted: Vec<UdpSocket>) -> Result<Self, ListenError> {
        let mut options = options.clone();
        for socket in &adopted {
            let tuned = tune(&SockRef::from(socket), &options);
            let addr = tuned.and_then(|()| socket.local_addr());
            options.addr = addr.map_err(|error| ListenError::of(options.addr, error))?;
        }
        Ok(Self {
            options,
            sockets: adopted,
        })
    }

    /// Creates the sockets that are missing for this many shards. The kernel gives them packets at once.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn complete(&mut self, shards: usize) -> Result<(), ListenError> {
        while self.sockets.len() < shards {
            let addr = self.options.addr;
            let refused = |error| ListenError::of(addr, error);
            let bound = socket(&self.options, addr, true).map_err(refused)?;
            self.options.addr = bound.local_addr().map_err(refused)?;
            self.sockets.push(bound);
        }
        Ok(())
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.options.addr
    }

    /// The sockets.
    pub fn sockets(&self) -> &[UdpSocket] {
        &self.sockets
    }

    /// Deals the sockets to this many shards. Shards for which none is left get nothing.
    pub fn deal(self, shards: usize) -> Vec<UdpSockets> {
        let mut dealt: Vec<UdpSockets> = Vec::with_capacity(shards);
        for (index, socket) in self.sockets.into_iter().enumerate() {
            match dealt.get_mut(index % shards.max(1)) {
                Some(shard) => shard.others.push(socket),
                None => dealt.push(UdpSockets {
                    first: socket,
                    others: Vec::new(),
                }),
            }
        }
        dealt
    }
}

fn socket(options: &UdpOptions, addr: SocketAddr, share: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.ip().is_unspecified() && addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_port(share)?;
    socket.bind(&SockAddr::from(addr))?;
    tune(&socket, options)?;
    Ok(socket.into())
}

fn tune(socket: &Socket, options: &UdpOptions) -> io::Result<()> {
    socket.set_recv_buffer_size(options.buffers)?;
    socket.set_send_buffer_size(options.buffers)?;
    socket.set_nonblocking(true)
}

/// The size that the kernel allows for the buffers of a socket, in bytes, if it is less than `wanted`.
pub fn capped_buffers(wanted: usize) -> Option<usize> {
    let cap = |name| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/core/{name}")).ok()?;
        text.trim().parse::<usize>().ok()
    };
    let least = cap("rmem_max")?.min(cap("wmem_max")?);
    (least < wanted).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(addr: SocketAddr) -> UdpOptions {
        UdpOptions {
            addr,
            exclusive: true,
            buffers: 64 << 10,
        }
    }

    #[test]
    fn shards_share_a_port_that_is_taken_for_others() {
        let port = UdpPort::open(&options(([127, 0, 0, 1], 0).into()), 3).unwrap();
        let addr = port.addr();
        assert_ne!(addr.port(), 0);
        let of = |socket: &UdpSocket| socket.local_addr().unwrap();
        assert!(port.sockets().iter().all(|s| of(s) == addr));
        let error = UdpPort::open(&options(addr), 1).unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "{error}");
        let shared = UdpOptions {
            exclusive: false,
            ..options(addr)
        };
        assert!(UdpPort::open(&shared, 1).is_ok());
    }

    #[test]
    fn sockets_have_the_buffers_of_the_configuration_whoever_opened_them() {
        let of = |port: &UdpPort| {
            let socket = SockRef::from(&port.sockets()[0]);
            let sizes = (socket.recv_buffer_size(), socket.send_buffer_size());
            (sizes.0.unwrap(), sizes.1.unwrap())
        };
        let options = options(([127, 0, 0, 1], 0).into());
        let opened = UdpPort::open(&options, 1).unwrap();
        // The kernel counts its own use of a buffer as well.
        assert!(of(&opened).0 >= options.buffers && of(&opened).1 >= options.buffers);
        let other = UdpSocket::bind(options.addr).unwrap();
        let adopted = UdpPort::adopt(&options, vec![other]).unwrap();
        assert_eq!(of(&adopted), of(&opened));
    }

    #[test]
    fn all_sockets_of_another_process_are_read_by_any_number_of_shards() {
        let first = UdpPort::open(&options(([127, 0, 0, 1], 0).into()), 3).unwrap();
        let addr = first.addr();
        for shards in [1, 2, 3, 5] {
            let adopted = first.sockets().iter().map(|s| s.try_clone().unwrap());
            let configured = options(([127, 0, 0, 1], 0).into());
            let mut port = UdpPort::adopt(&configured, adopted.collect()).unwrap();
            assert_eq!(port.addr(), addr);
            // Nobody reads further ones yet.
            assert_eq!(port.sockets().len(), 3);
            port.complete(shards).unwrap();
            assert_eq!(port.sockets().len(), shards.max(3));
            let dealt = port.deal(shards);
            assert_eq!(dealt.len(), shards);
            let all = dealt.iter().map(|shard| 1 + shard.others.len());
            assert_eq!(all.sum::<usize>(), shards.max(3));
            for socket in dealt.iter().flat_map(|s| s.others.iter().chain([&s.first])) {
                assert_eq!(socket.local_addr().unwrap(), addr);
            }
        }
    }
}

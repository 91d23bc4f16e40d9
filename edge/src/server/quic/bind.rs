//! Creates the UDP sockets of the shards.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::server::listen::ListenError;

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

/// Creates `count` sockets on one address. The kernel spreads packets over them by the client's address.
///
/// # Errors
/// See [`ListenError`].
pub fn bind_udp(options: &UdpOptions, count: usize) -> Result<Vec<UdpSocket>, ListenError> {
    let mut addr = options.addr;
    if options.exclusive && addr.port() != 0 {
        // With SO_REUSEPORT, another process could take packets unnoticed.
        socket(options, addr, false).map_err(|error| ListenError::of(addr, error))?;
    }
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let bound = socket(options, addr, true).map_err(|error| ListenError::of(addr, error))?;
        addr = bound
            .local_addr()
            .map_err(|error| ListenError::of(addr, error))?;
        sockets.push(bound);
    }
    Ok(sockets)
}

/// Adds sockets on the same address to those that another process has opened, up to `count`. Those beyond are closed: what
/// is in their queues is sent again.
///
/// # Errors
/// See [`ListenError`].
pub fn bind_udp_beside(
    options: &UdpOptions,
    mut adopted: Vec<UdpSocket>,
    count: usize,
) -> Result<Vec<UdpSocket>, ListenError> {
    let Some(first) = adopted.first() else {
        return bind_udp(options, count);
    };
    let beside = |error| ListenError::of(options.addr, error);
    let addr = first.local_addr().map_err(beside)?;
    adopted.truncate(count);
    for socket in &adopted {
        socket.set_nonblocking(true).map_err(beside)?;
    }
    while adopted.len() < count {
        adopted.push(socket(options, addr, true).map_err(beside)?);
    }
    Ok(adopted)
}

fn socket(options: &UdpOptions, addr: SocketAddr, share: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if options.addr.ip().is_unspecified() && addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_port(share)?;
    socket.bind(&SockAddr::from(addr))?;
    socket.set_recv_buffer_size(options.buffers)?;
    socket.set_send_buffer_size(options.buffers)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
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
        let sockets = bind_udp(&options(([127, 0, 0, 1], 0).into()), 3).unwrap();
        let addr = sockets[0].local_addr().unwrap();
        assert_ne!(addr.port(), 0);
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == addr));
        let error = bind_udp(&options(addr), 1).unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "{error}");
        let shared = UdpOptions {
            exclusive: false,
            ..options(addr)
        };
        assert!(bind_udp(&shared, 1).is_ok());
        for count in [5, 2] {
            let adopted: Vec<_> = sockets.iter().map(|s| s.try_clone().unwrap()).collect();
            let sockets = bind_udp_beside(&options(addr), adopted, count).unwrap();
            assert_eq!(sockets.len(), count);
            assert!(sockets.iter().all(|s| s.local_addr().unwrap() == addr));
        }
    }
}

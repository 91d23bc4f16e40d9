//! Creates and tunes listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::adopt::WrongKind;

/// An address to listen on, with the options of its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOptions {
    /// The address. Port 0 picks a free port; `[::]` accepts IPv4 as well.
    pub addr: SocketAddr,
    /// Connections that the kernel queues before accept, capped by `net.core.somaxconn`.
    pub backlog: i32,
    /// Whether to refuse an address on which another process listens, even if that process shares it.
    pub exclusive: bool,
    /// The kernel's send buffer per connection, in bytes; `None` for the kernel's choice.
    pub send_buffer: Option<usize>,
    /// The kernel's receive buffer per connection, in bytes; `None` for the kernel's choice.
    pub receive_buffer: Option<usize>,
    /// Unsent bytes that the kernel accepts per connection. Further bytes wait in the outbox, where outdated updates for a
    /// slow client can be dropped. `None`: as many as the send buffer holds, which may be megabytes.
    pub unsent: Option<u32>,
    /// The longest time for which sent bytes stay unacknowledged before the kernel drops the connection.
    pub user_timeout: Option<Duration>,
    /// The silence after which the kernel probes a connection. Heartbeats also detect a client whose process hangs.
    pub keepalive: Option<Duration>,
}

impl ListenOptions {
    /// The default options for this address.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            backlog: 16_384,
            exclusive: true,
            send_buffer: None,
            receive_buffer: None,
            unsent: Some(16 << 10),
            user_timeout: Some(Duration::from_secs(60)),
            keepalive: None,
        }
    }
}

/// An error of listening on an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens on the address.
    #[error("{addr} is taken: another process listens there; stop it or choose another port")]
    Taken {
        /// The address.
        addr: SocketAddr,
    },
    /// The port is reserved for privileged users.
    #[error(
        "{addr} may not be used by this user; choose a port above 1023 or grant CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The address.
        addr: SocketAddr,
    },
    /// This machine does not have the address.
    #[error(
        "{addr} is not an address of this machine; use one that it has, or 0.0.0.0 or [::] for all"
    )]
    NotHere {
        /// The address.
        addr: SocketAddr,
    },
    /// A descriptor that another process has handed over is not a listener.
    #[error(transparent)]
    HandedOver(#[from] WrongKind),
    /// Any other error.
    #[error("cannot listen on {addr}: {source}")]
    Other {
        /// The address.
        addr: SocketAddr,
        /// The kernel's error.
        source: io::Error,
    },
}

impl ListenError {
    /// The error for what the kernel says about an address.
    pub(crate) fn of(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { addr },
            io::ErrorKind::PermissionDenied => Self::Denied { addr },
            io::ErrorKind::AddrNotAvailable => Self::NotHere { addr },
            _ => Self::Other { addr, source },
        }
    }
}

/// Creates `count` listeners on one address. The kernel spreads connections over them.
///
/// # Errors
/// See [`ListenError`].
pub fn bind(options: &ListenOptions, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let mut addr = options.addr;
    if options.exclusive && addr.port() != 0 {
        // With SO_REUSEPORT, another process could take connections unnoticed. A bind without it fails if any socket
        // listens on the address.
        socket(options, addr, false).map_err(|error| ListenError::of(addr, error))?;
    }
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = listen(options, addr).map_err(|error| ListenError::of(addr, error))?;
        addr = listener
            .local_addr()
            .map_err(|error| ListenError::of(addr, error))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Adds listeners on the same address to those that another process has opened, up to `count`. If there are more, all stay:
/// the kernel resets the connections in the queue of a listener that is closed.
///
/// # Errors
/// See [`ListenError`].
pub fn bind_beside(
    options: &ListenOptions,
    mut adopted: Vec<TcpListener>,
    count: usize,
) -> Result<Vec<TcpListener>, ListenError> {
    let Some(first) = adopted.first() else {
        return bind(options, count);
    };
    let beside = |error| fail(options.addr, error);
    let addr = first.local_addr().map_err(beside)?;
    let is_shared = SockRef::from(first).reuse_port().map_err(beside)?;
    for listener in &adopted {
        tune(&SockRef::from(listener), options).map_err(beside)?;
    }
    while adopted.len() < count {
        let listener = if is_shared {
            listen(options, addr)
        } else {
            // Its queue is for several shards.
            adopted[0].try_clone()
        };
        adopted.push(listener.map_err(beside)?);
    }
    Ok(adopted)
}

fn fail(addr: SocketAddr, source: io::Error) -> ListenError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { addr },
        io::ErrorKind::PermissionDenied => ListenError::Denied { addr },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { addr },
        _ => ListenError::Other { addr, source },
    }
}

/// The kernel's cap of the backlog, if it is lower than `backlog`. The kernel drops connects beyond the cap, and clients
/// retry only after a second.
pub fn capped(backlog: i32) -> Option<i32> {
    let cap = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    cap.trim().parse().ok().filter(|&cap| cap < backlog)
}

fn listen(options: &ListenOptions, addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(options, addr, true)?;
    tune(&socket, options)?;
    Ok(socket.into())
}

/// Sets the options of a socket, and listens.
fn tune(socket: &Socket, options: &ListenOptions) -> io::Result<()> {
    // Accepted sockets inherit all of these.
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(time) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time).with_interval(time / 3))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(bytes) = options.unsent {
        socket.set_tcp_notsent_lowat(bytes)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(options.user_timeout)?;
    socket.listen(options.backlog)?;
    socket.set_nonblocking(true)
}

fn socket(options: &ListenOptions, addr: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if options.addr.ip().is_unspecified() && addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.bind(&SockAddr::from(addr))?;
    Ok(socket)
}

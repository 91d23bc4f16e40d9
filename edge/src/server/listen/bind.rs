//! Sockets that listen, tuned.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOptions {
    /// Where. Port 0 takes a free one; `[::]` takes IPv4 as well.
    pub addr: SocketAddr,
    /// Connections that the kernel holds until they are accepted (it may hold fewer: `net.core.somaxconn`).
    pub backlog: i32,
    /// Refuse an address on which somebody listens already, even one who would share it.
    pub exclusive: bool,
    /// The kernel's send buffer of each connection, bytes. `None`: the kernel tunes it.
    pub send_buffer: Option<usize>,
    /// The kernel's receive buffer of each connection, bytes. `None`: the kernel tunes it.
    pub receive_buffer: Option<usize>,
    /// Bytes that the kernel takes for a connection beyond what it has sent. More wait in the outbox, where what a slow
    /// client need not see any more can be thrown away. `None`: as many as its send buffer holds, which may be megabytes.
    pub unsent: Option<u32>,
    /// How long sent bytes may stay without the peer's acknowledgement before the connection is dropped.
    pub user_timeout: Option<Duration>,
    /// How long a connection may be silent before the kernel probes it. Heartbeats do this too, and better.
    pub keepalive: Option<Duration>,
}

impl ListenOptions {
    /// The defaults, on this address.
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

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error("{addr} is taken: another process listens there; stop it or choose another port")]
    Taken {
        /// The address.
        addr: SocketAddr,
    },
    /// The port is for privileged users.
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
    /// Anything else.
    #[error("cannot listen on {addr}: {source}")]
    Other {
        /// The address.
        addr: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
}

/// Listens `count` times on one address; the kernel spreads connections over the listeners.
///
/// # Errors
/// See [`ListenError`].
pub fn bind(options: &ListenOptions, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let mut addr = options.addr;
    let fail = |addr, source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { addr },
        io::ErrorKind::PermissionDenied => ListenError::Denied { addr },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { addr },
        _ => ListenError::Other { addr, source },
    };
    if options.exclusive && addr.port() != 0 {
        // Who shares a port gets a part of its connections, and nobody is told. A bind that does not share is refused if
        // anybody is there.
        socket(options, addr, false).map_err(|error| fail(addr, error))?;
    }
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = listen(options, addr).map_err(|error| fail(addr, error))?;
        addr = listener.local_addr().map_err(|error| fail(addr, error))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// What this kernel makes of a backlog, if it is less: who comes when so many wait is dropped, and comes again only after a
/// second.
pub fn capped(backlog: i32) -> Option<i32> {
    let cap = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    cap.trim().parse().ok().filter(|&cap| cap < backlog)
}

fn listen(options: &ListenOptions, addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(options, addr, true)?;
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
    socket.set_nonblocking(true)?;
    Ok(socket.into())
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

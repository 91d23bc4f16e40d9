//! Sockets for clients that another process has opened.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Protocol, SockRef, Type};

/// A socket of another process, named by the configuration key of its address.
#[derive(Debug)]
pub struct HandedOver {
    /// The name.
    pub name: String,
    /// The socket, or whatever it is.
    pub file: OwnedFd,
}

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// A TCP socket that listens.
    Listener,
    /// A UDP socket.
    Datagrams,
}

impl SocketKind {
    fn name(self) -> &'static str {
        match self {
            Self::Listener => "a listening TCP socket",
            Self::Datagrams => "a UDP socket",
        }
    }
}

impl SocketKind {
    /// Checks that a socket is of this kind.
    ///
    /// # Errors
    /// If it is something else.
    pub fn check(self, socket: &HandedOver) -> Result<SocketAddr, WrongKind> {
        address_of(&socket.file, self).map_err(|what| WrongKind {
            name: socket.name.clone(),
            wanted: self.name(),
            what,
        })
    }
}

/// A descriptor that was handed over is of the wrong kind.
#[derive(Debug, thiserror::Error)]
#[error("`{name}`: {wanted} was to be handed over, not {what}; hand over such a socket, or none")]
pub struct WrongKind {
    name: String,
    wanted: &'static str,
    what: &'static str,
}

/// Takes a socket. `None` if it has another address: then the configuration has changed.
///
/// # Errors
/// If it is something else.
pub fn adopt<T: From<OwnedFd>>(
    socket: HandedOver,
    kind: SocketKind,
    address: SocketAddr,
) -> Result<Option<T>, WrongKind> {
    let found = kind.check(&socket)?;
    let HandedOver { name, file } = socket;
    let is_same = found.ip() == address.ip() && [0, found.port()].contains(&address.port());
    if !is_same {
        tracing::warn!(
            name,
            %found,
            configured = %address,
            "the socket that was handed over has another address than is configured: it is closed"
        );
        return Ok(None);
    }
    Ok(Some(file.into()))
}

/// The address of a socket of this kind; otherwise what the file is.
fn address_of(file: &OwnedFd, kind: SocketKind) -> Result<SocketAddr, &'static str> {
    let socket = SockRef::from(file);
    let found = socket.r#type().map_err(|_| "a file")?;
    let address = socket.local_addr().ok().and_then(|a| a.as_socket());
    let address = address.ok_or("a socket without an IP address")?;
    match (kind, found) {
        (SocketKind::Listener, Type::DGRAM) => return Err("a datagram socket"),
        (SocketKind::Datagrams, Type::STREAM) => return Err("a stream socket"),
        _ => {}
    }
    #[cfg(target_os = "linux")]
    if kind == SocketKind::Listener {
        if !matches!(socket.protocol(), Ok(Some(Protocol::TCP | Protocol::MPTCP))) {
            return Err("a socket of another protocol");
        }
        if !socket.is_listener().unwrap_or(false) {
            return Err("a connection");
        }
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn any() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    fn adopted(file: impl Into<OwnedFd>, address: SocketAddr) -> Result<bool, String> {
        let (name, file) = ("edge.listen".to_owned(), file.into());
        let kind = SocketKind::Listener;
        let adopted = adopt::<TcpListener>(HandedOver { name, file }, kind, address);
        adopted.map(|l| l.is_some()).map_err(|e| e.to_string())
    }

    #[test]
    fn only_a_listener_with_the_configured_address_is_taken() {
        let listener = || TcpListener::bind(any()).unwrap();
        assert_eq!(adopted(listener(), any()), Ok(true));
        let known = listener();
        let address = known.local_addr().unwrap();
        assert_eq!(adopted(known, address), Ok(true));
        assert_eq!(adopted(listener(), ([127, 0, 0, 2], 0).into()), Ok(false));
        assert_eq!(adopted(listener(), ([127, 0, 0, 1], 1).into()), Ok(false));
    }

    #[test]
    fn a_udp_socket_is_taken_for_packets_alone() {
        let socket = |file: OwnedFd| {
            let name = "quic.listen".to_owned();
            adopt::<UdpSocket>(HandedOver { name, file }, SocketKind::Datagrams, any())
        };
        assert!(
            socket(UdpSocket::bind(any()).unwrap().into())
                .unwrap()
                .is_some()
        );
        let error = socket(TcpListener::bind(any()).unwrap().into()).unwrap_err();
        assert!(error.to_string().contains("not a stream socket"), "{error}");
    }

    #[test]
    fn anything_else_is_named() {
        let listener = TcpListener::bind(any()).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (unix, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let files: [(OwnedFd, &str); 4] = [
            (std::fs::File::open("/dev/null").unwrap().into(), "a file"),
            (UdpSocket::bind(any()).unwrap().into(), "a datagram socket"),
            (stream.into(), "a connection"),
            (unix.into(), "without an IP address"),
        ];
        for (file, what) in files {
            let error = adopted(file, any()).unwrap_err();
            assert!(
                error.contains(what) && error.contains("edge.listen"),
                "{error}"
            );
        }
    }
}

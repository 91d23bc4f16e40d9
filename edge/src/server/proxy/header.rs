//! The header of the PROXY protocol, versions 1 and 2: where it ends, and what it says. Performs no I/O.
//!
//! Source: the specification of HAProxy, `proxy-protocol.txt`.

use std::net::{IpAddr, SocketAddr};

use ppp::{HeaderResult, v1, v2};

/// The most bytes of a header of version 1, which is a line.
const MOST_V1: usize = 107;
/// The bytes at the beginning of a header of version 2, of which the last two are the length of the rest.
const FIXED_V2: usize = 16;
/// The most bytes of a header of version 2. The values behind its addresses, such as certificates, are not read.
const MOST_V2: usize = 4096;

/// The source of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Source {
    Client(SocketAddr),
    /// The proxy itself, for example to check that the edge lives; or a client whose address it does not know.
    Proxy,
}

/// The reason why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("it does not begin with a PROXY protocol header; let the load balancer send one")]
    Missing,
    #[error("its PROXY protocol header is malformed")]
    Malformed,
    #[error("its PROXY protocol header has more than {MOST_V2} bytes")]
    TooLong,
}

impl HeaderError {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
        }
    }
}

/// Returns where the header that `bytes` begin with ends; `None` if that does not follow from these bytes yet.
///
/// # Errors
/// If they do not begin with a header.
pub(in crate::server) fn end(bytes: &[u8]) -> Result<Option<usize>, HeaderError> {
    let begins = |prefix: &[u8]| {
        bytes
            .iter()
            .zip(prefix)
            .all(|(byte, wanted)| byte == wanted)
    };
    if begins(v2::PROTOCOL_PREFIX) {
        let Some(&[high, low]) = bytes.get(FIXED_V2 - 2..FIXED_V2) else {
            return Ok(None);
        };
        let end = FIXED_V2 + usize::from(u16::from_be_bytes([high, low]));
        return if end > MOST_V2 {
            Err(HeaderError::TooLong)
        } else {
            Ok((end <= bytes.len()).then_some(end))
        };
    }
    if !begins(v1::PROTOCOL_PREFIX.as_bytes()) {
        return Err(HeaderError::Missing);
    }
    let line = bytes.iter().take(MOST_V1).position(|&byte| byte == b'\n');
    match line {
        Some(at) => Ok(Some(at + 1)),
        None if bytes.len() >= MOST_V1 => Err(HeaderError::Malformed),
        None => Ok(None),
    }
}

/// Parses a whole header.
///
/// # Errors
/// If it is malformed.
pub(in crate::server) fn parse(header: &[u8]) -> Result<Source, HeaderError> {
    let client = match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(tcp) => Some(address(tcp.source_address, tcp.source_port)),
            v1::Addresses::Tcp6(tcp) => Some(address(tcp.source_address, tcp.source_port)),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Proxy => {
            match header.addresses {
                v2::Addresses::IPv4(ip) => Some(address(ip.source_address, ip.source_port)),
                v2::Addresses::IPv6(ip) => Some(address(ip.source_address, ip.source_port)),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            }
        }
        HeaderResult::V2(Ok(_)) => None,
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Err(HeaderError::Malformed),
    };
    Ok(client.map_or(Source::Proxy, Source::Client))
}

fn address(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into(), port)
}

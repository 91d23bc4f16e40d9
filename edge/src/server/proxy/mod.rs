//! The client's address behind load balancers and proxies: from the PROXY protocol, or from a header of the request.
//!
//! Only what comes from a trusted network counts, because otherwise a client could choose its address.

pub(in crate::server) mod header;

mod client;

mod options;

mod forwarded;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use client::client;
pub use forwarded::ForwardedHeader;
use header::{HeaderError, Source};
pub use options::{ProxyOptions, SharedProxy};

/// The bytes of a header that are looked at together.
const CHUNK: usize = 256;

/// The reason why a connection of a proxy is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// The connection comes from elsewhere.
    #[error("it does not come from one of the networks in `proxy.networks`")]
    NotTrusted,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("its PROXY protocol header was not complete in time (`proxy.header_ms`)")]
    Late,
    /// The connection ended before its first byte, as probes of load balancers do.
    #[error("it ended before its PROXY protocol header")]
    Probe,
    #[error("it ended within its PROXY protocol header")]
    Ended,
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl ProxyError {
    /// The result in metrics; `None` for a probe, which is no error.
    pub(crate) fn label(&self) -> Option<&'static str> {
        match self {
            Self::NotTrusted => Some("not_trusted"),
            Self::Header(error) => Some(error.label()),
            Self::Late => Some("late"),
            Self::Ended | Self::Socket(_) => Some("ended"),
            Self::Probe => None,
        }
    }
}

/// Reads the header of the PROXY protocol at the beginning of a connection from `peer`. Returns the client's address: that
/// of the proxy itself if the header says so, or if it names no address.
///
/// # Errors
/// If the connection must be closed.
pub(crate) async fn read_client(
    socket: &mut TcpStream,
    peer: SocketAddr,
    options: &ProxyOptions,
) -> Result<SocketAddr, ProxyError> {
    if !options.trusted.contain(peer.ip()) {
        return Err(ProxyError::NotTrusted);
    }
    let header = timeout(options.header_timeout, read_header(socket)).await;
    let header = header.map_err(|_| ProxyError::Late)??;
    Ok(match header::parse(&header)? {
        Source::Client(client) => client,
        Source::Proxy => peer,
    })
}

/// Reads the header, and nothing of what follows it.
async fn read_header(socket: &mut TcpStream) -> Result<Vec<u8>, ProxyError> {
    let mut header = Vec::new();
    loop {
        let mut seen = [0; CHUNK];
        let count = socket.peek(&mut seen).await?;
        if count == 0 && header.is_empty() {
            return Err(ProxyError::Probe);
        }
        if count == 0 {
            return Err(ProxyError::Ended);
        }
        let known = header.len();
        header.extend_from_slice(&seen[..count]);
        let end = header::end(&header)?;
        header.truncate(end.unwrap_or(header.len()));
        let share = header.len() - known;
        socket.read_exact(&mut seen[..share]).await?;
        if end.is_some() {
            return Ok(header);
        }
    }
}

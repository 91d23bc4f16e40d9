//! The headers in which proxies that speak HTTP name the client.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

/// A header that names the client and the proxies on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: addresses, separated by commas.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    /// The header of this name, in lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "x-forwarded-for" => Some(Self::XForwardedFor),
            "forwarded" => Some(Self::Forwarded),
            _ => None,
        }
    }

    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// The hops that the headers name, in order; `None` for one whose address is hidden or cannot be read.
    pub(in crate::server) fn hops(self, headers: &HeaderMap) -> Vec<Option<SocketAddr>> {
        let lines = headers.get_all(self.name()).into_iter();
        // A line that is not text hides its hops, and those before it.
        lines
            .flat_map(|line| line.to_str().map_or(vec![None], |line| self.hops_of(line)))
            .collect()
    }

    fn hops_of(self, line: &str) -> Vec<Option<SocketAddr>> {
        match self {
            Self::XForwardedFor => line.split(',').map(|hop| address(hop.trim())).collect(),
            Self::Forwarded => rfc7239::parse(line).map(|hop| node(hop.ok()?)).collect(),
        }
    }
}

/// Parses an address with or without a port: `192.0.2.7`, `192.0.2.7:80`, `::1`, `[::1]` or `[::1]:80`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let ip = bare.unwrap_or(text).parse::<IpAddr>();
    ip.map(|ip| SocketAddr::new(ip, 0))
        .or_else(|_| text.parse())
        .ok()
}

fn node(hop: rfc7239::Forwarded<'_>) -> Option<SocketAddr> {
    let node = hop.forwarded_for?;
    Some(SocketAddr::new(*node.ip()?, node.port.unwrap_or(0)))
}

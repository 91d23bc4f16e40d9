//! The networks and headers that name a client's address.

use std::time::Duration;

use super::forwarded::ForwardedHeader;
use crate::limits::Networks;

/// The proxies in front of the edge, and what they say of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyOptions {
    /// The networks of load balancers and proxies whose word about a client's address counts.
    pub trusted: Networks,
    /// The most time from accept to the end of the header of the PROXY protocol.
    pub header_timeout: Duration,
    /// The header of a request that names the client, if proxies add one.
    pub forwarded: Option<ForwardedHeader>,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            trusted: Networks::default(),
            header_timeout: Duration::from_secs(2),
            forwarded: None,
        }
    }
}

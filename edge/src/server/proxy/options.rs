//! The networks and headers that name a client's address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

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

/// The options of all shards, which may be replaced at any time. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SharedProxy(Arc<ArcSwap<ProxyOptions>>);

impl SharedProxy {
    /// Shares these options.
    pub fn new(options: ProxyOptions) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(options)))
    }

    /// Replaces the options, for connections that arrive from now on.
    pub fn replace(&self, options: ProxyOptions) {
        self.0.store(Arc::new(options));
    }

    pub(crate) fn current(&self) -> Arc<ProxyOptions> {
        self.0.load_full()
    }

    /// Whether an address is that of a proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.load().trusted.contain(address)
    }
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

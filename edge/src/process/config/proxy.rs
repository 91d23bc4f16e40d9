//! The section of what stands in front of the edge.

use std::time::Duration;

use grandstand_common::process::config::Checks;
use serde::{Deserialize, Serialize};

use crate::limits::Networks;
use crate::server::proxy::{ForwardedHeader, ProxyOptions};

/// Load balancers and proxies in front of the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxySection {
    /// The networks of load balancers and proxies whose word about a client's address counts.
    pub networks: Networks,
    /// Whether each connection to `edge.listen` begins with a header of the PROXY protocol.
    pub protocol: bool,
    /// The same at `tls.listen`.
    pub tls_protocol: bool,
    /// Milliseconds from accept to the end of that header.
    pub header_ms: u64,
    /// The header of a request in which proxies name the client: `x-forwarded-for` or `forwarded`; empty for none.
    pub forwarded: String,
}

impl Default for ProxySection {
    fn default() -> Self {
        let options = ProxyOptions::default();
        Self {
            networks: Networks::default(),
            protocol: false,
            tls_protocol: false,
            header_ms: options.header_timeout.as_millis() as u64,
            forwarded: String::new(),
        }
    }
}

impl ProxySection {
    pub(super) fn validate(&self, checks: &mut Checks, has_tls: bool) {
        let believes = self.protocol || self.tls_protocol || !self.forwarded.is_empty();
        checks.require("proxy.networks", !believes || !self.networks.is_empty(), || {
            "must name the networks of the load balancers, since `proxy` lets them name the client's address; \
             otherwise no connection is accepted, or no header counts"
        });
        checks.require(
            "proxy.tls_protocol",
            has_tls || !self.tls_protocol,
            || "may be true only with `tls.listen`",
        );
        checks.range("proxy.header_ms", self.header_ms, 100..=60_000);
        let is_known = self.forwarded.is_empty() || self.header().is_some();
        checks.require("proxy.forwarded", is_known, || {
            format!(
                "must be \"x-forwarded-for\", \"forwarded\" or empty, is {:?}",
                self.forwarded
            )
        });
    }

    fn header(&self) -> Option<ForwardedHeader> {
        ForwardedHeader::from_name(&self.forwarded.to_ascii_lowercase())
    }

    /// The options of the server.
    pub(in crate::process) fn options(&self) -> ProxyOptions {
        ProxyOptions {
            trusted: self.networks.clone(),
            header_timeout: Duration::from_millis(self.header_ms),
            forwarded: self.header(),
        }
    }
}

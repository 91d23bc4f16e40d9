//! The section of QUIC.

use std::net::SocketAddr;
#[cfg(feature = "quic")]
use std::time::Duration;

use grandstand_common::process::config::Checks;
use serde::{Deserialize, Serialize};

#[cfg(feature = "quic")]
use crate::server::quic::{QuicOptions, UdpOptions};

/// The longest silence of a connection beyond two heartbeats, for packets that were lost.
#[cfg(feature = "quic")]
const SPARE_IDLE: Duration = Duration::from_secs(5);

/// The listener for QUIC, native and WebTransport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuicSection {
    /// Address for clients over QUIC, a UDP port; empty for none.
    pub listen: String,
    /// The kernel's buffers per shard, in bytes.
    pub buffer_bytes: u32,
    /// The most bytes written to a connection that its client has not acknowledged.
    pub send_window_bytes: u32,
    /// The average packets of a client beyond one for each that the edge sends it; 0 for no limit.
    pub packets_per_s: u32,
}

impl Default for QuicSection {
    fn default() -> Self {
        Self {
            listen: String::new(),
            buffer_bytes: 2 << 20,
            send_window_bytes: 64 << 10,
            packets_per_s: 5000,
        }
    }
}

impl QuicSection {
    /// The address for clients; `None` if there is none, or if it is not an address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    pub(super) fn validate(&self, checks: &mut Checks) {
        let off = self.listen.is_empty();
        checks.require("quic.listen", off || self.address().is_some(), || {
            format!(
                "must be an address and a port, such as 0.0.0.0:8443, or empty for none, is {:?}",
                self.listen
            )
        });
        checks.require("quic.listen", off || cfg!(feature = "quic"), || {
            "must be empty, because this program is built without QUIC; build it with the cargo feature `quic`".to_owned()
        });
        let mut range = |key: &str, value: u64, range| {
            checks.range(&format!("quic.{key}"), value, range);
        };
        range("buffer_bytes", self.buffer_bytes.into(), 65_536..=1 << 30);
        range(
            "send_window_bytes",
            self.send_window_bytes.into(),
            16_384..=1 << 30,
        );
    }

    /// The options of the sockets; `None` without `quic.listen`.
    #[cfg(feature = "quic")]
    pub(super) fn udp(&self, exclusive: bool) -> Option<UdpOptions> {
        Some(UdpOptions {
            addr: self.address()?,
            exclusive,
            buffers: self.buffer_bytes as usize,
        })
    }

    /// The options of connections that are silent for at most two `heartbeat`.
    #[cfg(feature = "quic")]
    pub(super) fn options(&self, heartbeat: Duration) -> QuicOptions {
        QuicOptions {
            idle: heartbeat * 2 + SPARE_IDLE,
            send_window: self.send_window_bytes,
            packets_per_s: self.packets_per_s,
        }
    }
}

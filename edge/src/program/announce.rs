//! Logs where clients may connect, and which settings of the kernel hold them back.

use crate::process::Edge;
use crate::process::config::EdgeConfig;
use crate::server::listen::capped;
#[cfg(feature = "quic")]
use crate::server::quic::capped_buffers;

/// Logs the addresses at which clients may connect, and advice on settings of the kernel.
pub(super) fn announce(config: &EdgeConfig, edge: &Edge) {
    tracing::info!(address = %edge.address(), "clients may connect");
    if let Some(address) = edge.tls_address() {
        tracing::info!(%address, "clients may connect with TLS");
    }
    if let Some(address) = edge.quic_address() {
        tracing::info!(%address, "clients may connect with QUIC");
        #[cfg(feature = "quic")]
        warn_of_small_buffers(config.quic.buffer_bytes as usize);
    }
    warn_of_small_backlog(config.listener().backlog);
}

/// Says how the backlog can be as long as it is configured.
fn warn_of_small_backlog(wanted: i32) {
    if let Some(cap) = capped(wanted) {
        tracing::info!(
            cap,
            wanted,
            "net.core.somaxconn caps tcp.backlog: clients beyond the cap retry only after a second when many connect at \
             once; to raise it, run sysctl -w net.core.somaxconn={wanted}"
        );
    }
}

/// Says how the kernel's buffers for packets can be as large as they are configured.
#[cfg(feature = "quic")]
fn warn_of_small_buffers(wanted: usize) {
    if let Some(cap) = capped_buffers(wanted) {
        tracing::info!(
            cap,
            wanted,
            "net.core.rmem_max and wmem_max cap quic.buffer_bytes: when many packets arrive at once, those beyond the cap \
             are lost and sent again; to raise them, run sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}"
        );
    }
}

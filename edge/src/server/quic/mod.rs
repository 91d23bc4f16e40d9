//! QUIC beside TCP: for clients that are no browsers, and for browsers with WebTransport.
//!
//! A connection's stream carries the very frames of a WebSocket, not masked, and is a [`Link`] among the server's
//! connections, so that everything above it is the same. The protocol of QUIC is `quinn-proto`, which does no I/O: one task
//! per shard drives all connections, and packets that the kernel gave to another shard are handed over.
//!
//! [`Link`]: crate::server::connections

mod socket;

mod bind;

mod cid;

mod handover;

mod settings;

pub(crate) mod link;

pub(in crate::server) mod hello;

mod webtransport;

mod session;

mod status;

pub mod metrics;

mod clients;

mod endpoint;

#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;
use std::time::Instant;

use crate::server::driver::Driver;
use crate::server::tls::Tls;
use crate::server::yielding::yield_cpu;
use endpoint::Endpoint;

pub use bind::{UdpOptions, bind_udp, bind_udp_beside, capped_buffers};
pub use handover::Handover;
pub use settings::{HTTP3, NATIVE, QuicOptions};
pub use status::Status;

/// A UDP socket for QUIC, and how clients speak there.
#[derive(Debug)]
pub struct QuicListener {
    /// The socket.
    pub socket: std::net::UdpSocket,
    /// The shard's side of the handover of packets.
    pub handover: Handover,
    /// The certificates.
    pub tls: Tls,
    /// The settings of QUIC.
    pub options: QuicOptions,
}

/// Serves clients over QUIC, forever, or until the socket is handed over and no client is left.
///
/// # Errors
/// If the socket cannot be registered with the running runtime, or fails.
pub(crate) async fn drive_quic(
    driver: Rc<Driver>,
    listener: QuicListener,
    status: Rc<Status>,
) -> io::Result<()> {
    let QuicListener {
        socket,
        handover,
        tls,
        options,
    } = listener;
    let mut endpoint = Endpoint::new(driver, (socket, handover), tls, options, status)?;
    loop {
        if endpoint.is_over() {
            return Ok(());
        }
        if endpoint.turn(now())? {
            yield_cpu().await;
            continue;
        }
        let until = endpoint.next_timeout();
        let socket = Rc::clone(endpoint.socket.socket());
        let (is_blocked, wakes) = (endpoint.socket.is_blocked(), Rc::clone(endpoint.wakes()));
        let timeout = async {
            match until {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = socket.readable(), if endpoint.is_reading() => ready?,
            ready = socket.writable(), if is_blocked => ready?,
            () = wakes.rung(), if !is_blocked => {}
            () = timeout => {}
            packet = endpoint.handover.next() => if let Some(packet) = packet {
                endpoint.on_packet(packet, now());
            },
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

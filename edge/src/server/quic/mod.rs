//! QUIC beside TCP: for clients that are no browsers, and for browsers with WebTransport.
//!
//! A connection's stream carries the very frames of a WebSocket, not masked, and is a [`Link`] among the server's
//! connections, so that everything above it is the same. The protocol of QUIC is `quinn-proto`, which does no I/O: one task
//! per shard drives all connections. Packets that the kernel gave to another shard are handed over, and after an upgrade in
//! place the new process forwards those of the earlier one's connections.
//!
//! [`Link`]: crate::server::connections

mod packet;

mod socket;

mod bind;

mod cid;

mod forward;

mod handover;

mod status;

mod arrivals;

mod settings;

mod budget;

pub(crate) mod link;

pub(in crate::server) mod hello;

mod webtransport;

mod session;

pub mod metrics;

mod clients;

mod timers;

mod reception;

mod endpoint;

#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;
use std::time::Instant;

use grandstand_common::supervisor::Supervisor;
use tokio::sync::oneshot;

use crate::server::driver::Driver;
use crate::server::tls::Tls;
use crate::server::yielding::yield_cpu;
use endpoint::Endpoint;
use settings::Settings;

pub use bind::{UdpOptions, UdpPort, capped_buffers};
pub use forward::Outlet;
pub use handover::Handover;
pub use settings::{HTTP3, NATIVE, QuicOptions};
pub use socket::UdpSockets;
pub use status::Status;

/// UDP sockets for QUIC, and how clients speak there.
#[derive(Debug)]
pub struct QuicListener {
    /// The sockets. They come once no other process reads them.
    pub sockets: oneshot::Receiver<UdpSockets>,
    /// The shard's side of the handover of packets.
    pub handover: Handover,
    /// The certificates.
    pub tls: Tls,
    /// The settings of QUIC.
    pub options: QuicOptions,
}

/// Serves clients over QUIC on the running `LocalSet`, as soon as the listener's sockets come.
pub(super) fn serve(
    driver: Rc<Driver>,
    listener: QuicListener,
    supervisor: &Supervisor,
) -> Rc<Status> {
    let status = Rc::default();
    let driving = drive_quic(driver, listener, Rc::clone(&status));
    supervisor.keep_local("quic", driving);
    status
}

/// Serves clients over QUIC, forever.
///
/// # Errors
/// If a socket cannot be registered with the running runtime, or fails.
async fn drive_quic(
    driver: Rc<Driver>,
    listener: QuicListener,
    status: Rc<Status>,
) -> io::Result<()> {
    let Ok(sockets) = listener.sockets.await else {
        // The process ends before it has them.
        return std::future::pending().await;
    };
    let settings = Settings::new(listener.tls, listener.options);
    let mut endpoint = Endpoint::new(driver, sockets, listener.handover, settings, status, now())?;
    loop {
        if endpoint.turn(now())? {
            yield_cpu().await;
            continue;
        }
        let until = endpoint.next_timeout();
        let is_blocked = endpoint.socket.is_blocked();
        let wakes = Rc::clone(endpoint.wakes());
        let ports = endpoint.socket.ports();
        let timeout = async {
            match until {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = endpoint.reception.ready() => ready?,
            ready = ports.writable(), if is_blocked => ready?,
            () = wakes.rung(), if !is_blocked => {}
            () = timeout => {}
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

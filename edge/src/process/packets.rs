//! The UDP sockets of an edge: those that it opens, and those that another process has opened.

use std::net::{SocketAddr, UdpSocket};

use tokio::sync::oneshot;

use super::config::EdgeConfig;
use super::options::EdgeError;
use super::sockets::adopted;
use super::upgrade::Sockets;
use crate::server::listen::SocketKind;
use crate::server::quic::{Handover, Outlet, QuicListener, UdpPort, UdpSockets};
use crate::server::tls::Tls;

/// The configuration key of the address for QUIC.
const QUIC: &str = "quic.listen";

/// The UDP sockets of an edge, until its shards read them.
#[derive(Debug)]
pub(super) struct Packets {
    port: UdpPort,
    /// One per shard.
    readers: Vec<oneshot::Sender<UdpSockets>>,
    /// The routes that the next process needs beside the sockets: one to each shard of this process and of earlier ones.
    outlets: Vec<Outlet>,
    is_offered: bool,
}

impl Packets {
    /// The address for clients.
    pub(super) fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Hands the sockets to the shards, which read packets from now on; other processes must have stopped. Adds what the
    /// next process needs to `copies`.
    pub(super) fn begin(self, copies: &mut Sockets) -> Result<(), EdgeError> {
        let Self {
            mut port, readers, ..
        } = self;
        if let Err(error) = port.complete(readers.len()) {
            // Sockets that a service manager opens may not be shared.
            tracing::warn!(
                error = %EdgeError::Quic(error),
                shards = port.sockets().len(),
                "quic.listen: not each shard has a socket: only as many serve QUIC as were handed over; hand over one per \
                 shard, or sockets with SO_REUSEPORT"
            );
        }
        if self.is_offered {
            for socket in port.sockets() {
                copies.push_copy(QUIC, socket)?;
            }
            for outlet in &self.outlets {
                copies.push_copy(outlet.name(), outlet)?;
            }
        }
        let shards = port.deal(readers.len());
        for (reader, sockets) in readers.into_iter().zip(shards) {
            // A shard that has ended reads none.
            reader.send(sockets).ok();
        }
        Ok(())
    }
}

/// Opens the UDP sockets; none without `quic.listen`. Sockets in `sockets` are used first: then another process reads them
/// until [`Packets::begin`]. `is_offered`: whether a next process may get them.
pub(super) fn listen_quic(
    config: &EdgeConfig,
    tls: Option<&Tls>,
    sockets: &mut Sockets,
    is_offered: bool,
) -> Result<(Vec<QuicListener>, Option<Packets>), EdgeError> {
    let Some((options, tls)) = config.quic_listener().zip(tls) else {
        return Ok((Vec::new(), None));
    };
    let adopted = adopted(QUIC, SocketKind::Datagrams, options.addr, sockets);
    let adopted: Vec<UdpSocket> = adopted.map_err(EdgeError::Quic)?;
    // An earlier process gets its packets only from the one that has its sockets.
    let earlier = if adopted.is_empty() {
        Vec::new()
    } else {
        sockets.take_where(Outlet::is_name)
    };
    let earlier = earlier.into_iter();
    let mut outlets: Vec<_> = earlier
        .filter_map(|socket| Outlet::adopt(&socket.name, socket.file))
        .collect();
    let shards = config.shards();
    let port = if adopted.is_empty() {
        UdpPort::open(&options, shards)
    } else {
        UdpPort::adopt(&options, adopted)
    };
    let port = port.map_err(EdgeError::Quic)?;
    let mut sides = Handover::between(shards, &outlets);
    if is_offered {
        for side in &mut sides {
            outlets.push(side.open()?);
        }
    }
    let mut listeners = Vec::new();
    let mut readers = Vec::new();
    for handover in sides {
        let (reader, sockets) = oneshot::channel();
        readers.push(reader);
        listeners.push(QuicListener {
            sockets,
            handover,
            tls: tls.clone(),
            options: config.quic(),
        });
    }
    let packets = Packets {
        port,
        readers,
        outlets,
        is_offered,
    };
    Ok((listeners, Some(packets)))
}

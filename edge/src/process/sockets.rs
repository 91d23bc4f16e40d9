//! The sockets of an edge: those that it opens, and those that another process has opened.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::config::EdgeConfig;
use super::options::EdgeError;
use super::upgrade::Sockets;
use crate::server::listen::{ListenError, Listener, SocketKind, adopt, bind_beside};
use crate::server::tls::Tls;

/// Opens the listeners of each shard: without TLS, with TLS, or both. Sockets in `sockets` are used first.
pub(super) fn listen(
    config: &EdgeConfig,
    tls: Option<&Tls>,
    sockets: &mut Sockets,
) -> Result<Vec<Vec<Listener>>, ListenError> {
    let plain = config.tls.plain.then(|| (config.listener(), None));
    let encrypted = config.tls_listener().map(|options| (options, tls.cloned()));
    let mut shards: Vec<Vec<Listener>> = Vec::new();
    shards.resize_with(config.shards(), Vec::new);
    for (options, tls) in plain.into_iter().chain(encrypted) {
        let is_proxied = match tls {
            Some(_) => config.proxy.tls_protocol,
            None => config.proxy.protocol,
        };
        let key = name(tls.is_some());
        let adopted = adopted(key, SocketKind::Listener, options.addr, sockets)?;
        let opened = bind_beside(&options, adopted, config.shards())?;
        for (index, socket) in opened.into_iter().enumerate() {
            // There may be more than shards.
            let shard = index % shards.len();
            shards[shard].push(Listener {
                socket,
                is_proxied,
                tls: tls.clone(),
            });
        }
    }
    Ok(shards)
}

/// Takes those of `sockets` that have this name and address.
pub(super) fn adopted<T: From<OwnedFd>>(
    name: &str,
    kind: SocketKind,
    address: SocketAddr,
    sockets: &mut Sockets,
) -> Result<Vec<T>, ListenError> {
    let mut adopted = Vec::new();
    for socket in sockets.take(name) {
        adopted.extend(adopt(socket, kind, address)?);
    }
    Ok(adopted)
}

/// Checks what another process has handed over, so that a start that waits for NATS does not find out later that it cannot
/// use it.
///
/// # Errors
/// If something is not what its name says.
pub(super) fn check(sockets: &Sockets) -> Result<(), EdgeError> {
    let listeners = [name(false), name(true)].map(|name| (name, SocketKind::Listener));
    for (name, kind) in listeners {
        for socket in sockets.named(name) {
            kind.check(socket).map_err(ListenError::from)?;
        }
    }
    for socket in sockets.named("quic.listen") {
        let checked = SocketKind::Datagrams.check(socket);
        checked.map_err(|error| EdgeError::Quic(error.into()))?;
    }
    Ok(())
}

/// The configuration key of a listener's address, by which its socket is handed over.
fn name(is_encrypted: bool) -> &'static str {
    if is_encrypted {
        "tls.listen"
    } else {
        "edge.listen"
    }
}

/// Copies of listeners, for the next process.
pub(super) fn copies(listeners: &[Vec<Listener>]) -> std::io::Result<Sockets> {
    let mut sockets = Sockets::default();
    for listener in listeners.iter().flatten() {
        sockets.push_copy(name(listener.tls.is_some()), &listener.socket)?;
    }
    Ok(sockets)
}

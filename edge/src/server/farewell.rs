//! Closes all connections of a shard whose driver does not run any more.

use std::time::Duration;

use grandstand_common::error::ErrorKind;
use tokio::time::Instant;

use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::server::connections::Connections;
use crate::server::tls::session::MIN_BUFFER;

/// The interval at which all sockets are tried.
const EVERY: Duration = Duration::from_millis(20);

/// The most reads of one socket in a row.
const READS: usize = 16;

/// Sends each client a close frame, and waits until the clients have closed their sockets, at most for `within`. Bytes
/// that they still send are discarded, because closing a socket with unread bytes would reset the connection before its
/// client has read the close frame.
pub(crate) async fn close_all(mut connections: Connections, why: ErrorKind, within: Duration) {
    let end = Instant::now() + within;
    let mut scratch = vec![0; MIN_BUFFER];
    loop {
        // A handshake may have opened another one since.
        for key in connections.open_keys() {
            connections.close(key, why);
        }
        for key in connections.keys() {
            if is_gone(&connections, key, &mut scratch) {
                connections.remove(key);
            }
        }
        if connections.is_empty() || Instant::now() >= end {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Writes the rest of a connection's outbox and reads its socket. Returns whether the client has closed it.
fn is_gone(connections: &Connections, key: ConnKey, scratch: &mut [u8]) -> bool {
    // No event tells when a blocked socket accepts bytes again.
    connections.on_event(key, true);
    connections.flush(key);
    let now = Instant::now().into_std();
    for _ in 0..READS {
        match connections.read(key, scratch, now) {
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
    false
}

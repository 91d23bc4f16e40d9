//! The end of a shard: its clients are told to reconnect, and the last writes are stored.

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::error::ErrorKind;
use grandstand_common::supervisor::Supervisor;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::conn::transport::Transport;
use crate::server::connections::Connections;
use crate::server::listen::ListenerEnd;
use crate::server::quic::Status;
use crate::server::{Server, farewell};
use crate::shard::handle::Shard;

/// The most time for the close handshakes of a shard that has failed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The most time for the packets that close the connections over QUIC.
const SETTLING: Duration = Duration::from_millis(500);

/// The interval at which a drain checks whether the clients have left.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The time after the drain time for inputs on their way to the log, and for the answers of owners.
const LAST_APPENDS: Duration = Duration::from_secs(1);

/// The way in which a shard ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// Clients are told to reconnect over the time `within`.
    InOrder {
        within: Duration,
        listeners: ListenerEnd,
    },
    /// Its sockets are closed, as in a crash.
    AtOnce,
}

/// A shard that serves clients.
pub(super) struct RunningShard {
    pub(super) shard: Rc<Shard>,
    pub(super) server: Server,
    pub(super) connections: Connections,
    /// The loop that drives the connections.
    pub(super) driver: AbortHandle,
    pub(super) quic: Option<Rc<Status>>,
    pub(super) supervisor: Supervisor,
}

impl RunningShard {
    /// Stops reading packets of QUIC from new clients, or from all clients if another process reads them from now on.
    pub(super) fn stop_quic(&self, listeners: ListenerEnd) {
        if let Some(quic) = &self.quic {
            match listeners {
                ListenerEnd::Close => quic.stop(),
                ListenerEnd::HandOver => quic.hand_over(),
            }
        }
    }

    /// Ends the connections: in order, or at once if a part of the shard has failed or fails meanwhile.
    pub(super) async fn end(self, within: Duration) {
        let draining = drain(&self.shard, &self.server, self.connections.clone(), within);
        tokio::select! {
            biased;
            () = self.supervisor.failed() => {}
            drained = self.supervisor.guard("drain", draining) => {
                drained.ok();
            }
        }
        if self.supervisor.has_failed() {
            // The driver may have died. If it has not, it must not read what the farewell reads.
            self.driver.abort();
            let farewell = farewell::close_all(self.connections, ErrorKind::GoingAway, FAREWELL);
            self.supervisor.guard("farewell", farewell).await.ok();
        }
        if let Some(quic) = self.quic {
            quic.stop();
            quic.settled(SETTLING).await;
        }
    }
}

/// Tells clients to reconnect at times spread over the drain time, waits for them to leave, and closes the remaining
/// connections. Clients whose handshakes are in progress are told as soon as they are connected.
async fn drain(shard: &Shard, server: &Server, mut connections: Connections, within: Duration) {
    shard.run(|core, _, now| core.drain(within, now));
    // Clients that are told last get up to a second more, or nothing if `within` is zero.
    let end = Instant::now() + within + within.min(Duration::from_secs(1));
    while !server.is_empty() && Instant::now() < end {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    // The last inputs, and the entries that the players are lost, must be stored and processed, because no other process
    // appends them again. Owners must know that nobody watches here, or the spectators would be counted twice where they
    // have gone.
    let end = Instant::now() + LAST_APPENDS;
    loop {
        // A handshake may have opened another one.
        for conn in connections.open_keys() {
            connections.close(conn, ErrorKind::GoingAway);
        }
        let is_done = server.is_empty() && shard.run(|core, _, now| core.withdraw(now));
        if is_done || Instant::now() >= end {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

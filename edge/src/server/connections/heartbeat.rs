//! The heartbeat of one connection: what follows when its deadline has passed.

use std::time::Duration;

use grandstand_common::error::ErrorKind;

use crate::server::connections::flags::Flag;
use crate::server::connections::socket::{ConnEntry, ConnState};
use crate::time::coarse::CoarseInstant;

/// The next step for a connection whose deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// A dead connection, which the driver has to see.
    Dead,
    /// An end with this error.
    Close(ErrorKind),
    /// A life that goes on. The next deadline is after `wait`.
    Wait {
        wait: Duration,
        /// The client is to be pinged by a message.
        pings: bool,
        /// The client has answered, and the driver has to read the answer.
        wakes: bool,
    },
}

/// Handles the deadline of a connection that is pinged after `tolerated` without activity, and closed `heartbeat` later.
pub(super) fn beat(
    conn: &mut ConnEntry,
    now: CoarseInstant,
    heartbeat: Duration,
    tolerated: Duration,
) -> Beat {
    if conn.state != ConnState::Open {
        conn.state = ConnState::Dead;
        return Beat::Dead;
    }
    // A paused connection is not read, so its silence means nothing, unless it does not accept queued frames either.
    let queued = conn.outbox.is_some();
    if conn.flags.has(Flag::Paused) && !queued {
        conn.on_activity(now);
    }
    // The process may have stalled while the client answered.
    let wakes = conn.flags.has(Flag::Pinged) && conn.has_news();
    if wakes {
        conn.on_activity(now);
    }
    if conn.flags.has(Flag::Pinged) {
        return Beat::Close(if queued {
            ErrorKind::TooSlow
        } else {
            ErrorKind::Timeout
        });
    }
    let silence = now.since(conn.last_activity);
    let silent = silence >= tolerated;
    conn.flags.set(Flag::Pinged, silent);
    let wait = if silent {
        heartbeat
    } else {
        tolerated - silence
    };
    conn.deadline = now.after(wait);
    let pings = silent && !conn.ping_link() && !queued;
    Beat::Wait { wait, pings, wakes }
}

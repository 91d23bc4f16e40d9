//! Closes clients that are in no room for too long. Clients that answer pings would stay forever.

use std::time::{Duration, Instant};

use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;

use super::effects::{ClientAction, Effects, Timer};
use super::reply::{self, ErrorReply};
use super::state::Hub;
use crate::conn::key::ConnKey;

/// Sets the timer of a client that may be in no room from now on, unless it is set or there is no limit.
pub(super) fn begin(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, now: Instant) {
    if let Some(due) = hub.clients.begin_roomless(conn, now) {
        effects.at(due, Timer::Roomless(conn));
    }
}

/// Closes a client that has been in no room for too long.
pub(super) fn on_timer(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, now: Now) {
    match hub.clients.roomless_left(conn, now.at) {
        None => {}
        Some(Duration::ZERO) => {
            let message = "a connection must be in a room; connect again when there is one to join";
            let error = ErrorReply::new(ErrorKind::NoRoom, message, None, None);
            reply::error(&hub.clients, effects, conn, &error);
            effects.act(conn, ClientAction::Close(ErrorKind::NoRoom));
        }
        // It was in a room meanwhile.
        Some(left) => effects.at(now.at + left, Timer::Roomless(conn)),
    }
}

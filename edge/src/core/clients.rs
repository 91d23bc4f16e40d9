//! A connection as the core sees it, and what is said to it beside rooms.

use std::time::Duration;

use grandstand_common::auth::Grants;
use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::Lane as LaneId;
use smallvec::SmallVec;

use crate::codec::{self, WireFormat};
use crate::conn::transport::{ConnKey, Transport};
use crate::core::ingress::Refused;
use crate::core::rooms::room::{Resume, RoomKey};
use crate::core::{Core, Timer};
use crate::time::coarse::CoarseInstant;

/// How long before a token's end its client is told.
const TOKEN_NOTICE_MS: u64 = 60_000;

/// The longest that a client's token is not looked at.
const TOKEN_LOOK_MS: u64 = 600_000;

/// A client that is in a room, or about to be.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) room: RoomKey,
    pub(crate) lane: LaneId,
    /// The session, for players; 0 for spectators.
    pub(crate) session: u64,
    /// The place among the lane's members; none before it was served.
    pub(crate) slot: Option<u32>,
    /// `joined` was sent.
    pub(crate) answered: bool,
    /// What to answer with, while that is to be done.
    pub(crate) resume: Option<Box<Resume>>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) form: WireFormat,
    pub(crate) grants: Grants,
    /// Almost all are in one room.
    pub(crate) memberships: SmallVec<[Membership; 1]>,
    pub(crate) budget: f32,
    pub(crate) budget_at: CoarseInstant,
    /// It was told that its token is about to expire.
    pub(crate) warned: bool,
    /// When its token is looked at; none if it has no end.
    pub(crate) token_due: Option<CoarseInstant>,
}

impl Client {
    pub(crate) fn membership(&mut self, room: RoomKey) -> Option<&mut Membership> {
        self.memberships.iter_mut().find(|m| m.room == room)
    }
}

impl Core {
    pub(crate) fn notice(
        &self,
        conn: ConnKey,
        code: &str,
        reconnect_in_ms: Option<u64>,
        sink: &mut impl Transport,
    ) {
        if let Some(client) = self.clients.get(conn) {
            let notice = ServerMessage::Notice {
                id: None,
                code,
                reconnect_in_ms,
            };
            sink.send_control(conn, &codec::message(client.form.encoding, &notice));
        }
    }

    /// Has the client's token looked at when its end is near, and now and then before: a longer timer would stay for as
    /// long as the token is valid when the client is gone.
    pub(crate) fn arm_token(&mut self, conn: ConnKey, now: Now) {
        let start = self.start;
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        let Some(expires) = client.grants.expires_ms() else {
            return;
        };
        let left = expires.saturating_sub(now.unix_ms);
        let wait = match client.warned {
            true => left,
            false => left.saturating_sub(TOKEN_NOTICE_MS),
        };
        let due = now.at + Duration::from_millis(wait.min(TOKEN_LOOK_MS));
        let coarse = CoarseInstant::new(due.saturating_duration_since(start));
        if client
            .token_due
            .is_none_or(|armed| !coarse.has_reached(armed))
        {
            client.token_due = Some(coarse);
            self.effects.at(due, Timer::Token(conn));
        }
    }

    pub(crate) fn on_token_timer(&mut self, conn: ConnKey, now: Now, sink: &mut impl Transport) {
        let coarse = self.coarse(now.at);
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        if client
            .token_due
            .is_some_and(|armed| !coarse.has_reached(armed))
        {
            return;
        }
        client.token_due = None;
        let Some(expires) = client.grants.expires_ms() else {
            return;
        };
        if expires <= now.unix_ms {
            let why = ErrorKind::Unauthenticated;
            self.refuse(
                conn,
                &Refused::new(why, "the token has expired", None, None),
                sink,
            );
            sink.close(conn, why);
            return;
        }
        let warn = !client.warned && expires - now.unix_ms <= TOKEN_NOTICE_MS;
        client.warned |= warn;
        if warn {
            self.notice(conn, "token_expiring", None, sink);
        }
        self.arm_token(conn, now);
    }
}

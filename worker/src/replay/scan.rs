//! Finds the rooms of one name in the log: where each begins and ends.

use std::collections::VecDeque;

use grandstand_common::id::{Instance, RoomId};
use grandstand_common::wire::Body;
use grandstand_game::Games;
use grandstand_game::host::Panicked;
use serde::Serialize;

use super::replica::{Replica, Step};
use crate::room::{Logged, Room};

/// The most instances that are kept. The newest are kept.
const KEPT_INSTANCES: usize = 256;

/// An instance among those of one name, and its entries in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceSpan {
    /// The room's instance.
    pub instance: Instance,
    /// The entry that created it; 0 if unknown.
    pub created: u64,
    /// The time of that entry in Unix milliseconds.
    pub begun_ms: u64,
    /// Its last entry.
    pub last: u64,
    /// The entry that deleted it.
    pub deleted: Option<u64>,
    /// An entry that belongs to an earlier beginning of this room: the entry that appears to create the room did not, and
    /// the log no longer has the one that did.
    #[serde(skip)]
    pub(super) older: Option<u64>,
}

/// The scan of a room's entries.
#[derive(Debug)]
pub(super) struct Scan {
    replica: Replica,
    /// The instance in the stored snapshot. Its entry is known to have created a room, even if this build disagrees.
    pinned: Option<Instance>,
    /// Whether the log has lost its first entries.
    trimmed: bool,
    /// Whether a game panicked: the room exists, but has no state to ask.
    stuck: bool,
    pub(super) spans: VecDeque<InstanceSpan>,
    /// The number of all instances, including those that are not kept.
    pub(super) count: u64,
    /// The number of all entries, including unreadable ones.
    pub(super) entries: u64,
    /// The last reject of a join that would have created a room.
    pub(super) reject: Option<String>,
}

impl Scan {
    pub(super) fn new(games: &Games, id: &RoomId, pinned: Option<Instance>, trimmed: bool) -> Self {
        Self {
            replica: Replica::new(games, id),
            pinned,
            trimmed,
            stuck: false,
            spans: VecDeque::new(),
            count: 0,
            entries: 0,
            reject: None,
        }
    }

    /// Handles the next entry; `logged` is `None` if the entry cannot be read.
    pub(super) fn handle(&mut self, seq: u64, time_ms: u64, logged: Option<&Logged>) {
        self.entries += 1;
        if self.pinned == Some(Instance::from_entry(seq, time_ms)) {
            self.replica.clear();
            self.stuck = false;
        }
        let had_room = self.replica.room().is_some() || self.stuck;
        if let Some(span) = self.spans.back_mut().filter(|_| had_room) {
            span.last = seq;
            if self.trimmed && self.count == 1 && span.older.is_none() {
                let room = self.replica.room().zip(logged);
                span.older = room.filter(|(room, e)| is_of_older(room, e)).map(|_| seq);
            }
        }
        let Some(logged) = logged.filter(|_| !self.stuck) else {
            return;
        };
        let mut emits = Vec::new();
        match self.replica.step(logged, &mut emits) {
            Ok(Step::Opened) => self.begin(logged),
            Ok(Step::Deleted) => {
                if let Some(span) = self.spans.back_mut() {
                    span.deleted = Some(seq);
                }
            }
            Ok(Step::Refused(reject)) => {
                self.reject = reject.map(|r| format!("{}: {}", r.code, r.message));
            }
            Ok(Step::NoRoom | Step::Handled) => {}
            Err(Panicked) => {
                self.stuck = true;
                if !had_room {
                    self.begin(logged);
                }
            }
        }
    }

    fn begin(&mut self, logged: &Logged) {
        if self.spans.len() == KEPT_INSTANCES {
            self.spans.pop_front();
        }
        self.count += 1;
        self.spans.push_back(InstanceSpan {
            instance: Instance::from_entry(logged.seq, logged.time_ms),
            created: logged.seq,
            begun_ms: logged.time_ms,
            last: logged.seq,
            deleted: None,
            older: None,
        });
    }
}

/// Whether an entry cannot be of this room, because it is of a session or a timer that the room never had.
fn is_of_older(room: &Room, logged: &Logged) -> bool {
    let entry = &logged.entry;
    let state = room.state();
    match &entry.body {
        Some(Body::Timer(timer)) => timer.arming > room.instance_state().armings,
        Some(
            Body::Joined(_)
            | Body::Kick(_)
            | Body::Close(_)
            | Body::Message(_)
            | Body::Answer(_)
            | Body::Began(_)
            | Body::Commit(_)
            | Body::Create(_)
            | Body::BotInput(_),
        )
        | None => false,
        Some(body) => {
            let session = grandstand_common::id::SessionId(entry.session);
            let player = state.player_of(session).map(|(_, player)| player);
            match (player, body) {
                (Some(player), Body::Input(input)) => input.seq > player.last_seq + 1,
                (Some(_), _) => false,
                (None, _) => {
                    let mut refused = state.refused.iter();
                    !room.was_replaced(session) && !refused.any(|r| r.session == session)
                }
            }
        }
    }
}

//! Which rooms of one name the log has: where each begins and ends.

use std::collections::VecDeque;

use grandstand_common::id::{Instance, RoomId};
use grandstand_common::wire::Body;
use serde::Serialize;

use super::replica::{Replica, Step};
use crate::room::{Logged, Room};
use grandstand_game::Games;
use grandstand_game::host::Panicked;

/// The most lives that are remembered; of a name that is used again and again the latest.
const KEPT_LIVES: usize = 256;

/// One room among those that had the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Life {
    /// Which it is.
    pub instance: Instance,
    /// The entry that created it; 0 if that is not known.
    pub created: u64,
    /// When that was stored, Unix milliseconds.
    pub begun_ms: u64,
    /// Its last entry.
    pub last: u64,
    /// The entry that deleted it.
    pub deleted: Option<u64>,
    /// An entry that shows that it was not the first of its name, though the log has none before it: its own beginning
    /// is not there any more.
    #[serde(skip)]
    pub(super) older: Option<u64>,
}

/// Follows a room's entries.
#[derive(Debug)]
pub(super) struct Scan {
    replica: Replica,
    /// The instance that is stored: the entry that made it did so, whatever else this replay would say.
    pinned: Option<Instance>,
    /// The log has no beginning any more.
    trimmed: bool,
    /// A game panicked: there is a room, and none that could be asked.
    stuck: bool,
    pub(super) lives: VecDeque<Life>,
    /// All lives, those that are not remembered too.
    pub(super) count: u64,
    /// Entries, whatever they are.
    pub(super) entries: u64,
    /// The last refusal of somebody who would have made a room.
    pub(super) refusal: Option<String>,
}

impl Scan {
    pub(super) fn new(games: &Games, id: &RoomId, pinned: Option<Instance>, trimmed: bool) -> Self {
        Self {
            replica: Replica::new(games, id),
            pinned,
            trimmed,
            stuck: false,
            lives: VecDeque::new(),
            count: 0,
            entries: 0,
            refusal: None,
        }
    }

    /// An entry of this sequence and time; `None` if it cannot be read.
    pub(super) fn handle(&mut self, (seq, time_ms): (u64, u64), logged: Option<&Logged>) {
        self.entries += 1;
        if self.pinned == Some(Instance::of(seq, time_ms)) {
            self.replica.clear();
            self.stuck = false;
        }
        let had_room = self.replica.room().is_some() || self.stuck;
        if let Some(life) = self.lives.back_mut().filter(|_| had_room) {
            life.last = seq;
            if self.trimmed && self.count == 1 && life.older.is_none() {
                let room = self.replica.room().zip(logged);
                life.older = room.filter(|(room, e)| is_of_older(room, e)).map(|_| seq);
            }
        }
        let Some(logged) = logged.filter(|_| !self.stuck) else {
            return;
        };
        let mut emits = Vec::new();
        match self.replica.step(logged, &mut emits) {
            Ok(Step::Opened) => self.begin(logged),
            Ok(Step::Deleted) => {
                if let Some(life) = self.lives.back_mut() {
                    life.deleted = Some(seq);
                }
            }
            Ok(Step::Refused(refusal)) => {
                self.refusal = refusal.map(|r| format!("{}: {}", r.code, r.message));
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
        if self.lives.len() == KEPT_LIVES {
            self.lives.pop_front();
        }
        self.count += 1;
        self.lives.push_back(Life {
            instance: Instance::of(logged.seq, logged.time_ms),
            created: logged.seq,
            begun_ms: logged.time_ms,
            last: logged.seq,
            deleted: None,
            older: None,
        });
    }
}

/// Whether an entry cannot be of the room that it meets: it tells of a session or a timer that this one never had.
fn is_of_older(room: &Room, logged: &Logged) -> bool {
    let entry = &logged.entry;
    let state = room.state();
    match &entry.body {
        Some(Body::Timer(timer)) => timer.arming > state.armings,
        Some(Body::Joined(_)) | None => false,
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

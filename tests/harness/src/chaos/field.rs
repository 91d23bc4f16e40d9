//! The state that all clients of a run share: the rooms, the ledger, and the progress of every client.
//!
//! All clients are tasks of a `LocalSet` on one thread, and none holds the field across an await.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::id::Lane;
use serde::Serialize;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::script::{Game, OwnGame};
use super::violation::Rule;
use super::waits::Waits;
use crate::error::RigError;

/// The phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Players play.
    Play,
    /// Players send no more inputs and wait for the answers.
    Finish,
    /// Every player sends one more input in every room.
    Probe,
}

/// The shared state of a run.
#[derive(Debug)]
pub(super) struct Field {
    /// The record of all messages about rooms.
    pub(super) ledger: Ledger,
    /// The times that players waited for answers.
    pub(super) waits: Waits,
    /// The current phase.
    pub(super) mode: Mode,
    /// Counts of client events.
    pub(super) counts: Counts,
    /// The refusal of a player by a game of the program.
    pub(super) refused: Option<RigError>,
    slots: Vec<Slot>,
    seats: BTreeMap<usize, SeatState>,
    next_seat: usize,
    start: Instant,
}

/// Shared by the tasks of one thread.
pub(super) type Shared = Rc<RefCell<Field>>;

/// A place for a room. When its game is over, the next room takes the place.
#[derive(Debug)]
struct Slot {
    game: Game,
    generation: u64,
    members: usize,
    over: usize,
}

/// The progress of one client in one room.
#[derive(Debug, Clone)]
pub(super) struct SeatState {
    pub(super) client: String,
    pub(super) room: String,
    /// The client's lane.
    pub(super) lane: Lane,
    /// The version of the client's view; `None` while the client has no current view.
    pub(super) version: Option<u64>,
    /// The number of its unanswered inputs.
    pub(super) unanswered: usize,
    /// Whether it still has to send its last input.
    pub(super) probes: bool,
    /// Whether it has seen the game's end.
    pub(super) over: bool,
    /// Whether a bot has to move in the view that it shows.
    pub(super) waits_for_bot: bool,
}

/// Counts of client events.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Counts {
    /// Inputs that were sent, each counted once.
    pub inputs_sent: u64,
    /// Inputs that were processed, including rejected ones.
    pub inputs_acked: u64,
    /// Inputs that the game rejected.
    pub inputs_rejected: u64,
    /// Inputs that were sent again after a reconnect.
    pub inputs_resent: u64,
    /// Reconnects.
    pub reconnects: u64,
    /// Updates that clients received.
    pub updates: u64,
    /// Snapshots that clients received.
    pub snapshots: u64,
    /// Acked inputs that the store lost, as the players were told.
    pub inputs_lost: u64,
    /// Inputs that were refused as `busy`.
    pub busy: u64,
    /// Games that were played to their end.
    pub games_over: u64,
    /// Games against bots that were played to their end.
    pub bot_games_over: u64,
    /// `degraded` notices.
    pub degraded: u64,
    /// Joins that failed with `room_unavailable` and were retried.
    pub unavailable: u64,
}

impl Field {
    /// A field with `rooms` rooms of a game of the program, or of `relay` and `memory`.
    pub(super) fn new(rooms: usize, own: Option<&Arc<OwnGame>>, start: Instant) -> Self {
        let slot = |index| Slot {
            game: Game::of_slot(index, own),
            generation: 0,
            members: 0,
            over: 0,
        };
        let mut field = Self {
            ledger: Ledger::default(),
            waits: Waits::default(),
            mode: Mode::Play,
            counts: Counts::default(),
            refused: None,
            slots: (0..rooms).map(slot).collect(),
            seats: BTreeMap::new(),
            next_seat: 0,
            start,
        };
        for slot in 0..rooms {
            field.open(slot);
        }
        field
    }

    /// The number of rooms that are played at a time.
    pub(super) fn rooms(&self) -> usize {
        self.slots.len()
    }

    /// The time since the start of the run.
    pub(super) fn now(&mut self) -> Duration {
        let now = self.start.elapsed();
        self.ledger.now = now;
        now
    }

    pub(super) fn game(&self, slot: usize) -> Game {
        self.slots[slot].game.clone()
    }

    /// The number of games of a slot that have ended.
    pub(super) fn generation(&self, slot: usize) -> u64 {
        self.slots[slot].generation
    }

    /// The current room of a slot.
    pub(super) fn room(&self, slot: usize) -> String {
        let Slot {
            game, generation, ..
        } = &self.slots[slot];
        format!("{}-{slot}-{generation}", game.name())
    }

    /// Whether a client has been in the current room of a slot.
    pub(super) fn is_played(&self, slot: usize) -> bool {
        self.ledger.instance(&self.room(slot)).is_some()
    }

    /// Whether a player has gone to the current room of a slot.
    pub(super) fn has_player(&self, slot: usize) -> bool {
        let room = self.room(slot);
        let mut players = self
            .seats
            .values()
            .filter(|seat| seat.lane == Lane::Players);
        players.any(|seat| seat.room == room)
    }

    /// Adds a client to a slot and returns the number of its seat.
    pub(super) fn add_seat(&mut self, slot: usize, state: SeatState) -> usize {
        self.slots[slot].members += 1;
        self.next_seat += 1;
        self.seats.insert(self.next_seat, state);
        self.next_seat
    }

    /// The progress of a seat.
    pub(super) fn seat(&mut self, seat: usize) -> Option<&mut SeatState> {
        self.seats.get_mut(&seat)
    }

    /// The progress of all seats.
    pub(super) fn seats(&self) -> impl Iterator<Item = &SeatState> {
        self.seats.values()
    }

    /// Records that a client has seen the end of the game in a slot and has no unanswered input. When all clients have,
    /// the ledger checks the room, and the next room takes the slot.
    pub(super) fn seen_over(&mut self, slot: usize) {
        let room = self.room(slot);
        let Slot { over, members, .. } = &mut self.slots[slot];
        *over += 1;
        if *over < *members {
            return;
        }
        *over = 0;
        self.now();
        self.check_views(&room);
        self.ledger.close(&room);
        self.counts.games_over += 1;
        let has_bot = matches!(self.game(slot), Game::Bots);
        self.counts.bot_games_over += u64::from(has_bot);
        self.slots[slot].generation += 1;
        self.open(slot);
    }

    /// Tells every player to send one more input in every room.
    pub(super) fn probe(&mut self) {
        self.mode = Mode::Probe;
        for seat in self.seats.values_mut() {
            seat.probes = seat.lane == Lane::Players && !seat.over;
        }
    }

    /// Checks that all clients of a room show its newest known version.
    pub(super) fn check_views(&mut self, room: &str) {
        // A game whose end a client has seen may be back in play after a rollback.
        let rolled_back = self.ledger.rollbacks() > 0;
        let seats = self.seats.values();
        let seats = seats.filter(|seat| seat.room == room && !(rolled_back && seat.over));
        let late: Vec<_> = seats
            .filter_map(|seat| {
                let top = self.ledger.top(room, seat.lane);
                let shows = seat.version;
                (shows != Some(top)).then(|| (seat.client.clone(), top, shows))
            })
            .collect();
        for (client, top, shows) in late {
            let expected = format!("version {top}");
            let found = format!("version {shows:?}");
            self.ledger
                .blame(Rule::Behind, room, &client, &expected, &found);
        }
    }

    fn open(&mut self, slot: usize) {
        let room = self.room(slot);
        let game = self.game(slot);
        self.ledger.open(&room, game);
    }
}

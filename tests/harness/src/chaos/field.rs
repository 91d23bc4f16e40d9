//! What all clients of a run share: the rooms that are played, the ledger, and how far everybody is.
//!
//! All clients run on one thread, as tasks of a `LocalSet`: nothing here is held across an await.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::id::Lane;
use serde::Serialize;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::script::Game;
use super::violation::Rule;
use super::waits::Waits;

/// What everybody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Players play.
    Play,
    /// Players send no more, and wait for what they have sent.
    Finish,
    /// Every player sends one more input in every room.
    Probe,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Field {
    /// What was told of the rooms.
    pub(super) ledger: Ledger,
    /// How long players waited.
    pub(super) waits: Waits,
    /// What everybody does.
    pub(super) mode: Mode,
    /// Counts of what happened to clients.
    pub(super) counts: Counts,
    slots: Vec<Slot>,
    seats: BTreeMap<usize, SeatState>,
    next_seat: usize,
    start: Instant,
}

/// Shared by the tasks of one thread.
pub(super) type Shared = Rc<RefCell<Field>>;

/// A place for a room: when its game is over the next room takes it.
#[derive(Debug)]
struct Slot {
    game: Game,
    generation: u64,
    members: usize,
    over: usize,
}

/// How far one client is in one room.
#[derive(Debug, Clone)]
pub(super) struct SeatState {
    /// The client.
    pub(super) who: String,
    /// The room.
    pub(super) room: String,
    /// What it is shown.
    pub(super) lane: Lane,
    /// The version that it shows; `None` while it is not in the room, or the room is not shown.
    pub(super) version: Option<u64>,
    /// How many of its inputs are not answered.
    pub(super) unanswered: usize,
    /// Whether it still has to send its last input.
    pub(super) probes: bool,
    /// It has seen the game's end.
    pub(super) over: bool,
}

/// What happened to clients.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Counts {
    /// Inputs, each once.
    pub inputs_sent: u64,
    /// Inputs that were processed, refused ones too.
    pub inputs_acked: u64,
    /// Inputs that the game refused.
    pub inputs_rejected: u64,
    /// Inputs that were sent again after a reconnect.
    pub inputs_resent: u64,
    /// Connections that were made after the first.
    pub reconnects: u64,
    /// Updates that clients were told.
    pub updates: u64,
    /// Snapshots that clients were told.
    pub snapshots: u64,
    /// Games that were played to their end.
    pub games_over: u64,
    /// `degraded` notices.
    pub degraded: u64,
    /// Joins that were answered with `room_unavailable`, and tried again.
    pub unavailable: u64,
}

impl Field {
    /// With so many rooms: `relay` and `memory` in turns.
    pub(super) fn new(rooms: usize, start: Instant) -> Self {
        let slot = |index| Slot {
            game: [Game::Relay, Game::Memory][index % 2],
            generation: 0,
            members: 0,
            over: 0,
        };
        let mut field = Self {
            ledger: Ledger::default(),
            waits: Waits::default(),
            mode: Mode::Play,
            counts: Counts::default(),
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

    /// How many rooms are played at a time.
    pub(super) fn rooms(&self) -> usize {
        self.slots.len()
    }

    /// The time since the beginning.
    pub(super) fn now(&mut self) -> Duration {
        let now = self.start.elapsed();
        self.ledger.now = now;
        now
    }

    /// What is played in a slot.
    pub(super) fn game(&self, slot: usize) -> Game {
        self.slots[slot].game
    }

    /// How many games have ended in a slot.
    pub(super) fn generation(&self, slot: usize) -> u64 {
        self.slots[slot].generation
    }

    /// The room that is played in a slot.
    pub(super) fn room(&self, slot: usize) -> String {
        let Slot {
            game, generation, ..
        } = &self.slots[slot];
        format!("{}-{slot}-{generation}", game.name())
    }

    /// Whether anybody has been in the room that is played in a slot.
    pub(super) fn is_played(&self, slot: usize) -> bool {
        self.ledger.instance(&self.room(slot)).is_some()
    }

    /// One more client in a slot. Returns the number of its seat.
    pub(super) fn sit(&mut self, slot: usize, state: SeatState) -> usize {
        self.slots[slot].members += 1;
        self.next_seat += 1;
        self.seats.insert(self.next_seat, state);
        self.next_seat
    }

    /// How far a seat is.
    pub(super) fn seat(&mut self, seat: usize) -> Option<&mut SeatState> {
        self.seats.get_mut(&seat)
    }

    /// How far all are.
    pub(super) fn seats(&self) -> impl Iterator<Item = &SeatState> {
        self.seats.values()
    }

    /// A client has seen the end of the game in a slot, and all its inputs were answered. When all have, the room is held
    /// against the ledger, and the next one takes its place.
    pub(super) fn seen_over(&mut self, slot: usize) {
        let room = self.room(slot);
        let Slot { over, members, .. } = &mut self.slots[slot];
        *over += 1;
        if *over < *members {
            return;
        }
        *over = 0;
        self.now();
        self.hold_views(&room);
        self.ledger.close(&room);
        self.counts.games_over += 1;
        self.slots[slot].generation += 1;
        self.open(slot);
    }

    /// Every player is to send one more input in every room.
    pub(super) fn probe(&mut self) {
        self.mode = Mode::Probe;
        for seat in self.seats.values_mut() {
            seat.probes = seat.lane == Lane::Players && !seat.over;
        }
    }

    /// All clients of a room must show the last version that any was told.
    pub(super) fn hold_views(&mut self, room: &str) {
        let seats = self.seats.values().filter(|seat| seat.room == room);
        let late: Vec<_> = seats
            .filter_map(|seat| {
                let top = self.ledger.top(room, seat.lane);
                let shows = seat.version;
                (shows != Some(top)).then(|| (seat.who.clone(), top, shows))
            })
            .collect();
        for (who, top, shows) in late {
            let expected = format!("version {top}");
            let found = format!("version {shows:?}");
            self.ledger
                .blame(Rule::Behind, (room, &who), &expected, &found);
        }
    }

    fn open(&mut self, slot: usize) {
        let (room, game) = (self.room(slot), self.game(slot));
        self.ledger.open(&room, game);
    }
}

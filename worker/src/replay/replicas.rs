//! The same entries through several replicas side by side: where they part, the game is not deterministic, or does not
//! survive being stored.

use grandstand_common::data::Data;
use grandstand_common::id::RoomId;
use grandstand_common::wire::ItemKind;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::diff::Differences;
use super::replica::{Replica, Step};
use crate::room::{Emit, Logged, Room};
use crate::stored::snapshot::{EncodeError, StoredState};
use grandstand_game::Games;
use grandstand_game::host::Panicked;
use grandstand_game::host::StateHash;
use grandstand_game::host::hash::of_json;

/// The first entry at which a replica was not as the first one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Divergence {
    /// The entry.
    pub seq: u64,
    /// Which replica.
    pub twin: Twin,
    /// What was different.
    pub what: Diverged,
}

/// What a replica does otherwise than the first one, which it should be equal to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Twin {
    /// Nothing.
    Again,
    /// It is stored and loaded after every entry, as if the worker had died.
    Reloaded,
}

/// What was different.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Diverged {
    /// The state: the first one's beside the other's.
    State(Differences),
    /// What was sent to clients, though the state is the same.
    Emitted,
    /// Only one of them panicked.
    Panicked,
    /// Only one of them has a room.
    Existence,
    /// The other could not be stored or loaded: why.
    NotStored(String),
}

/// Why the replay cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The game panics, twice, as it would in a worker.
    #[error("the game panics")]
    Panicked,
    /// The state cannot be stored: why.
    #[error("the state cannot be stored: {0}")]
    NotStored(String),
}

impl From<Panicked> for Stopped {
    fn from(_: Panicked) -> Self {
        Self::Panicked
    }
}

impl From<EncodeError> for Stopped {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Panicked(_) => Self::Panicked,
            EncodeError::Json(_) => Self::NotStored(error.to_string()),
        }
    }
}

/// A room's state, and its hash.
#[derive(Debug, Clone)]
pub(super) struct Hashed {
    pub(super) state: StoredState,
    pub(super) hash: StateHash,
}

impl Hashed {
    pub(super) fn of(room: &Room) -> Result<Self, EncodeError> {
        let state = StoredState::of(room)?;
        let hash = state.hash();
        Ok(Self { state, hash })
    }
}

/// What became of an entry.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) step: Step,
    pub(super) emits: Vec<Emit>,
    /// The state after it, if there is a room.
    pub(super) hashed: Option<Hashed>,
}

/// Some replicas of a room.
#[derive(Debug)]
pub(super) struct Replicas {
    first: Replica,
    again: Option<Replica>,
    reloaded: Option<Replica>,
    /// What was found so far, at most one of each twin.
    pub(super) divergences: Vec<Divergence>,
}

impl Replicas {
    /// `begin` makes the rooms to go on with, if it is not from the beginning.
    pub(super) fn new<E>(
        games: &Games,
        id: &RoomId,
        begin: impl Fn() -> Result<Option<Room>, E>,
    ) -> Result<Self, E> {
        let replica = || {
            let replica = Replica::new(games, id);
            Ok(match begin()? {
                Some(room) => replica.with(room),
                None => replica,
            })
        };
        Ok(Self {
            first: replica()?,
            again: Some(replica()?),
            reloaded: Some(replica()?),
            divergences: Vec::new(),
        })
    }

    pub(super) fn room(&self) -> Option<&Room> {
        self.first.room()
    }

    /// Hands them all the next entry.
    pub(super) fn step(&mut self, logged: &Logged) -> Result<Stepped, Stopped> {
        let mut emits = Vec::new();
        let step = match self.first.step(logged, &mut emits) {
            Ok(step) => step,
            // As a worker does: once more, from what is known to be whole.
            Err(Panicked) => {
                let mut again = self.again.take().ok_or(Panicked)?;
                let step = again.step(logged, &mut emits)?;
                self.first = again;
                self.push(logged.seq, Twin::Again, Diverged::Panicked);
                step
            }
        };
        let hashed = self.first.room().map(Hashed::of).transpose()?;
        let stepped = Stepped {
            step,
            emits,
            hashed,
        };
        if let Some(mut again) = self.again.take() {
            match compare(&mut again, logged, &stepped) {
                None => self.again = Some(again),
                Some(what) => self.push(logged.seq, Twin::Again, what),
            }
        }
        if let Some(mut reloaded) = self.reloaded.take() {
            let found = compare(&mut reloaded, logged, &stepped);
            let found = found.or_else(|| after_reload(&mut reloaded, &stepped));
            match found {
                None => self.reloaded = Some(reloaded),
                // What differs from run to run differs here too.
                Some(_) if self.again.is_none() => {}
                Some(what) => self.push(logged.seq, Twin::Reloaded, what),
            }
        }
        Ok(stepped)
    }

    fn push(&mut self, seq: u64, twin: Twin, what: Diverged) {
        self.divergences.push(Divergence { seq, twin, what });
    }
}

fn compare(replica: &mut Replica, logged: &Logged, first: &Stepped) -> Option<Diverged> {
    let mut emits = Vec::new();
    match replica.step(logged, &mut emits) {
        Err(Panicked) => return Some(Diverged::Panicked),
        Ok(step) if step != first.step => return Some(Diverged::Existence),
        Ok(_) => {}
    }
    let found = compare_state(replica, first);
    let same = || shown(&emits).eq(shown(&first.emits));
    found.or_else(|| (!same()).then_some(Diverged::Emitted))
}

fn compare_state(replica: &Replica, first: &Stepped) -> Option<Diverged> {
    let hashed = match replica.room().map(Hashed::of).transpose() {
        Ok(hashed) => hashed,
        Err(error) => return Some(Diverged::NotStored(error.to_string())),
    };
    match (&first.hashed, &hashed) {
        (None, None) => None,
        (Some(a), Some(b)) if a.hash == b.hash => None,
        (Some(a), Some(b)) => Some(Diverged::State(Differences::between(&a.state, &b.state))),
        _ => Some(Diverged::Existence),
    }
}

fn after_reload(replica: &mut Replica, first: &Stepped) -> Option<Diverged> {
    match replica.reload() {
        Ok(()) => compare_state(replica, first),
        Err(error) => Some(Diverged::NotStored(error.to_string())),
    }
}

/// What clients are shown, in a form in which an object's order does not count.
fn shown(emits: &[Emit]) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
    emits.iter().filter_map(|emit| match emit {
        Emit::Update(update) => {
            let key = xxh3_64(update.key.as_bytes());
            let versions = update.players ^ update.spectators.rotate_left(32);
            Some((versions, key, update.data.as_ref().map_or(0, digest)))
        }
        Emit::ToEdge(_, ItemKind::Direct(direct)) => {
            Some((direct.session, 0, direct.data.as_ref().map_or(0, digest)))
        }
        Emit::ToEdge(_, ItemKind::Rejected(rejected)) => {
            let code = xxh3_64(rejected.code.as_bytes());
            Some((rejected.session, rejected.seq, code))
        }
        Emit::Joined(welcome) => {
            let direct = welcome.direct.as_ref();
            Some((welcome.session.0, 1, direct.map_or(0, digest)))
        }
        _ => None,
    })
}

fn digest(data: &Data) -> u64 {
    match data {
        Data::Json(text) => of_json(text),
        Data::Binary(bytes) => xxh3_64(bytes),
    }
}

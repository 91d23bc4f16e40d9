//! Runs the same entries through several replicas side by side. A divergence shows that the game is not deterministic,
//! or that storing loses part of its state.

use grandstand_common::data::Data;
use grandstand_common::id::RoomId;
use grandstand_common::wire::ItemKind;
use grandstand_game::Games;
use grandstand_game::host::Panicked;
use grandstand_game::host::StateHash;
use grandstand_game::host::hash::of_json;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::diff::Differences;
use super::replica::{Replica, Step};
use crate::room::{Emit, Logged, Room};
use crate::stored::snapshot::{EncodeError, StoredState};

/// The first entry at which a replica differs from the first replica.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Divergence {
    /// The entry.
    pub seq: u64,
    /// The replica that differs.
    pub twin: Twin,
    /// The difference.
    pub what: Diverged,
}

/// A replica that must be equal to the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Twin {
    /// A replica that runs like the first one.
    Again,
    /// A replica that is stored and loaded after every entry, as after the death of a worker.
    Reloaded,
}

/// A difference between two replicas.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Diverged {
    /// The states differ: the first replica's and the other's.
    State(Differences),
    /// The messages to clients differ, although the states are equal.
    Emitted,
    /// One of the two replicas panicked.
    Panicked,
    /// One of the two replicas has no room.
    Existence,
    /// The other replica cannot be stored or loaded, for this reason.
    NotStored(String),
}

/// The reason why the replay cannot continue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The game panics on both attempts; a worker makes two as well.
    #[error("the game panics")]
    Panicked,
    /// The state cannot be stored, for this reason.
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
            EncodeError::Json(_)
            | EncodeError::TooBig { .. }
            | EncodeError::Items { .. }
            | EncodeError::NotTaken { .. } => Self::NotStored(error.to_string()),
        }
    }
}

/// A room's state with its hash.
#[derive(Debug, Clone)]
pub(super) struct Hashed {
    pub(super) state: StoredState,
    pub(super) hash: StateHash,
}

impl Hashed {
    pub(super) fn from_room(room: &Room) -> Result<Self, EncodeError> {
        let state = StoredState::new(room)?;
        let hash = state.hash();
        Ok(Self { state, hash })
    }
}

/// The result of an entry.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) step: Step,
    pub(super) emits: Vec<Emit>,
    /// The state after the entry; `None` without a room.
    pub(super) hashed: Option<Hashed>,
}

/// The replicas of a room. A replica that differs is dropped.
#[derive(Debug)]
pub(super) struct Replicas {
    first: Replica,
    again: Option<Replica>,
    reloaded: Option<Replica>,
    /// The divergences so far, at most one of each twin.
    pub(super) divergences: Vec<Divergence>,
}

impl Replicas {
    /// `begin` returns the room that a replica begins with; `None` before the room's first entry.
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

    /// Applies the next entry to all replicas.
    pub(super) fn step(&mut self, logged: &Logged) -> Result<Stepped, Stopped> {
        let mut emits = Vec::new();
        let step = match self.first.step(logged, &mut emits) {
            Ok(step) => step,
            // A worker also makes a second attempt, with a room that the panic has not touched.
            Err(Panicked) => {
                let mut again = self.again.take().ok_or(Panicked)?;
                let step = again.step(logged, &mut emits)?;
                self.first = again;
                self.push(logged.seq, Twin::Again, Diverged::Panicked);
                step
            }
        };
        let hashed = self.first.room().map(Hashed::from_room).transpose()?;
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
                // A game that differs between two runs differs here, too.
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
    let hashed = match replica.room().map(Hashed::from_room).transpose() {
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

/// Digests of the messages to clients. The order of an object's keys does not matter.
fn shown(emits: &[Emit]) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
    emits.iter().filter_map(|emit| match emit {
        Emit::Update(update) => {
            let key = xxh3_64(update.key.as_bytes());
            let versions = update.players ^ update.spectators.rotate_left(32);
            Some((versions, key, update.data.as_ref().map_or(0, digest)))
        }
        Emit::Snapshot(lane) => Some((lane.index() as u64, 2, 0)),
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

//! The snapshot and the updates of a `memory` room.

use grandstand_game::PlayerId;
use serde::{Serialize, Serializer};

use super::table::{Phase, Seat};

/// The snapshot.
#[derive(Serialize)]
pub(super) struct Table<'a> {
    pub(super) phase: Phase,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// The face of each card that is open, matched or not.
    pub(super) cards: Vec<Option<&'static str>>,
    /// The cards that are open and not yet matched, in the order in which they were flipped.
    pub(super) open: &'a [usize],
    pub(super) turn: Option<&'a PlayerId>,
    /// The end of the turn or the pause, Unix milliseconds. Unchanged while two different cards are open, although the
    /// turn ends when they are hidden.
    pub(super) deadline_ms: Option<u64>,
    pub(super) players: Vec<PlayerId>,
    pub(super) scores: Scores,
    pub(super) winners: Option<&'a [PlayerId]>,
}

/// An update.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Update {
    /// The players have changed before the start.
    Waiting { players: Vec<PlayerId> },
    /// The game has started.
    Started {
        turn: PlayerId,
        deadline_ms: u64,
        players: Vec<PlayerId>,
    },
    /// A card was opened.
    Flipped {
        card: usize,
        face: &'static str,
        by: PlayerId,
    },
    /// Two open cards are equal and stay open.
    Matched {
        cards: Vec<usize>,
        by: PlayerId,
        scores: Scores,
    },
    /// Open cards were hidden again: two different ones, or one when its turn ran out.
    Hidden { cards: Vec<usize> },
    /// The turn and its deadline: at every new turn, after every match, and after a pause. When cards are hidden during
    /// a pause, the deadline is that of the pause.
    Turn { player: PlayerId, deadline_ms: u64 },
    /// The game pauses for a player, or the deadline of the pause has changed.
    Paused { deadline_ms: u64 },
    /// The game continues. A `turn` follows.
    Resumed,
    /// The computer plays for a player who did not return.
    Replaced { player: PlayerId, by: &'static str },
    /// The game has ended. `turn` and `deadline_ms` become null, and `open` becomes empty.
    Over {
        scores: Scores,
        winners: Vec<PlayerId>,
    },
}

/// The outcome of a game, which goes out of the room, as leaderboards read it.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) players: Vec<PlayerOutcome>,
}

/// The outcome for a player.
#[derive(Serialize)]
pub(super) struct PlayerOutcome {
    pub(super) player: PlayerId,
    pub(super) score: u32,
    pub(super) won: bool,
}

/// Points by name, in the order of the players' turns.
#[derive(Debug)]
pub struct Scores(Vec<(PlayerId, u32)>);

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(player, score)| (player, score)))
    }
}

/// The points of all players.
pub(super) fn scores(seats: &[Seat]) -> Scores {
    let scores = seats.iter().map(|seat| (seat.player.clone(), seat.score));
    Scores(scores.collect())
}

/// The players' names, in the order of their turns.
pub(super) fn players(seats: &[Seat]) -> Vec<PlayerId> {
    seats.iter().map(|seat| seat.player.clone()).collect()
}

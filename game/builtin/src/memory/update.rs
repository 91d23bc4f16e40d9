//! The snapshot and the updates of a `memory` room.

use grandstand_game::PlayerId;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::table::{Phase, Seat};

/// The snapshot.
#[derive(Serialize)]
pub(super) struct View<'a> {
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
    pub(super) players: Players<'a>,
    pub(super) scores: Scores<'a>,
    pub(super) winners: Option<&'a [PlayerId]>,
}

/// An update.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Update<'a> {
    /// The players have changed before the start.
    Waiting { players: Players<'a> },
    /// The game has started.
    Started {
        turn: &'a PlayerId,
        deadline_ms: u64,
        players: Players<'a>,
    },
    /// A card was opened.
    Flipped {
        card: usize,
        face: &'static str,
        by: &'a PlayerId,
    },
    /// Two open cards are equal and stay open.
    Matched {
        cards: &'a [usize],
        by: &'a PlayerId,
        scores: Scores<'a>,
    },
    /// Open cards were hidden again: two different ones, or one when its turn ran out.
    Hidden { cards: &'a [usize] },
    /// The turn and its deadline: at every new turn, after every match, and after a pause. When cards are hidden during
    /// a pause, the deadline is that of the pause.
    Turn {
        player: &'a PlayerId,
        deadline_ms: u64,
    },
    /// The game pauses for a player, or the deadline of the pause has changed.
    Paused { deadline_ms: u64 },
    /// The game continues. A `turn` follows.
    Resumed,
    /// The computer plays for a player who did not return.
    Replaced {
        player: &'a PlayerId,
        by: &'static str,
    },
    /// The game has ended. `turn` and `deadline_ms` become null, and `open` becomes empty.
    Over {
        scores: Scores<'a>,
        winners: &'a [PlayerId],
    },
}

/// The players' names, in the order of their turns.
#[derive(Clone, Copy)]
pub(super) struct Players<'a>(pub(super) &'a [Seat]);

impl Serialize for Players<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|seat| &seat.player))
    }
}

/// Points by name.
#[derive(Clone, Copy)]
pub(super) struct Scores<'a>(pub(super) &'a [Seat]);

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for seat in self.0 {
            map.serialize_entry(seat.player.as_str(), &seat.score)?;
        }
        map.end()
    }
}

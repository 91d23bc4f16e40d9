//! The measurements of an engine beside its counters. Its loop publishes it once a second.

use grandstand_common::by_name::ByName;
use grandstand_common::histogram::{AGE, COUNT, LIFETIME, Tally};

/// The measurements of an engine.
#[derive(Debug)]
pub struct Tallies {
    /// The measurements of each game.
    pub games: ByName<GameTally>,
    /// The entries that each takeover read again.
    pub replay_entries: Tally,
    /// The durations of takeovers, in milliseconds.
    pub takeovers: Tally,
}

impl Default for Tallies {
    fn default() -> Self {
        Self {
            games: ByName::default(),
            replay_entries: Tally::new(&COUNT),
            takeovers: Tally::new(&AGE),
        }
    }
}

/// The measurements of a game.
#[derive(Debug)]
pub struct GameTally {
    /// The time from the creation of a room to its end, in seconds.
    pub durations: Tally,
    /// The inputs of all players of a room until its end.
    pub inputs: Tally,
    /// Inputs refused, by code; repeats are counted again.
    pub rejects: ByName<u64>,
}

impl Default for GameTally {
    fn default() -> Self {
        Self {
            durations: Tally::new(&LIFETIME),
            inputs: Tally::new(&COUNT),
            rejects: ByName::default(),
        }
    }
}

/// A game that has ended in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedGame {
    /// The time since the room's creation; `None` if the room was loaded from a snapshot, which does not tell.
    pub(crate) seconds: Option<u64>,
    /// The inputs of all players.
    pub(crate) inputs: u64,
}

impl Tallies {
    fn game(&mut self, game: &str) -> &mut GameTally {
        self.games.get_or_insert(game, GameTally::default)
    }

    /// Counts the end of a game.
    pub(crate) fn on_ended(&mut self, game: &str, ended: EndedGame) {
        let tally = self.game(game);
        tally.inputs.observe(ended.inputs);
        if let Some(seconds) = ended.seconds {
            tally.durations.observe(seconds);
        }
    }

    /// Counts an input that was refused.
    pub(crate) fn on_reject(&mut self, game: &str, code: &str) {
        *self.game(game).rejects.get_or_insert(code, || 0) += 1;
    }
}

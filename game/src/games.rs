//! The set of games of a worker.

use std::collections::BTreeMap;

use crate::game::Game;
use crate::host::erased::GameKind;
use crate::matching::{MatchRule, Queue};
use crate::realtime::Realtime;

/// The games that a worker can run, by name.
#[derive(Debug, Clone, Default)]
pub struct Games {
    games: BTreeMap<&'static str, GameKind>,
}

impl Games {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a game, in place of any of the same name.
    pub fn add<G: Game>(&mut self) {
        self.games.insert(G::NAME, GameKind::of::<G>());
    }

    /// Adds a queue of a matchmaker: rooms of the name [`MatchRule::QUEUE`], in which players wait for a room.
    pub fn add_queue<R: MatchRule>(&mut self) {
        self.add::<Queue<R>>();
    }

    /// Adds a game in real time, in place of any of the same name.
    pub fn add_realtime<G: Realtime>(&mut self) {
        self.games.insert(G::NAME, GameKind::of_realtime::<G>());
    }

    /// Returns the set with a game [added](Self::add).
    #[must_use]
    pub fn with<G: Game>(mut self) -> Self {
        self.add::<G>();
        self
    }

    /// The names of the games.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.games.keys().copied()
    }

    /// The versions of the games, by name.
    pub fn versions(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.games
            .iter()
            .map(|(name, kind)| (*name, kind.version()))
    }

    /// The version of the game of this name; 0 if it is not among these.
    pub fn version(&self, name: &str) -> u32 {
        self.games.get(name).map_or(0, GameKind::version)
    }

    /// The game of this name.
    pub fn get(&self, name: &str) -> Option<GameKind> {
        self.games.get(name).copied()
    }
}

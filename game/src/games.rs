//! The games that a worker can run, with their types erased.

use std::collections::BTreeMap;

use crate::game::Game;
use crate::host::erased::GameKind;

/// The games that a worker can run, by name.
#[derive(Debug, Clone, Default)]
pub struct Games {
    games: BTreeMap<&'static str, GameKind>,
}

impl Games {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a game; one of the same name is replaced.
    pub fn add<G: Game>(&mut self) {
        self.games.insert(G::NAME, GameKind::of::<G>());
    }

    /// [`add`](Self::add)s a game.
    #[must_use]
    pub fn with<G: Game>(mut self) -> Self {
        self.add::<G>();
        self
    }

    /// The names of the games.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.games.keys().copied()
    }

    /// How rooms of the game with this name are made and loaded.
    pub fn get(&self, name: &str) -> Option<GameKind> {
        self.games.get(name).copied()
    }
}

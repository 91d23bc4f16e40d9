//! The set of games of a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::game::Game;
use crate::host::erased::GameKind;
use crate::matching::{MatchRule, Queue};
use crate::realtime::Realtime;
use crate::scripted::{NotScripted, NotScriptedReason, Play, ScriptedPlayer};
use crate::testing::Reducer;

/// The games that a worker can run, by name.
#[derive(Debug, Clone, Default)]
pub struct Games {
    games: BTreeMap<&'static str, Registered>,
}

/// A game of the set.
#[derive(Debug, Clone)]
struct Registered {
    kind: GameKind,
    script: Arc<Script>,
}

/// The functions that are named for a game after it was added. [`Added`] borrows nothing, so that a closure may end with a call of
/// [`Games::add`]; that is why it shares the script with the set.
#[derive(Debug, Default)]
struct Script {
    play: OnceLock<Play>,
    reduce: OnceLock<Reducer>,
}

/// A game that was added to [`Games`]. `grandstand chaos` and `grandstand bench rooms` play it if it has a scripted player.
#[derive(Debug)]
pub struct Added {
    script: Arc<Script>,
}

impl Added {
    /// Names the scripted player: `play` returns a player's next input from the player's view, as for
    /// [`play_random`](crate::testing::play_random). `null` stands for no input now.
    ///
    /// The member `private` of the view is the last [`direct`](crate::Effects::direct) message to the player. In a game in
    /// real time the input is sent as a control as well.
    pub fn played_by(self, play: Play) -> Self {
        // It is empty: each game that is added has a script of its own, and the first call takes `self`.
        self.script.play.set(play).ok();
        self
    }

    /// Names how clients apply an update to a view, for games that make their own updates. It is needed for a scripted
    /// player of such a game.
    pub fn reduced_by(self, reduce: Reducer) -> Self {
        self.script.reduce.set(reduce).ok();
        self
    }
}

impl Games {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a game, in place of any of the same name.
    pub fn add<G: Game>(&mut self) -> Added {
        self.insert(G::NAME, GameKind::of::<G>())
    }

    /// Adds a queue of a matchmaker: rooms of the name [`MatchRule::QUEUE`], in which players wait for a room.
    pub fn add_queue<R: MatchRule>(&mut self) -> Added {
        self.add::<Queue<R>>()
    }

    /// Adds a game in real time, in place of any of the same name.
    pub fn add_realtime<G: Realtime>(&mut self) -> Added {
        self.insert(G::NAME, GameKind::of_realtime::<G>())
    }

    fn insert(&mut self, name: &'static str, kind: GameKind) -> Added {
        let script = Arc::<Script>::default();
        let added = Added {
            script: Arc::clone(&script),
        };
        self.games.insert(name, Registered { kind, script });
        added
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
            .map(|(name, game)| (*name, game.kind.version()))
    }

    /// The version of the game of this name; 0 if it is not among these.
    pub fn version(&self, name: &str) -> u32 {
        let game = self.games.get(name);
        game.map_or(0, |game| game.kind.version())
    }

    /// The game of this name.
    pub fn get(&self, name: &str) -> Option<GameKind> {
        self.games.get(name).map(|game| game.kind)
    }

    /// The scripted player of the game of this name.
    ///
    /// # Errors
    /// If there is no such game, or it has no scripted player that can follow its updates.
    pub fn scripted(&self, name: &str) -> Result<ScriptedPlayer, NotScripted> {
        self.script_of(name).map_err(|why| NotScripted {
            game: name.to_owned(),
            why,
            others: self
                .names()
                .filter(|name| self.script_of(name).is_ok())
                .map(str::to_owned)
                .collect(),
        })
    }

    fn script_of(&self, name: &str) -> Result<ScriptedPlayer, NotScriptedReason> {
        let game = self.games.get(name).ok_or(NotScriptedReason::NoGame)?;
        let play = game.script.play.get().copied();
        let play = play.ok_or(NotScriptedReason::NoPlayer)?;
        let reduce = game.script.reduce.get().copied();
        if reduce.is_none() && !game.kind.is_auto() {
            return Err(NotScriptedReason::NoReducer);
        }
        Ok(ScriptedPlayer {
            play,
            reduce,
            is_realtime: game.kind.realtime().is_some(),
        })
    }
}

//! Games with their types erased.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use serde_json::value::RawValue;

use crate::effects::Effects;
use crate::event::Event;
use crate::game::Game;
use crate::live::LiveEffects;
use crate::reject::Reject;
use crate::setup::Setup;
use crate::spectating::Spectating;

/// A kind of game: creates and loads its rooms.
#[derive(Debug, Clone, Copy)]
pub struct GameKind {
    create: fn(&mut Setup<'_>) -> Result<Box<dyn AnyGame>, Reject>,
    load: fn(&str) -> Result<Box<dyn AnyGame>, serde_json::Error>,
    /// The period of [`Game::tick`].
    pub tick: Option<Duration>,
}

impl GameKind {
    pub(crate) fn of<G: Game>() -> Self {
        Self {
            create: |setup| G::create(setup).map(Hosted::<G>::boxed),
            load: |text| serde_json::from_str::<G>(text).map(Hosted::<G>::boxed),
            tick: G::TICK,
        }
    }

    /// Creates a room's first state.
    ///
    /// # Errors
    /// If the game rejects the parameters or panics.
    pub fn create(
        &self,
        setup: &mut Setup<'_>,
    ) -> Result<Result<Box<dyn AnyGame>, Reject>, Panicked> {
        guard(|| (self.create)(setup))
    }

    /// Reads a state that [`AnyGame::state`] returned.
    ///
    /// # Errors
    /// If `text` is not such a state, or the game panics.
    pub fn load(
        &self,
        text: &str,
    ) -> Result<Result<Box<dyn AnyGame>, serde_json::Error>, Panicked> {
        guard(|| (self.load)(text))
    }
}

/// A game's code panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the game panicked")]
pub struct Panicked;

/// Runs a game's code. After a panic the state that `run` changed must not be used again.
///
/// # Errors
/// If the code panics.
pub fn guard<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Panicked)
}

/// A [`Game`] of any type, with its volatile part.
pub trait AnyGame: Send {
    /// Calls [`Game::apply`].
    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects);
    /// Calls [`Game::view`].
    fn view(&self, lane: Lane) -> Data;
    /// Calls [`Game::spectating`].
    fn spectating(&self) -> Spectating;
    /// Calls [`Game::private`].
    fn private(&self, player: &PlayerId) -> Option<Data>;
    /// Calls [`Game::live`] with the volatile part.
    fn live(&mut self, from: &PlayerId, data: Data, effects: &mut LiveEffects);
    /// Calls [`Game::tick`] with the volatile part.
    fn tick(&mut self, effects: &mut LiveEffects);
    /// The game's state as JSON.
    ///
    /// # Errors
    /// If the state cannot be serialized as JSON.
    fn state(&self) -> Result<Box<RawValue>, serde_json::Error>;
}

struct Hosted<G: Game> {
    game: G,
    volatile: G::Volatile,
}

impl<G: Game> Hosted<G> {
    fn boxed(game: G) -> Box<dyn AnyGame> {
        let volatile = G::Volatile::default();
        Box::new(Self { game, volatile })
    }
}

impl<G: Game> AnyGame for Hosted<G> {
    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects) {
        self.game.apply(event, effects);
    }

    fn view(&self, lane: Lane) -> Data {
        self.game.view(lane)
    }

    fn spectating(&self) -> Spectating {
        self.game.spectating()
    }

    fn private(&self, player: &PlayerId) -> Option<Data> {
        self.game.private(player)
    }

    fn live(&mut self, from: &PlayerId, data: Data, effects: &mut LiveEffects) {
        self.game.live(&mut self.volatile, from, data, effects);
    }

    fn tick(&mut self, effects: &mut LiveEffects) {
        self.game.tick(&mut self.volatile, effects);
    }

    fn state(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(&self.game)
    }
}

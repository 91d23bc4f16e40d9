//! Games with their types erased.

use std::any::Any;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::output::EffectList;
use super::world::RealtimeKind;
use crate::effects::Effects;
use crate::event::Event;
use crate::game::Game;
use crate::input::FromInput as _;
use crate::live::LiveEffects;
use crate::outlet::OutletStart;
use crate::realtime::Realtime;
use crate::reject::Reject;
use crate::serving::{Idle, Listing, Spectating};
use crate::setup::Setup;
use crate::update::ViewUpdate as _;
use crate::version::Outdated;

/// A room's first state, or the reject of its parameters.
type Created = Result<Box<dyn AnyGame>, Reject>;

/// A stored state, or the reason why it cannot be read.
type Loaded = Result<Box<dyn AnyGame>, LoadError>;

/// A kind of game: creates and loads its rooms.
#[derive(Debug, Clone, Copy)]
pub struct GameKind {
    create: fn(&Value, &mut Setup<'_>, Option<RealtimeKind>) -> Created,
    load: fn(u32, &str, Option<RealtimeKind>) -> Loaded,
    version: u32,
    is_auto: bool,
    /// The part for games in real time; `None` for others.
    realtime: Option<RealtimeKind>,
}

/// The reason why a game's state cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The text is not a state of the game.
    #[error("is not a state of the game: {0}")]
    Json(#[from] serde_json::Error),
    /// The state is of a later version than this build has of the game.
    #[error("is of version {stored} of the game, and this build has version {own}")]
    TooNew {
        /// The version of the state.
        stored: u32,
        /// The version of the game; 0 if this build does not have the game.
        own: u32,
    },
    /// The state is of an earlier version, and cannot be migrated.
    #[error("is of version {from} of the game, and cannot be migrated to version {to}: {why}")]
    Outdated {
        /// The version of the state.
        from: u32,
        /// The version of the game.
        to: u32,
        /// The reason.
        why: Outdated,
    },
}

/// Whether rooms can be named after a game: `{name}-1`. `queue-{name}` is the name of a queue.
const fn is_name(name: &str) -> bool {
    let bytes = match name.as_bytes() {
        [b'q', b'u', b'e', b'u', b'e', b'-', rest @ ..] => rest,
        b"queue" => return false,
        all => all,
    };
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() && bytes[at] != b'_' {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty() && bytes.len() <= 32
}

impl GameKind {
    pub(crate) fn of<G: Game>() -> Self {
        const {
            assert!(G::VERSION > 0, "the version of a game is at least 1");
            assert!(
                is_name(G::NAME),
                "the name of a game has 1 to 32 letters, digits and _, and is not `queue`"
            );
        }
        Self {
            create: create::<G>,
            load: load::<G>,
            version: G::VERSION,
            is_auto: G::Update::AUTO,
            realtime: None,
        }
    }

    pub(crate) fn of_realtime<G: Realtime>() -> Self {
        Self {
            realtime: Some(RealtimeKind::of::<G>()),
            ..Self::of::<G>()
        }
    }

    /// The part for games in real time; `None` for others.
    pub fn realtime(&self) -> Option<RealtimeKind> {
        self.realtime
    }

    /// The version of the game's state.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Whether the host makes the updates.
    pub fn is_auto(&self) -> bool {
        self.is_auto
    }

    /// Creates a room's first state from the `params` of a `join`.
    ///
    /// # Errors
    /// If the game rejects the parameters or panics.
    pub fn create(&self, params: &Value, setup: &mut Setup<'_>) -> Result<Created, Panicked> {
        guard(|| (self.create)(params, setup, self.realtime))
    }

    /// Reads a state that [`AnyGame::state`] of a build with this version of the game returned. An earlier one is
    /// [migrated](Game::migrate).
    ///
    /// # Errors
    /// If `text` is not such a state, the version is a later one, the migration fails, or the game panics.
    pub fn load(&self, version: u32, text: &str) -> Result<Loaded, Panicked> {
        guard(|| (self.load)(version, text, self.realtime))
    }
}

fn create<G: Game>(
    params: &Value,
    setup: &mut Setup<'_>,
    realtime: Option<RealtimeKind>,
) -> Created {
    if !params.is_object() {
        return Err(Reject::new("bad_params", "params must be an object"));
    }
    let params = G::Params::deserialize(params)
        .map_err(|error| Reject::new("bad_params", format!("params: {error}")))?;
    G::create(params, setup).map(|game| Hosted::boxed(game, realtime))
}

fn load<G: Game>(version: u32, text: &str, realtime: Option<RealtimeKind>) -> Loaded {
    let (from, to) = (version, G::VERSION);
    let game = match from.cmp(&to) {
        Ordering::Equal => serde_json::from_str(text)?,
        Ordering::Greater => {
            return Err(LoadError::TooNew {
                stored: from,
                own: to,
            });
        }
        Ordering::Less => G::migrate(from, serde_json::from_str(text)?)
            .map_err(|why| LoadError::Outdated { from, to, why })?,
    };
    Ok(Hosted::<G>::boxed(game, realtime))
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

/// A [`Game`] of any type.
pub trait AnyGame: Send {
    /// Calls [`Game::apply`] for an event at `now_ms`, and returns its effects. `outlet` is what the
    /// instance has sent out before.
    ///
    /// # Errors
    /// If the game rejects the event, or its input has the wrong shape.
    fn apply(
        &mut self,
        event: Event<'_, &Data>,
        now_ms: u64,
        rng: ChaCha8Rng,
        outlet: OutletStart,
    ) -> Result<EffectList, Reject>;
    /// Calls [`Game::view`].
    ///
    /// # Panics
    /// If the view cannot be serialized.
    fn view(&self, lane: Lane) -> Data;
    /// Calls [`Game::private`].
    ///
    /// # Panics
    /// If the view cannot be serialized.
    fn private(&self, player: &PlayerId) -> Option<Data>;
    /// Calls [`Game::spectating`].
    fn spectating(&self) -> Spectating;
    /// Calls [`Game::listing`].
    fn listing(&self) -> Option<Listing>;
    /// Calls [`Game::idle`].
    fn idle(&self) -> Idle;
    /// Calls [`Game::live`].
    fn live(&self, from: &PlayerId, data: Data, fx: &mut LiveEffects);
    /// Calls [`Game::bot`].
    fn bot(&self, player: &PlayerId, rng: &mut ChaCha8Rng) -> Option<Value>;
    /// [`Game::VERSION`].
    fn version(&self) -> u32;
    /// Whether the host makes the updates.
    fn is_auto(&self) -> bool;
    /// Whether the host sends [private views](Game::private) again when they change.
    fn sends_private(&self) -> bool;
    /// The game's state as JSON.
    ///
    /// # Errors
    /// If the state cannot be serialized as JSON.
    fn state(&self) -> Result<Box<RawValue>, serde_json::Error>;
    /// The part for games in real time; `None` for others.
    fn realtime(&self) -> Option<RealtimeKind>;
    /// The game itself.
    fn as_any(&self) -> &dyn Any;
    /// The game itself, to change it.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

struct Hosted<G: Game>(G, Option<RealtimeKind>);

impl<G: Game> Hosted<G> {
    fn boxed(game: G, realtime: Option<RealtimeKind>) -> Box<dyn AnyGame> {
        Box::new(Self(game, realtime))
    }
}

impl<G: Game> AnyGame for Hosted<G> {
    fn apply(
        &mut self,
        event: Event<'_, &Data>,
        now_ms: u64,
        rng: ChaCha8Rng,
        outlet: OutletStart,
    ) -> Result<EffectList, Reject> {
        let event = event
            .try_map(G::Input::from_input)
            .map_err(|why| Reject::new("bad_input", why))?;
        let backup = event.is_rejectable().then(|| self.0.backup()).flatten();
        let mut fx = Effects::new(now_ms, rng, outlet);
        match self.0.apply(event, &mut fx) {
            Ok(()) => Ok(EffectList(fx.into_list())),
            Err(reject) => {
                if let Some(backup) = backup {
                    self.0 = backup;
                }
                Err(reject)
            }
        }
    }

    fn view(&self, lane: Lane) -> Data {
        match self.0.view(lane).into_data() {
            Ok(data) => data,
            Err(error) => panic!("the view of {lane:?} cannot be serialized: {error}"),
        }
    }

    fn private(&self, player: &PlayerId) -> Option<Data> {
        match self.0.private(player)?.into_data() {
            Ok(data) => Some(data),
            Err(error) => panic!("the private view of {player} cannot be serialized: {error}"),
        }
    }

    fn spectating(&self) -> Spectating {
        self.0.spectating()
    }

    fn listing(&self) -> Option<Listing> {
        self.0.listing()
    }

    fn idle(&self) -> Idle {
        self.0.idle()
    }

    fn live(&self, from: &PlayerId, data: Data, fx: &mut LiveEffects) {
        self.0.live(from, data, fx);
    }

    fn bot(&self, player: &PlayerId, rng: &mut ChaCha8Rng) -> Option<Value> {
        self.0.bot(player, rng)
    }

    fn version(&self) -> u32 {
        G::VERSION
    }

    fn is_auto(&self) -> bool {
        G::Update::AUTO
    }

    fn sends_private(&self) -> bool {
        G::PRIVATE && G::Update::AUTO
    }

    fn state(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(&self.0)
    }

    fn realtime(&self) -> Option<RealtimeKind> {
        self.1
    }

    fn as_any(&self) -> &dyn Any {
        &self.0
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        &mut self.0
    }
}

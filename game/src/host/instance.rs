//! One instance of a game: its state, clock, random numbers, timers and versions.

use std::collections::BTreeMap;
use std::fmt;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::erased::{AnyGame, GameKind, Panicked, guard};
use crate::effects::{Effect, Effects};
use crate::event::{Event, EventKind};
use crate::live::{LiveEffects, LiveTo};
use crate::reject::Reject;
use crate::setup::Setup;
use crate::spectating::Spectating;

/// A running game. The same events give the same instance. After a panic of the game it must not be used again.
pub struct GameInstance {
    game: Box<dyn AnyGame>,
    state: InstanceState,
}

/// The durable state of an instance beside the game's own.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceState {
    /// The seed of all random numbers.
    pub seed: [u8; 32],
    /// The number of events that the game has received. It selects the random stream of an event.
    pub events: u64,
    /// The time of the last event, Unix milliseconds.
    pub last_event_ms: u64,
    /// Whether the game has ended the room.
    pub finished: bool,
    /// The version of each lane's view, by [`Lane::index`].
    pub versions: [u64; 2],
    /// The number of timers armed so far.
    pub armings: u64,
    /// The armed timers by name.
    pub timers: BTreeMap<String, Armed>,
}

/// An armed timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// The number of this arming. It differs if a timer of the same name is armed again.
    pub arming: u64,
    /// The time at which it fires, Unix milliseconds.
    pub due_ms: u64,
}

/// One output of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A change of views.
    Update {
        /// The new version of each lane by [`Lane::index`]; 0 for a lane that does not change.
        versions: [u64; 2],
        /// The key of the update, if it has one: of updates with the same key only the latest matters.
        key: Option<String>,
        /// The change.
        data: Data,
    },
    /// A message for one player only.
    Direct {
        /// The recipient.
        player: PlayerId,
        /// The message.
        data: Data,
    },
    /// The game used a timer whose name begins with `=`. It is ignored, because these names are reserved for the host.
    ReservedTimer {
        /// The timer's name.
        name: String,
    },
}

impl fmt::Debug for GameInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GameInstance")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl GameInstance {
    /// Creates an instance with `params` at `now_ms`.
    ///
    /// # Errors
    /// If the game panics, or rejects the parameters.
    pub fn create(
        kind: GameKind,
        params: &serde_json::Value,
        seed: [u8; 32],
        now_ms: u64,
    ) -> Result<Result<Self, Reject>, Panicked> {
        let mut setup = Setup {
            params,
            rng: &mut ChaCha8Rng::from_seed(seed),
            now_ms,
        };
        let game = kind.create(&mut setup)?;
        let state = InstanceState {
            seed,
            events: 0,
            last_event_ms: now_ms,
            finished: false,
            versions: [0; 2],
            armings: 0,
            timers: BTreeMap::new(),
        };
        Ok(game.map(|game| Self { game, state }))
    }

    /// An instance that was stored.
    pub fn restore(game: Box<dyn AnyGame>, state: InstanceState) -> Self {
        Self { game, state }
    }

    /// The durable state beside the game's own.
    pub fn state(&self) -> &InstanceState {
        &self.state
    }

    /// The game's own state as JSON.
    ///
    /// # Errors
    /// If the game panics, or its state cannot be serialized as JSON.
    pub fn game_state(&self) -> Result<Result<Box<RawValue>, serde_json::Error>, Panicked> {
        guard(|| self.game.state())
    }

    /// Applies an event at the log's time `time_ms` and passes its outputs to `emit`, in order. Returns the reject. Does
    /// nothing once the game has ended the room.
    ///
    /// # Errors
    /// If the game panics.
    pub fn apply(
        &mut self,
        time_ms: u64,
        kind: EventKind<'_>,
        mut emit: impl FnMut(Output),
    ) -> Result<Option<Reject>, Panicked> {
        if self.state.finished {
            return Ok(None);
        }
        let now_ms = time_ms.max(self.state.last_event_ms);
        self.state.last_event_ms = now_ms;
        self.state.events += 1;
        let mut rng = ChaCha8Rng::from_seed(self.state.seed);
        rng.set_stream(self.state.events);
        let event = Event { now_ms, kind };
        let mut effects = Effects::new(now_ms, rng);
        guard(|| self.game.apply(&event, &mut effects))?;
        let (list, reject) = effects.into_parts();
        for effect in list {
            if let Some(output) = self.state.on_effect(effect) {
                emit(output);
            }
        }
        Ok(reject)
    }

    /// Arms a timer of the host, whose name begins with `=`.
    pub fn arm(&mut self, name: &str, due_ms: u64) {
        self.state.arm(name.to_owned(), due_ms);
    }

    /// Disarms a timer that is firing and returns its due time; `None` if it was cleared or armed again.
    pub fn take_timer(&mut self, name: &str, arming: u64) -> Option<u64> {
        let armed = self.state.timers.get(name)?;
        if armed.arming != arming {
            return None;
        }
        self.state.timers.remove(name).map(|armed| armed.due_ms)
    }

    /// The view of a lane, and how it is served.
    ///
    /// # Errors
    /// If the game panics.
    pub fn view(&self, lane: Lane) -> Result<(Data, Spectating), Panicked> {
        guard(|| {
            let served = match lane {
                Lane::Players => Spectating::default(),
                Lane::Spectators => self.game.spectating(),
            };
            (self.game.view(lane), served)
        })
    }

    /// The part of the view that only `player` may see.
    ///
    /// # Errors
    /// If the game panics.
    pub fn private(&self, player: &PlayerId) -> Result<Option<Data>, Panicked> {
        guard(|| self.game.private(player))
    }

    /// Passes a lossy message to the game and returns the messages that it sends.
    ///
    /// # Errors
    /// If the game panics.
    pub fn live(&mut self, from: &PlayerId, data: Data) -> Result<Vec<(LiveTo, Data)>, Panicked> {
        let mut effects = LiveEffects::default();
        guard(|| self.game.live(from, data, &mut effects))?;
        Ok(effects.into_list())
    }

    /// Advances the game's volatile state and returns the messages that it sends.
    ///
    /// # Errors
    /// If the game panics.
    pub fn tick(&mut self) -> Result<Vec<(LiveTo, Data)>, Panicked> {
        let mut effects = LiveEffects::default();
        guard(|| self.game.tick(&mut effects))?;
        Ok(effects.into_list())
    }
}

impl InstanceState {
    fn arm(&mut self, name: String, due_ms: u64) {
        self.armings += 1;
        let arming = self.armings;
        self.timers.insert(name, Armed { arming, due_ms });
    }

    fn on_effect(&mut self, effect: Effect) -> Option<Output> {
        match effect {
            Effect::Update { lane, key, data } => {
                let versions = Lane::ALL.map(|counted| self.next_version(lane, counted));
                return Some(Output::Update {
                    versions,
                    key,
                    data,
                });
            }
            Effect::Direct { player, data } => return Some(Output::Direct { player, data }),
            Effect::SetTimer { name, .. } | Effect::ClearTimer { name }
                if name.starts_with('=') =>
            {
                return Some(Output::ReservedTimer { name });
            }
            Effect::SetTimer { name, due_ms } if !self.finished => self.arm(name, due_ms),
            Effect::SetTimer { .. } => {}
            Effect::ClearTimer { name } => {
                self.timers.remove(&name);
            }
            Effect::Finish => {
                self.finished = true;
                self.timers.clear();
            }
        }
        None
    }

    /// The next version of the lane `counted`; 0 if an update of `lane` does not concern it.
    fn next_version(&mut self, lane: Option<Lane>, counted: Lane) -> u64 {
        if lane.is_some_and(|lane| lane != counted) {
            return 0;
        }
        let version = &mut self.versions[counted.index()];
        *version += 1;
        *version
    }
}

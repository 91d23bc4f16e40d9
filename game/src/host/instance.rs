//! One instance of a game: its state, clock, random numbers, timers and versions.

use std::fmt;

use bytes::Bytes;
use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId, RoomId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::erased::{AnyGame, GameKind, Panicked, guard};
use super::output::{EffectList, Output, ServedView};
use super::patch;
use super::state::InstanceState;
use super::world::{RealtimeKind, StoredWorld, TickOutput, World};
use crate::call::{self, CallId};
use crate::event::Event;
use crate::live::{LiveEffects, LiveTo};
use crate::outlet::OutletStart;
use crate::reject::Reject;
use crate::serving::{Idle, Listing, Spectating};
use crate::setup::Setup;

/// The timer that finishes an idle room. Names that begin with `=` are reserved for the host.
pub const IDLE_TIMER: &str = "=idle";

/// A running game. The same events give the same instance. After a panic of the game it must not be used again.
pub struct GameInstance {
    game: Box<dyn AnyGame>,
    state: InstanceState,
    /// The last view of each lane that is watched, by [`Lane::index`]: what the next automatic update is made from.
    last_views: [Option<Bytes>; 2],
}

impl fmt::Debug for GameInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GameInstance")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl GameInstance {
    /// Creates an instance of the room `room` with `params` at `now_ms`.
    ///
    /// # Errors
    /// If the game panics, or rejects the parameters.
    pub fn create(
        kind: GameKind,
        room: &RoomId,
        params: &Value,
        seed: [u8; 32],
        now_ms: u64,
    ) -> Result<Result<Self, Reject>, Panicked> {
        let mut setup = Setup {
            room,
            rng: &mut ChaCha8Rng::from_seed(seed),
            now_ms,
        };
        let game = kind.create(params, &mut setup)?;
        let state = InstanceState::new(seed, now_ms);
        Ok(game.map(|game| Self::restore(game, state)))
    }

    /// An instance that was stored.
    pub fn restore(game: Box<dyn AnyGame>, state: InstanceState) -> Self {
        Self {
            game,
            state,
            last_views: [None, None],
        }
    }

    /// The durable state beside the game's own.
    pub fn state(&self) -> &InstanceState {
        &self.state
    }

    /// The version of the game's own state.
    pub fn version(&self) -> u32 {
        self.game.version()
    }

    /// The game's own state as JSON.
    ///
    /// # Errors
    /// If the game panics, or its state cannot be serialized as JSON.
    pub fn game_state(&self) -> Result<Result<Box<RawValue>, serde_json::Error>, Panicked> {
        guard(|| self.game.state())
    }

    /// Whether [`apply`](Self::apply) sends private views again when they change.
    pub fn sends_private(&self) -> bool {
        self.game.sends_private()
    }

    /// Applies an event at the log's time `time_ms` and passes its outputs to `emit`, in order. Returns the reject. Does
    /// nothing once the game has ended the room. If the instance [sends private views](Self::sends_private), those of
    /// `players` that change are among the outputs.
    ///
    /// # Errors
    /// If the game panics.
    pub fn apply(
        &mut self,
        time_ms: u64,
        event: Event<'_, &Data>,
        players: &[PlayerId],
        emit: impl FnMut(Output),
    ) -> Result<Option<Reject>, Panicked> {
        let apply =
            |game: &mut dyn AnyGame, now_ms, rng, outlet| game.apply(event, now_ms, rng, outlet);
        self.run(time_ms, players, emit, apply)
    }

    /// Applies a commit of the room's world like an event. Returns why the game cannot read it.
    ///
    /// # Errors
    /// If the game panics.
    pub fn commit(
        &mut self,
        time_ms: u64,
        commit: &str,
        players: &[PlayerId],
        emit: impl FnMut(Output),
    ) -> Result<Option<Reject>, Panicked> {
        let Some(kind) = self.game.realtime() else {
            return Ok(None);
        };
        let commit = |game: &mut dyn AnyGame, now_ms, rng, outlet| {
            kind.commit(game.as_any_mut(), commit, now_ms, rng, outlet)
        };
        self.run(time_ms, players, emit, commit)
    }

    /// Calls a handler of the game, and passes the outputs to `emit`.
    fn run(
        &mut self,
        time_ms: u64,
        players: &[PlayerId],
        mut emit: impl FnMut(Output),
        handle: impl FnOnce(
            &mut dyn AnyGame,
            u64,
            ChaCha8Rng,
            OutletStart,
        ) -> Result<EffectList, Reject>,
    ) -> Result<Option<Reject>, Panicked> {
        if self.state.finished {
            return Ok(None);
        }
        let now_ms = time_ms.max(self.state.last_event_ms);
        self.state.last_event_ms = now_ms;
        self.state.events += 1;
        let mut rng = ChaCha8Rng::from_seed(self.state.seed);
        rng.set_stream(self.state.events);
        let private = self.private_views(players)?;
        let outlet = self.state.outlet_start();
        let EffectList(list) = match guard(|| handle(self.game.as_mut(), now_ms, rng, outlet))? {
            Ok(effects) => effects,
            Err(reject) => return Ok(Some(reject)),
        };
        for effect in list {
            self.state.on_effect(effect, &mut emit);
        }
        if self.game.is_auto() {
            self.push_patches(&mut emit)?;
        }
        let changed = self.private_views(players)?;
        for ((player, before), after) in players.iter().zip(private).zip(changed) {
            if let Some(data) = after.filter(|after| before.as_ref() != Some(after)) {
                let player = player.clone();
                emit(Output::Direct { player, data });
            }
        }
        Ok(None)
    }

    /// The part of the game's kind that runs it in real time; `None` for others.
    pub fn realtime(&self) -> Option<RealtimeKind> {
        self.game.realtime()
    }

    /// Begins the world of a game in real time: from the one that was stored, or (`None`) anew. Also returns why a
    /// stored one cannot be used, so that it began anew. Returns `None` for other games.
    ///
    /// # Errors
    /// If the game panics.
    pub fn begin_world(
        &self,
        stored: Option<StoredWorld<'_>>,
    ) -> Result<Option<(World, Option<String>)>, Panicked> {
        let Some(kind) = self.game.realtime() else {
            return Ok(None);
        };
        guard(|| Some(kind.begin(self.game.as_any(), stored, self.state.seed)))
    }

    /// Moves a world of this game by one step, after `skipped` ticks that are left out.
    ///
    /// # Errors
    /// If the game panics.
    pub fn tick(&self, world: &mut World, skipped: u64) -> Result<TickOutput, Panicked> {
        guard(|| world.tick(self.game.as_any(), skipped))
    }

    /// The private views of `players`; none unless they are sent when they change.
    fn private_views(&self, players: &[PlayerId]) -> Result<Vec<Option<Data>>, Panicked> {
        if !self.sends_private() {
            return Ok(Vec::new());
        }
        players.iter().map(|player| self.private(player)).collect()
    }

    /// Counts the versions up, and makes the automatic updates of the lanes that are watched.
    fn push_patches(&mut self, emit: &mut impl FnMut(Output)) -> Result<(), Panicked> {
        let versions = Lane::ALL.map(|lane| self.state.next_version(None, lane));
        let was = self.last_views.clone();
        let mut now = [None, None];
        for lane in Lane::ALL {
            if was[lane.index()].is_some() {
                now[lane.index()] = self.own_view(lane)?;
            }
        }
        self.last_views.clone_from(&now);
        let patch = |at: usize| patch::diff(was[at].as_ref()?, now[at].as_ref()?);
        let first = patch(0);
        let is_equal = was[0].is_some() && was[0] == was[1] && now[0] == now[1];
        let has_common_patch = is_equal && first.is_some();
        let patches = if has_common_patch {
            [first, None]
        } else {
            [first, patch(1)]
        };
        for (lane, patch) in Lane::ALL.into_iter().zip(patches) {
            let versions = match lane {
                Lane::Players if has_common_patch => versions,
                Lane::Players => [versions[0], 0],
                Lane::Spectators => [0, versions[1]],
            };
            match patch {
                Some(patch) => emit(Output::Update {
                    versions,
                    key: None,
                    data: Data::Json(patch.into()),
                }),
                None if has_common_patch && versions[0] == 0 => {}
                None => emit(Output::Snapshot(lane)),
            }
        }
        Ok(())
    }

    /// The view of a lane as patches are made from; `None` if it is not JSON.
    fn own_view(&self, lane: Lane) -> Result<Option<Bytes>, Panicked> {
        Ok(match guard(|| self.game.view(lane))? {
            Data::Json(text) => Some(match patch::without_nulls(&text) {
                std::borrow::Cow::Borrowed(_) => text,
                std::borrow::Cow::Owned(text) => text.into(),
            }),
            Data::Binary(_) => None,
        })
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

    /// Ends a call. Returns whether it was open: other answers are repeats, or came too late.
    pub fn take_call(&mut self, call: CallId) -> bool {
        self.state.timers.remove(&call::timer(call)).is_some()
    }

    /// Ends the room.
    pub fn finish(&mut self) {
        self.state.finish();
    }

    /// Arms the timer that finishes an idle room if no player is connected, and disarms it otherwise.
    ///
    /// # Errors
    /// If the game panics.
    pub fn set_idle(&mut self, is_idle: bool) -> Result<(), Panicked> {
        let is_armed = self.state.timers.contains_key(IDLE_TIMER);
        if is_armed == is_idle || self.state.finished {
            return Ok(());
        }
        if is_armed {
            self.state.timers.remove(IDLE_TIMER);
        } else if let Idle::FinishAfter(after) = guard(|| self.game.idle())? {
            self.state.arm_after(IDLE_TIMER, after);
        }
        Ok(())
    }

    /// The view of a lane, and how it is served. From now on automatic updates are made for the lane.
    ///
    /// # Errors
    /// If the game panics, or the view cannot be serialized.
    pub fn view(&mut self, lane: Lane) -> Result<ServedView, Panicked> {
        let spectating = match lane {
            Lane::Players => Spectating::default(),
            Lane::Spectators => guard(|| self.game.spectating())?,
        };
        let own = if self.game.is_auto() {
            self.own_view(lane)?
        } else {
            None
        };
        let data = match &own {
            Some(text) => Data::Json(text.clone()),
            None => guard(|| self.game.view(lane))?,
        };
        self.last_views[lane.index()] = own;
        Ok(ServedView {
            data,
            spectating,
            is_patched: self.game.is_auto(),
        })
    }

    /// Makes the automatic updates of both lanes from now on.
    ///
    /// # Errors
    /// If the game panics, or a view cannot be serialized.
    pub fn watch(&mut self) -> Result<(), Panicked> {
        for lane in Lane::ALL {
            if self.game.is_auto() && self.last_views[lane.index()].is_none() {
                self.last_views[lane.index()] = self.own_view(lane)?;
            }
        }
        Ok(())
    }

    /// Ends the automatic updates of a lane that nobody watches.
    pub fn unwatch(&mut self, lane: Lane) {
        self.last_views[lane.index()] = None;
    }

    /// The part of the view that only `player` may see.
    ///
    /// # Errors
    /// If the game panics, or the view cannot be serialized.
    pub fn private(&self, player: &PlayerId) -> Result<Option<Data>, Panicked> {
        guard(|| self.game.private(player))
    }

    /// The entry of the room in lobbies; `None` for a room that is over or not listed.
    ///
    /// # Errors
    /// If the game panics.
    pub fn listing(&self) -> Result<Option<Listing>, Panicked> {
        if self.state.finished {
            return Ok(None);
        }
        guard(|| self.game.listing())
    }

    /// The next input of a bot; `None` if it has nothing to do. The same state gives the same input.
    ///
    /// # Errors
    /// If the game panics.
    pub fn bot(&self, player: &PlayerId) -> Result<Option<Data>, Panicked> {
        // Other numbers than those of events, and of other bots.
        let mut seed = self.state.seed.map(|byte| byte ^ 0xa5);
        for (at, byte) in player.as_str().bytes().enumerate() {
            let to = &mut seed[at % 32];
            *to = to.rotate_left(3) ^ byte;
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(self.state.events);
        let input = guard(|| self.game.bot(player, &mut rng))?;
        Ok(input.map(|input| Data::Json(input.to_string().into())))
    }

    /// Passes a lossy message to the game and returns the messages that it sends.
    ///
    /// # Errors
    /// If the game panics.
    pub fn live(&self, from: &PlayerId, data: Data) -> Result<Vec<(LiveTo, Data)>, Panicked> {
        let mut effects = LiveEffects::default();
        guard(|| self.game.live(from, data, &mut effects))?;
        Ok(effects.into_list())
    }
}

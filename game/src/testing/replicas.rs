//! Three replicas of a room, which are compared after every step.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId, RoomId};
use serde_json::Value;
use serde_json::value::RawValue;

use super::checks::{
    Check, Failure, MAX_STATE_BYTES, check_code, check_data, check_reject, check_result, shown,
};
use super::describe::{describe, value};
use super::lobby;
use super::step::{Step, TestCall};
use super::step_result::{self, NAMES, StepResult};
use crate::call::{self, CallId};
use crate::event::Event;
use crate::host::erased::{GameKind, Panicked};
use crate::host::instance::{GameInstance, IDLE_TIMER};
use crate::host::output::Output;
use crate::host::state::InstanceState;
use crate::reject::Reject;

/// Applies an update to a client's view.
pub type Reducer = fn(&mut Value, &Value);

/// A room that is played three times: twice as it is, and once stored and loaded after each step.
#[derive(Debug)]
pub(super) struct Replicas {
    kind: GameKind,
    all: [GameInstance; 3],
    /// The game's state after the last step.
    state: Value,
    /// The view of each lane after the last step, by [`Lane::index`].
    views: [Value; 2],
    reducer: Option<Reducer>,
    /// The calls so far, also those that are over.
    calls: Vec<TestCall>,
}

/// The replica that is stored and loaded after each step.
const RELOADED: usize = 2;
impl Replicas {
    /// Creates a room of the game `game`.
    pub(super) fn create(
        kind: GameKind,
        game: &str,
        params: &Value,
        seed: u64,
        now_ms: u64,
    ) -> Result<Result<Self, Reject>, Failure> {
        let step = format!("create with {params}");
        let room: RoomId = format!("{game}-test")
            .parse()
            .map_err(|error| Check::Effects.fails(&step, format!("the game's name {error}")))?;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let create = || {
            GameInstance::create(kind, &room, params, bytes, now_ms)
                .map_err(|panicked| Check::Panics.fails(&step, panicked.to_string()))
        };
        let created = [create()?, create()?, create()?];
        let all = match created {
            [Ok(a), Ok(b), Ok(c)] => [a, b, c],
            [Err(reject), ..] => return Ok(Err(reject)),
            _ => {
                return Err(
                    Check::Replicas.fails(&step, "only some replicas accept the parameters")
                );
            }
        };
        Self::begin(kind, all, &step).map(Ok)
    }

    /// Loads a stored state of a version of the game, and checks that it is the same after it was stored and loaded once
    /// more. `timers`: the armed timers, each with its time in Unix milliseconds.
    pub(super) fn load(
        kind: GameKind,
        version: u32,
        state: &RawValue,
        timers: &[(String, u64)],
        now_ms: u64,
    ) -> Result<Self, Failure> {
        let step = format!("load of version {version}");
        let load = || {
            let game = kind
                .load(version, state.get())
                .map_err(|panicked| Check::Panics.fails(&step, panicked.to_string()))?
                .map_err(|error| Check::Stored.fails(&step, format!("the state {error}")))?;
            let mut instance = InstanceState::new([1; 32], now_ms);
            for (name, due_ms) in timers {
                instance.arm(name.clone(), *due_ms);
            }
            Ok(GameInstance::restore(game, instance))
        };
        let all = [load()?, load()?, load()?];
        let mut replicas = Self::begin(kind, all, &step)?;
        replicas.reload()?;
        let state = replicas.compare_states(&step)?;
        let views = replicas.read_views(&step)?;
        let all = [(state, &replicas.state)];
        let views = views.into_iter().zip(&replicas.views);
        for (after, before) in all.into_iter().chain(views) {
            if after != *before {
                let (after, before) = (shown(&after), shown(before));
                let message = format!("{before} is {after} after it was stored and loaded");
                return Err(Check::Stored.fails(&step, message));
            }
        }
        Ok(replicas)
    }

    fn begin(kind: GameKind, all: [GameInstance; 3], step: &str) -> Result<Self, Failure> {
        let mut replicas = Self {
            kind,
            all,
            state: Value::Null,
            views: [Value::Null, Value::Null],
            reducer: None,
            calls: Vec::new(),
        };
        replicas.state = replicas.compare_states(step)?;
        replicas.reload_one(RELOADED, step)?;
        replicas.views = replicas.read_views(step)?;
        Ok(replicas)
    }

    /// The game's state as it is stored.
    pub(super) fn stored_state(&self) -> Result<Box<RawValue>, Failure> {
        state_text(&self.all[0], "`save`")
    }

    pub(super) fn set_reducer(&mut self, reduce: Reducer) {
        self.reducer = Some(reduce);
    }

    /// Applies an event to all replicas, and checks the results. `connected`: the connected players.
    pub(super) fn apply(
        &mut self,
        now_ms: u64,
        event: Event<'_, &Data>,
        connected: &[PlayerId],
    ) -> Result<Step, Failure> {
        let step = describe(&event);
        self.step(&step, |replica, outputs| {
            replica.apply(now_ms, event, connected, |output| outputs.push(output))
        })
    }

    /// Applies a commit of the room's world to all replicas, and checks the results.
    pub(super) fn commit(
        &mut self,
        now_ms: u64,
        commit: &str,
        connected: &[PlayerId],
    ) -> Result<Step, Failure> {
        self.step(&format!("commit {commit}"), |replica, outputs| {
            replica.commit(now_ms, commit, connected, |output| outputs.push(output))
        })
    }

    /// The replicas, each with its name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&GameInstance, &'static str)> {
        self.all.iter().zip(NAMES)
    }

    /// The replica that moves the room's world.
    pub(super) fn first(&self) -> &GameInstance {
        &self.all[0]
    }

    fn step(
        &mut self,
        step: &str,
        apply: impl Fn(&mut GameInstance, &mut Vec<Output>) -> Result<Option<Reject>, Panicked>,
    ) -> Result<Step, Failure> {
        let mut results = Vec::new();
        for replica in &mut self.all {
            replica
                .watch()
                .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?;
            let mut outputs = Vec::new();
            let reject = apply(replica, &mut outputs)
                .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?;
            results.push(StepResult { reject, outputs });
        }
        let StepResult { reject, outputs } = step_result::agreed(results, step)?;
        let state = self.compare_states(step)?;
        if let Some(reject) = reject {
            check_reject(&reject, step)?;
            if state != self.state {
                let (after, before) = (shown(&state), shown(&self.state));
                let message = format!("the state is {after} after the reject, and was {before}");
                return Err(Check::Rejects.fails(step, message));
            }
            return Ok(Step::refused(reject));
        }
        self.state = state;
        self.reload_one(RELOADED, step)?;
        self.read_outputs(outputs, step)
    }

    /// Stores and loads all replicas.
    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        (0..self.all.len()).try_for_each(|at| self.reload_one(at, "a crash"))
    }

    /// Arms or disarms the timer of an idle room.
    pub(super) fn set_idle(&mut self, is_idle: bool) -> Result<(), Failure> {
        for replica in &mut self.all {
            replica
                .set_idle(is_idle)
                .map_err(|panicked| Check::Panics.fails("`idle`", panicked.to_string()))?;
        }
        Ok(())
    }

    /// Disarms a timer that is due. Returns whether it is that of an idle room.
    pub(super) fn take_timer(&mut self, name: &str) -> bool {
        for replica in &mut self.all {
            if let Some(armed) = replica.state().timers.get(name).copied() {
                replica.take_timer(name, armed.arming);
            }
        }
        name == IDLE_TIMER
    }

    /// The calls that have no answer yet.
    pub(super) fn open_calls(&self) -> impl Iterator<Item = &TestCall> {
        let timers = &self.all[0].state().timers;
        let calls = self.calls.iter();
        calls.filter(|made| timers.contains_key(&call::timer(made.id)))
    }

    /// Ends a call. Returns whether it was open.
    pub(super) fn take_call(&mut self, call: CallId) -> bool {
        let mut is_open = false;
        for replica in &mut self.all {
            is_open = replica.take_call(call);
        }
        is_open
    }

    /// Ends the room.
    pub(super) fn finish(&mut self) {
        self.all.iter_mut().for_each(GameInstance::finish);
    }

    /// The next timer and its time, Unix milliseconds.
    pub(super) fn next_timer(&self) -> Option<(String, u64)> {
        let next = self.timers().min_by_key(|(_, due_ms)| *due_ms);
        next.map(|(name, due_ms)| (name.to_owned(), due_ms))
    }

    /// All timers, each with its time, Unix milliseconds.
    pub(super) fn timers(&self) -> impl Iterator<Item = (&str, u64)> {
        let timers = self.all[0].state().timers.iter();
        timers.map(|(name, armed)| (name.as_str(), armed.due_ms))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.all[0].state().finished
    }

    pub(super) fn state(&self) -> &Value {
        &self.state
    }

    pub(super) fn view(&self, lane: Lane) -> &Value {
        &self.views[lane.index()]
    }

    pub(super) fn private(&self, player: &PlayerId) -> Result<Option<Value>, Failure> {
        let step = format!("the private view of {player}");
        let data = self.all[0]
            .private(player)
            .map_err(|panicked| Check::Panics.fails(&step, panicked.to_string()))?;
        if let Some(data) = &data {
            check_data("a private view", data, &step)?;
        }
        Ok(data.as_ref().map(value))
    }

    /// Returns the replicas' common state.
    fn compare_states(&self, step: &str) -> Result<Value, Failure> {
        let mut first = None;
        for (replica, name) in self.all.iter().zip(NAMES) {
            let text = state_text(replica, step)?;
            let bytes = text.get().len();
            if bytes > MAX_STATE_BYTES {
                let message = format!("the state has {bytes} bytes, more than {MAX_STATE_BYTES}");
                return Err(Check::Sizes.fails(step, message));
            }
            let state: Value = serde_json::from_str(text.get()).map_err(|error| {
                Check::Stored.fails(step, format!("the state is not JSON: {error}"))
            })?;
            match &first {
                None => first = Some(state),
                Some(first) if *first == state => {}
                Some(first) => {
                    let message =
                        format!("{name} is {}, the first {}", shown(&state), shown(first));
                    return Err(Check::Replicas.fails(step, message));
                }
            }
        }
        Ok(first.unwrap_or_default())
    }

    /// Stores and loads one replica.
    fn reload_one(&mut self, at: usize, step: &str) -> Result<(), Failure> {
        let replica = &mut self.all[at];
        let text = state_text(replica, step)?;
        let game = self
            .kind
            .load(self.kind.version(), text.get())
            .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?
            .map_err(|error| {
                let message = format!("the game cannot read its own state: {error}");
                Check::Stored.fails(step, message)
            })?;
        *replica = GameInstance::restore(game, replica.state().clone());
        Ok(())
    }

    /// Turns the outputs of a step into messages, and checks that they lead to the views.
    fn read_outputs(&mut self, outputs: Vec<Output>, step: &str) -> Result<Step, Failure> {
        let mut sent = Step::default();
        let mut reduced = self.views.each_ref().map(|view| Some(view.clone()));
        for output in outputs {
            match output {
                Output::Update { versions, data, .. } => {
                    check_data("an update", &data, step)?;
                    let update = value(&data);
                    for lane in Lane::ALL
                        .into_iter()
                        .filter(|lane| versions[lane.index()] > 0)
                    {
                        match (&mut reduced[lane.index()], self.reducer) {
                            (Some(view), Some(reduce)) => reduce(view, &update),
                            (reduced, _) => *reduced = None,
                        }
                        sent.push_update(lane, update.clone());
                    }
                }
                Output::Snapshot(lane) => reduced[lane.index()] = None,
                Output::Direct { player, data } => {
                    check_data("a message", &data, step)?;
                    sent.push_direct(player, value(&data));
                }
                Output::Kick { player, code } => {
                    check_code(&code, step)?;
                    sent.push_kick(player, code);
                }
                Output::Bot { player, think } => sent.push_bot(player, think),
                Output::Invite(invitation) => sent.push_invitation(*invitation),
                Output::Out(item) => {
                    check_result(&item, step)?;
                    self.calls.extend(sent.push_out(item));
                }
                Output::Fault(fault) => {
                    return Err(Check::Effects.fails(step, fault.to_string()));
                }
            }
        }
        self.views = self.read_views(step)?;
        for lane in Lane::ALL {
            let view = &self.views[lane.index()];
            if let Some(reduced) = reduced[lane.index()]
                .take()
                .filter(|reduced| reduced != view)
            {
                let (reduced, view) = (shown(&reduced), shown(view));
                let message = format!("clients of {lane:?} have {reduced}, and the view is {view}");
                return Err(Check::Views.fails(step, message));
            }
        }
        Ok(sent)
    }

    fn read_views(&mut self, step: &str) -> Result<[Value; 2], Failure> {
        let mut views = [Value::Null, Value::Null];
        for lane in Lane::ALL {
            let served = self.all[0]
                .view(lane)
                .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?;
            check_data("a view", &served.data, step)?;
            views[lane.index()] = value(&served.data);
        }
        lobby::read(&self.all[0], step)?;
        Ok(views)
    }
}

fn state_text(replica: &GameInstance, step: &str) -> Result<Box<RawValue>, Failure> {
    replica
        .game_state()
        .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?
        .map_err(|error| Check::Stored.fails(step, format!("the state cannot be stored: {error}")))
}

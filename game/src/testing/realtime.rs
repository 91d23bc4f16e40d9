//! Rooms in real time, which a test plays.

use std::collections::BTreeMap;

use grandstand_types::data::Data;
use grandstand_types::id::Lane;
use serde::Serialize;
use serde_json::Value;

use super::checks::Failure;
use super::replicas::Replicas;
use super::room::{BEGIN_MS, TestRoom, done, name};
use super::step::Step;
use super::world::TestWorld;
use crate::host::erased::GameKind;
use crate::realtime::Realtime;

impl<G: Realtime> TestRoom<G> {
    /// A room in real time with `params`, before its first player joins. Its world moves only by [`ticks`](Self::ticks).
    ///
    /// # Panics
    /// If the game rejects the parameters, or a check fails.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test writes the parameters in the call"
    )]
    pub fn realtime(params: Value) -> Self {
        let kind = GameKind::of_realtime::<G>();
        match done(Replicas::create(kind, G::NAME, &params, 1, BEGIN_MS)) {
            Ok(replicas) => {
                let mut room = Self::begin(replicas, BTreeMap::new());
                let world = kind.realtime().map(|part| TestWorld::new(part, G::VERSION));
                room.world = world;
                room
            }
            Err(reject) => panic!("rejected with {}: {}", reject.code, reject.message),
        }
    }

    /// A player sends a control, as JSON. It holds until the next one.
    ///
    /// # Panics
    /// If the player is not connected, the control cannot be serialized, the game cannot read it, or a check fails.
    #[track_caller]
    pub fn control(&mut self, player: &str, control: impl Serialize) {
        if let Err(error) = self.try_control(player, control) {
            panic!("the control cannot be read: {error}");
        }
    }

    /// A player sends a control, which a server would drop if the game cannot read it.
    ///
    /// # Errors
    /// If the game cannot read the control.
    ///
    /// # Panics
    /// If the player is not connected, the control cannot be serialized, or a check fails.
    #[track_caller]
    pub fn try_control(&mut self, player: &str, control: impl Serialize) -> Result<(), String> {
        let id = name(player);
        let is_here = self
            .players()
            .any(|(other, is_here)| *other == id && is_here);
        assert!(is_here, "{player} is not connected");
        let data = match Data::json(&control) {
            Ok(data) => data,
            Err(error) => panic!("the control cannot be serialized: {error}"),
        };
        let (replicas, world) = self.replicas_and_world();
        done(world.control(replicas.first(), id, data))
    }

    /// The world moves by `count` steps, and time passes. The commits of each step are applied at once.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn ticks(&mut self, count: u32) -> Step {
        let mut all = Step::default();
        for _ in 0..count {
            all.add(done(self.try_tick()));
        }
        all
    }

    fn try_tick(&mut self) -> Result<Step, Failure> {
        if self.is_finished() {
            return Ok(Step::default());
        }
        let connected: Vec<_> = self.connected().cloned().collect();
        let (replicas, world) = self.replicas_and_world();
        let (commits, ms) = world.tick(replicas.first(), &connected)?;
        let mut all = Step::default();
        for commit in commits {
            all.add(self.commit(&String::from_utf8_lossy(commit.bytes()))?);
        }
        all.add(self.try_pass(ms)?);
        Ok(all)
    }

    /// The newest frame of a lane; `None` before the first.
    pub fn frame(&self, lane: Lane) -> Option<&Value> {
        self.world.as_ref()?.frame(lane)
    }

    /// The room goes on from this world, which version `version` of the game stored.
    ///
    /// # Panics
    /// If the world cannot be serialized.
    #[track_caller]
    pub fn resume_world(&mut self, version: u32, stored: impl Serialize) {
        let text = match serde_json::to_string(&stored) {
            Ok(text) => text,
            Err(error) => panic!("the world cannot be serialized: {error}"),
        };
        let (_, world) = self.replicas_and_world();
        world.set_stored(version, text);
    }

    #[track_caller]
    fn replicas_and_world(&mut self) -> (&Replicas, &mut TestWorld) {
        match &mut self.world {
            Some(world) => (&self.replicas, world),
            None => panic!("the room is not one in real time: create it with `TestRoom::realtime`"),
        }
    }

    fn commit(&mut self, commit: &str) -> Result<Step, Failure> {
        let connected: Vec<_> = self.connected().cloned().collect();
        let step = self.replicas.commit(self.now_ms, commit, &connected)?;
        self.settle(&step)?;
        Ok(step)
    }
}

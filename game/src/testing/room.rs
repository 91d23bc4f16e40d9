//! A room that a test plays.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use grandstand_types::listing::Listing;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::checks::Failure;
use super::lobby;
use super::replicas::{Reducer, Replicas};
use super::step::Step;
use super::test_bot::TestBots;
use super::world::TestWorld;
use crate::event::{Event, Leave, Message, Origin};
use crate::game::Game;
use crate::host::erased::GameKind;
use crate::host::patch;
use crate::reject::Reject;
use crate::update::ViewUpdate as _;

/// The time at which a room is created: 1 January 2026, Unix milliseconds.
pub(super) const BEGIN_MS: u64 = 1_767_225_600_000;

/// A room of a game, without a server. Its time passes only by [`pass`](Self::pass).
///
/// ```
/// use grandstand_game::testing::TestRoom;
/// # use grandstand_game::*;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Counter { count: u64 }
/// # impl Game for Counter {
/// #     const NAME: &'static str = "counter";
/// #     type Params = NoParams;
/// #     type Input = u64;
/// #     type Update = Auto;
/// #     fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> { Ok(Self { count: 0 }) }
/// #     fn view(&self, _: Lane) -> View { View::of(self) }
/// #     fn input(&mut self, _: &PlayerId, add: u64, _: &mut Effects<Auto>) -> Verdict {
/// #         ensure!(add > 0, "bad_step", "0 is no step");
/// #         self.count += add;
/// #         Ok(())
/// #     }
/// # }
/// use serde_json::json;
///
/// let mut room = TestRoom::<Counter>::new(json!({}));
/// room.join("alice").accepted();
/// room.input("alice", 0).rejected("bad_step");
/// room.input("alice", 2).updates(Lane::Players, &[json!({"count": 2})]);
/// ```
#[derive(Debug)]
pub struct TestRoom<G> {
    pub(super) replicas: Replicas,
    /// The players who have not left, and whether they are connected.
    pub(super) players: BTreeMap<PlayerId, bool>,
    pub(super) bots: TestBots,
    pub(super) now_ms: u64,
    /// The world of a game in real time.
    pub(super) world: Option<TestWorld>,
    game: PhantomData<fn(G)>,
}

impl<G: Game> TestRoom<G> {
    /// A room with `params`, before its first player joins.
    ///
    /// # Panics
    /// If the game rejects the parameters, or a check fails.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test writes the parameters in the call"
    )]
    pub fn new(params: Value) -> Self {
        match Self::seeded(&params, 1) {
            Ok(room) => room,
            Err(reject) => panic!("rejected with {}: {}", reject.code, reject.message),
        }
    }

    /// A room with `params` whose random numbers come from `seed`.
    ///
    /// # Errors
    /// If the game rejects the parameters.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn seeded(params: &Value, seed: u64) -> Result<Self, Reject> {
        done(Self::try_seeded(params, seed))
    }

    #[track_caller]
    pub(super) fn try_seeded(params: &Value, seed: u64) -> Result<Result<Self, Reject>, Failure> {
        let replicas = Replicas::create(GameKind::of::<G>(), G::NAME, params, seed, BEGIN_MS)?;
        Ok(replicas.map(|replicas| Self::begin(replicas, BTreeMap::new())))
    }

    /// A room of these replicas, with `players` and whether they are connected.
    pub(super) fn begin(mut replicas: Replicas, players: BTreeMap<PlayerId, bool>) -> Self {
        if G::Update::AUTO {
            replicas.set_reducer(patch::merge);
        }
        Self {
            replicas,
            players,
            bots: TestBots::new(),
            now_ms: BEGIN_MS,
            world: None,
            game: PhantomData,
        }
    }

    /// Checks from now on that `reduce` turns each view into the next, for games that make their own updates. Those of
    /// [`Auto`](crate::Auto) are always checked.
    pub fn reducer(&mut self, reduce: Reducer) {
        self.replicas.set_reducer(reduce);
    }

    /// A player joins, or comes back after a lost connection. Nothing happens if the player is connected already.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn join(&mut self, player: &str) -> Step {
        self.join_with(player, &Value::Null)
    }

    /// A player joins with the options of a token.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn join_with(&mut self, player: &str, options: &Value) -> Step {
        done(self.try_join(player, options))
    }

    /// A player leaves for good.
    ///
    /// # Panics
    /// If the player is not in the room, or a check fails.
    #[track_caller]
    pub fn leave(&mut self, player: &str) -> Step {
        done(self.try_end(player, Leave::Left))
    }

    /// A player's connection drops.
    ///
    /// # Panics
    /// If the player is not connected, or a check fails.
    #[track_caller]
    pub fn lose(&mut self, player: &str) -> Step {
        done(self.try_lose(player))
    }

    /// A player sends an input, as JSON.
    ///
    /// # Panics
    /// If the player is not connected, the input cannot be serialized, or a check fails.
    #[track_caller]
    pub fn input(&mut self, player: &str, input: impl Serialize) -> Step {
        match Data::json(&input) {
            Ok(data) => done(self.try_input(player, &data)),
            Err(error) => panic!("the input cannot be serialized: {error}"),
        }
    }

    /// A player sends bytes.
    ///
    /// # Panics
    /// If the player is not connected, or a check fails.
    #[track_caller]
    pub fn input_bytes(&mut self, player: &str, bytes: &[u8]) -> Step {
        let data = Data::Binary(bytes.to_vec().into());
        done(self.try_input(player, &data))
    }

    /// An operator takes a player out of the room.
    ///
    /// # Panics
    /// If the player is not in the room, or a check fails.
    #[track_caller]
    pub fn kick(&mut self, player: &str) -> Step {
        done(self.try_end(player, Leave::Kicked))
    }

    /// A message arrives, as JSON.
    ///
    /// # Panics
    /// If the message cannot be serialized, or a check fails.
    #[track_caller]
    pub fn message(&mut self, from: Origin<'_>, topic: &str, data: impl Serialize) -> Step {
        match Data::json(&data) {
            Ok(data) => {
                let data = &data;
                done(self.apply(Event::Message(Message { from, topic, data })))
            }
            Err(error) => panic!("the message cannot be serialized: {error}"),
        }
    }

    /// Time passes. The timers that become due fire at their times, and bots play.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn pass(&mut self, time: Duration) -> Step {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        done(self.try_pass(ms))
    }

    /// The server of the room crashes: the room goes on from its stored state.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn crash(&mut self) {
        done(self.try_crash());
    }

    /// The view of a lane.
    pub fn view(&self, lane: Lane) -> &Value {
        self.replicas.view(lane)
    }

    /// The part of the view that only this player may see.
    ///
    /// # Panics
    /// If the game panics.
    #[track_caller]
    pub fn private(&self, player: &str) -> Option<Value> {
        done(self.try_private(&name(player)))
    }

    /// The entry of the room in lobbies; `None` for a room that is over or not listed.
    ///
    /// # Panics
    /// If the game panics.
    #[track_caller]
    pub fn listing(&self) -> Option<Listing> {
        done(lobby::read(self.replicas.first(), "`listing`"))
    }

    /// A copy of the game's state.
    ///
    /// # Panics
    /// If the game cannot read its own state.
    #[track_caller]
    pub fn game(&self) -> G
    where
        G: DeserializeOwned,
    {
        match serde_json::from_value(self.replicas.state().clone()) {
            Ok(game) => game,
            Err(error) => panic!("the game cannot read its own state: {error}"),
        }
    }

    /// The players who have not left, and whether they are connected.
    pub fn players(&self) -> impl Iterator<Item = (&PlayerId, bool)> {
        self.players.iter().map(|(id, is_here)| (id, *is_here))
    }

    /// Whether the game has ended the room.
    pub fn is_finished(&self) -> bool {
        self.replicas.is_finished()
    }

    /// The time in the room, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The game's timers, each with its time, Unix milliseconds.
    pub fn timers(&self) -> impl Iterator<Item = (&str, u64)> {
        self.replicas
            .timers()
            .filter(|(name, _)| !name.starts_with('='))
    }

    /// The time until the game's next timer; `None` without timers.
    pub fn next_timer(&self) -> Option<Duration> {
        let due_ms = self.timers().map(|(_, due_ms)| due_ms).min()?;
        Some(Duration::from_millis(due_ms.saturating_sub(self.now_ms)))
    }

    #[track_caller]
    pub(super) fn try_join(&mut self, player: &str, options: &Value) -> Result<Step, Failure> {
        let id = name(player);
        let event = match self.players.get(&id) {
            Some(true) => return Ok(Step::default()),
            Some(false) => Event::Returned { player: &id },
            None => Event::Joined {
                player: &id,
                options,
            },
        };
        let is_joining = !self.players.contains_key(&id);
        if !is_joining {
            self.players.insert(id.clone(), true);
            self.bots.remove(&id);
        }
        let step = self.apply(event)?;
        if is_joining && step.reject().is_none() {
            self.players.insert(id.clone(), true);
            self.bots.remove(&id);
            self.settle(&step)?;
        }
        Ok(step)
    }

    #[track_caller]
    pub(super) fn try_end(&mut self, player: &str, how: Leave) -> Result<Step, Failure> {
        let id = name(player);
        let was_bot = self.bots.remove(&id).is_some();
        let was_here = self.players.remove(&id).is_some();
        assert!(was_here || was_bot, "{player} has not joined");
        self.apply(Event::Left { player: &id, how })
    }

    #[track_caller]
    pub(super) fn try_lose(&mut self, player: &str) -> Result<Step, Failure> {
        let id = name(player);
        let was = self.players.insert(id.clone(), false);
        assert_eq!(was, Some(true), "{player} is not connected");
        self.apply(Event::Lost { player: &id })
    }

    #[track_caller]
    pub(super) fn try_input(&mut self, player: &str, data: &Data) -> Result<Step, Failure> {
        let id = name(player);
        let is_here = self.players.get(&id);
        assert_eq!(is_here, Some(&true), "{player} is not connected");
        if self.is_finished() {
            return Ok(Step::refused(Reject::new("finished", "the room is over")));
        }
        self.apply(Event::Input {
            player: &id,
            input: data,
        })
    }

    /// The game's state as it is stored.
    pub(super) fn stored_state(&self) -> Result<Box<RawValue>, Failure> {
        self.replicas.stored_state()
    }

    #[track_caller]
    pub(super) fn try_crash(&mut self) -> Result<(), Failure> {
        self.world.iter_mut().for_each(TestWorld::crash);
        self.replicas.reload()
    }

    #[track_caller]
    pub(super) fn try_private(&self, player: &PlayerId) -> Result<Option<Value>, Failure> {
        self.replicas.private(player)
    }

    pub(super) fn apply(&mut self, event: Event<'_, &Data>) -> Result<Step, Failure> {
        let connected: Vec<_> = self.connected().cloned().collect();
        let step = self.replicas.apply(self.now_ms, event, &connected)?;
        self.settle(&step)?;
        Ok(step)
    }

    pub(super) fn connected(&self) -> impl Iterator<Item = &PlayerId> {
        let players = self.players.iter();
        players.filter(|(_, is_here)| **is_here).map(|(id, _)| id)
    }
}

#[track_caller]
pub(super) fn done<T>(result: Result<T, Failure>) -> T {
    match result {
        Ok(value) => value,
        Err(failure) => panic!("{failure}"),
    }
}

#[track_caller]
pub(super) fn name(player: &str) -> PlayerId {
    match player.parse() {
        Ok(id) => id,
        Err(error) => panic!("the player's name {player:?} {error}"),
    }
}

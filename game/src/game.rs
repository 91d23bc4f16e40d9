//! The trait that a game implements.
//!
//! A game is a deterministic state machine over the log of its room. It changes only in [`Game::apply`], by the events
//! of the log, so that the same log gives the same room on every worker. Time comes from
//! [`Effects::now_ms`](crate::effects::Effects::now_ms), and chance from [`Effects::rng`](crate::effects::Effects::rng).

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng as Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Answer;
use crate::effects::Effects;
use crate::event::{Event, Leave, Message};
use crate::input::FromInput;
use crate::live::LiveEffects;
use crate::reject::{Reject, Verdict};
use crate::serving::{Idle, Listing, Spectating};
use crate::setup::Setup;
use crate::update::{View, ViewUpdate};
use crate::version::Outdated;

/// A game's rules. The state of a room is a value of this type, stored as JSON.
///
/// An `Err` of a handler drops all effects of the event. It undoes no change of the state, so check the event before
/// changing anything, or implement [`backup`](Self::backup).
pub trait Game: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The name of the game: the part of a room's id before the first `-`.
    const NAME: &'static str;

    /// The version of the state. Raise it with every change after which the states of running rooms could not be read, or
    /// would mean something else, and read the earlier ones in [`migrate`](Self::migrate). At least 1.
    const VERSION: u32 = 1;

    /// Whether players have [private views](Self::private) that the host sends again when they change. Only games with
    /// automatic updates need it; others send [`Effects::direct`].
    const PRIVATE: bool = false;

    /// The `params` of the `join` that creates the room. Others are rejected with `bad_params`.
    type Params: DeserializeOwned;

    /// An input of a player. Others are rejected with `bad_input` before the game sees them.
    type Input: FromInput;

    /// A change of a view: a type that is serialized as JSON, or [`Auto`](crate::update::Auto).
    type Update: ViewUpdate;

    /// Creates a room's first state. The `Joined` of its first player follows.
    ///
    /// # Errors
    /// If the game rejects the parameters. No room is created, and the player receives the reject as an `error`.
    fn create(params: Self::Params, setup: &mut Setup<'_>) -> Result<Self, Reject>;

    /// The full view of a lane, which clients receive as a snapshot. An earlier view with the later updates of the lane
    /// applied must equal this one.
    fn view(&self, lane: Lane) -> View;

    /// Handles a player's input.
    ///
    /// # Errors
    /// If the game rejects the input. The player receives the reject.
    fn input(
        &mut self,
        player: &PlayerId,
        input: Self::Input,
        fx: &mut Effects<Self::Update>,
    ) -> Verdict;

    /// Handles a player who is new to the room or had left it. `options` are those of the player's token for this room,
    /// `null` if it has none.
    ///
    /// # Errors
    /// If the game keeps the player out. The player receives the reject.
    fn joined(
        &mut self,
        _player: &PlayerId,
        _options: &Value,
        _fx: &mut Effects<Self::Update>,
    ) -> Verdict {
        Ok(())
    }

    /// Handles a player who left for good.
    fn left(&mut self, _player: &PlayerId, _how: Leave, _fx: &mut Effects<Self::Update>) {}

    /// Handles a player whose connection dropped.
    fn lost(&mut self, _player: &PlayerId, _fx: &mut Effects<Self::Update>) {}

    /// Handles a player whose connection had dropped and who is back.
    fn returned(&mut self, _player: &PlayerId, _fx: &mut Effects<Self::Update>) {}

    /// Handles a timer of [`Effects::set_timer`] that fired.
    fn timer(&mut self, _name: &str, _fx: &mut Effects<Self::Update>) {}

    /// Handles a message from another room, a service or an operator. By default it is rejected.
    ///
    /// # Errors
    /// If the game does not want the message. The reject is sent to nobody.
    fn message(&mut self, _message: Message<'_>, _fx: &mut Effects<Self::Update>) -> Verdict {
        Err(Reject::new("unexpected", "the game takes no messages"))
    }

    /// Handles the answer to a call of [`Effects::call`], or the end of its time. Each call gets one answer, until the room
    /// is finished.
    fn answer(&mut self, _answer: Answer<'_>, _fx: &mut Effects<Self::Update>) {}

    /// Applies the next event of the log. By default it calls the handler of the event.
    ///
    /// # Errors
    /// If the game rejects the event. The reject of a `Joined` or `Input` is sent to the player.
    fn apply(&mut self, event: Event<'_, Self::Input>, fx: &mut Effects<Self::Update>) -> Verdict {
        match event {
            Event::Joined { player, options } => return self.joined(player, options, fx),
            Event::Input { player, input } => return self.input(player, input, fx),
            Event::Message(message) => return self.message(message, fx),
            Event::Left { player, how } => self.left(player, how, fx),
            Event::Lost { player } => self.lost(player, fx),
            Event::Returned { player } => self.returned(player, fx),
            Event::Timer { name } => self.timer(name, fx),
            Event::Answer(answer) => self.answer(answer, fx),
        }
        Ok(())
    }

    /// The part of the view that only this player may see. It is sent as `direct` on a join and whenever the player may
    /// have missed a `direct`.
    fn private(&self, _player: &PlayerId) -> Option<View> {
        None
    }

    /// Handles a lossy message from a player, which the log does not contain. By default everyone else in the room
    /// receives it.
    fn live(&self, from: &PlayerId, data: Data, fx: &mut LiveEffects) {
        fx.others(from, data);
    }

    /// The next input of a bot that [`Effects::add_bot`] has added, as JSON; `None` if it has nothing to do. The host asks
    /// after each event, and again after the bot's time to think if something has happened meanwhile. It asks nothing while
    /// no player is connected and nobody watches.
    ///
    /// The call takes its time from the other rooms of the worker, so it should return within a millisecond or so. The
    /// numbers of `rng` are others than those of events.
    fn bot(&self, _player: &PlayerId, _rng: &mut Rng) -> Option<Value> {
        None
    }

    /// The fate of the room while no player is connected. It is asked after each event until it names a time, which
    /// counts from that event. By default the room is finished after 7 days.
    fn idle(&self) -> Idle {
        Idle::default()
    }

    /// The rate and delay for spectators of this room. By default they receive every update at once. The value may
    /// depend on the state; a change takes effect with the next snapshot that edges receive.
    fn spectating(&self) -> Spectating {
        Spectating::default()
    }

    /// The entry of this room in lobbies; `None`, the default, keeps it out of them. The host asks at most once a second, after
    /// events. A listing of more than 1 KiB as JSON is not shown.
    ///
    /// ```
    /// # use grandstand_game::*;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Race { drivers: Vec<PlayerId>, map: String }
    /// # impl Game for Race {
    /// #     const NAME: &'static str = "race";
    /// #     type Params = NoParams;
    /// #     type Input = u64;
    /// #     type Update = Auto;
    /// #     fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> { unimplemented!() }
    /// #     fn view(&self, _: Lane) -> View { View::of(self) }
    /// #     fn input(&mut self, _: &PlayerId, _: u64, _: &mut Effects<Auto>) -> Verdict { Ok(()) }
    /// fn listing(&self) -> Option<Listing> {
    ///     Some(Listing::of_seats(self.drivers.len(), 8).with("map", &self.map))
    /// }
    /// # }
    /// # let race = Race { drivers: Vec::new(), map: "desert".into() };
    /// assert_eq!(race.listing().unwrap().labels["map"], "desert");
    /// ```
    fn listing(&self) -> Option<Listing> {
        None
    }

    /// A copy of the state, which the host takes before each `Joined`, `Input` and `Message` and restores after a reject. By
    /// default there is none, and a reject must leave the state as it was.
    fn backup(&self) -> Option<Self> {
        None
    }

    /// Reads a state that a build with the earlier version `from` stored, 1 or more and less than
    /// [`VERSION`](Self::VERSION). The same state must always give the same result.
    ///
    /// ```
    /// # use grandstand_game::*;
    /// # use serde_json::{Value, json};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Counter { counts: Vec<u64> }
    /// # impl Game for Counter {
    /// #     const NAME: &'static str = "counter";
    /// const VERSION: u32 = 2;
    /// #     type Params = NoParams;
    /// #     type Input = u64;
    /// #     type Update = Auto;
    /// #     fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> { Ok(Self { counts: Vec::new() }) }
    /// #     fn view(&self, _: Lane) -> View { View::of(self) }
    /// #     fn input(&mut self, _: &PlayerId, _: u64, _: &mut Effects<Auto>) -> Verdict { Ok(()) }
    ///
    /// fn migrate(_from: u32, state: Value) -> Result<Self, Outdated> {
    ///     // Version 1 had one `count` for all players.
    ///     let count = state["count"].as_u64().ok_or_else(|| Outdated::new("`count` is missing"))?;
    ///     Ok(Self { counts: vec![count] })
    /// }
    /// # }
    /// assert_eq!(Counter::migrate(1, json!({"count": 3})).unwrap().counts, [3]);
    /// ```
    ///
    /// # Errors
    /// If it cannot be read. The room then goes to quarantine with this reason, and other rooms go on. By default no
    /// earlier version can be read.
    fn migrate(from: u32, _state: Value) -> Result<Self, Outdated> {
        Err(Outdated::new(format!(
            "the game {} does not read states of version {from}: implement `Game::migrate` for them",
            Self::NAME
        )))
    }
}

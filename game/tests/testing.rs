//! Each check of the test kit fails for a game that breaks its rule.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use grandstand_game::testing::{RandomPlay, TestRoom, play_random};
use grandstand_game::{
    Data, Effects, Game, Idle, Lane, Listing, NoParams, PlayerId, Reject, Setup, Verdict, View,
    ensure,
};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

thread_local! {
    /// State that is neither in the log nor in the seed.
    static OUTSIDE: Cell<u64> = const { Cell::new(0) };
}

/// A game that does what its input names. Its updates set the members of its view.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Odd {
    count: u64,
    padding: String,
    keys: BTreeMap<Option<u8>, u8>,
    /// A number below 10 cannot be read again.
    #[serde(deserialize_with = "not_seven")]
    number: u64,
    #[serde(skip)]
    forgotten: u64,
}

fn not_seven<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        7 => Err(serde::de::Error::custom("no sevens")),
        number => Ok(number),
    }
}

impl Game for Odd {
    const NAME: &'static str = "odd";
    type Params = NoParams;
    type Input = String;
    type Update = Value;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn view(&self, _: Lane) -> View {
        assert!(self.count != 99, "as told");
        if self.padding == "half a text" {
            return View::raw(Data::Json(Bytes::from_static(b"{\"count\":")));
        }
        View::of(&json!({"count": self.count}))
    }

    fn input(&mut self, player: &PlayerId, input: String, fx: &mut Effects<Value>) -> Verdict {
        match input.as_str() {
            "panic" => panic!("as told"),
            "panic in a view" => self.count = 98,
            "outside" => self.count += OUTSIDE.replace(OUTSIDE.get() + 1),
            "outside in an update" => {
                fx.update(json!({"other": OUTSIDE.replace(OUTSIDE.get() + 1)}));
            }
            "keys" => drop(self.keys.insert(None, 0)),
            "seven" => self.number = 7,
            "forget" => self.forgotten += 1,
            "remember" => self.number = self.forgotten,
            "half" => {
                self.number += 1;
                return Err(Reject::new("half", "too late"));
            }
            "silence" => {
                self.count += 1;
                return Ok(());
            }
            "reserved" => fx.set_timer("=mine", Duration::from_secs(1)),
            "direct" => fx.direct(player, View::of(&BTreeMap::from([(None::<u8>, 1)]))),
            "code" => return Err(Reject::new("Not a code", "")),
            "half a text" | "list" | "panic in a listing" => input.clone_into(&mut self.padding),
            "half a text to one" => {
                fx.direct(player, View::raw(Data::Json(Bytes::from_static(b"nul"))));
            }
            "grow" => self.padding = "x".repeat(800_000),
            "spin" => fx.set_timer("spin", Duration::ZERO),
            "long" => fx.update(json!({"other": "x".repeat(800_000)})),
            _ => {}
        }
        self.count += 1;
        fx.update(json!({"count": self.count}));
        Ok(())
    }

    fn timer(&mut self, name: &str, fx: &mut Effects<Value>) {
        fx.set_timer(name, Duration::ZERO);
    }

    fn idle(&self) -> Idle {
        Idle::FinishAfter(Duration::from_secs(60))
    }

    fn listing(&self) -> Option<Listing> {
        assert!(self.padding != "panic in a listing", "as told");
        let label = if self.padding == "list" { 1_000 } else { 10 };
        Some(Listing {
            open: self.count == 0,
            seats: (1, 2),
            labels: [("padding".to_owned(), "x".repeat(label))].into(),
        })
    }
}

/// Sets `count`.
fn reduce(view: &mut Value, update: &Value) {
    if let Some(count) = update.get("count") {
        view["count"] = count.clone();
    }
}

/// Plays `inputs`, and returns the message of the panic.
fn failure(inputs: &[&str]) -> String {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut room = TestRoom::<Odd>::new(json!({}));
        room.reducer(reduce);
        room.join("alice").accepted();
        for input in inputs {
            room.input("alice", input);
        }
    }));
    *played.unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn each_check_fails_for_a_game_that_breaks_its_rule() {
    for (inputs, start) in [
        (&["panic"][..], r#"Panics fails at input of alice: "panic""#),
        (&["panic in a view"], "Panics fails"),
        (&["outside"], "Replicas fails"),
        (&["outside in an update"], "Replicas fails"),
        (&["forget", "remember"], "Replicas fails"),
        (&["keys"], "Stored fails"),
        (&["seven"], "Stored fails"),
        (&["half"], "Rejects fails"),
        (&["silence"], "Views fails"),
        (&["reserved"], "Effects fails"),
        (&["direct"], "Effects fails"),
        (&["half a text"], "Effects fails"),
        (&["half a text to one"], "Effects fails"),
        (&["code"], "Effects fails"),
        (&["grow"], "Sizes fails"),
        (&["long"], "Sizes fails"),
        (&["list"], "Sizes fails"),
        (&["panic in a listing"], "Panics fails"),
    ] {
        let message = failure(inputs);
        assert!(message.starts_with(start), "{inputs:?}: {message}");
    }
}

#[test]
fn a_good_step_passes_and_shows_its_effects() {
    let mut room = TestRoom::<Odd>::new(json!({}));
    room.reducer(reduce);
    room.join("alice").accepted();
    room.input("alice", "good")
        .accepted()
        .updates(Lane::Spectators, &[json!({"count": 1})]);
    room.input("alice", 7).rejected("bad_input");
    room.crash();
    assert_eq!(*room.view(Lane::Players), json!({"count": 1}));
    assert_eq!(room.game().count, 1);
    let listing = room.listing().unwrap();
    assert_eq!((listing.open, listing.seats), (false, (1, 2)));
}

#[test]
fn timers_that_arm_one_another_without_a_delay_fail() {
    let failure = message(|| {
        let mut room = TestRoom::<Odd>::new(json!({}));
        room.reducer(reduce);
        room.join("alice").accepted();
        room.input("alice", "spin");
        room.pass(Duration::from_secs(1));
    });
    assert!(
        failure.starts_with("Effects fails at timer spin"),
        "{failure}"
    );
}

#[test]
fn a_room_without_connected_players_ends_after_its_idle_time() {
    let mut room = TestRoom::<Odd>::new(json!({}));
    room.join("alice").accepted();
    room.pass(Duration::from_secs(100));
    room.lose("alice");
    room.pass(Duration::from_secs(59));
    room.join("alice");
    room.leave("alice");
    room.pass(Duration::from_secs(59));
    assert!(!room.is_finished());
    room.pass(Duration::from_secs(1));
    assert!(room.is_finished());
    room.join("bob");
    room.input("bob", "good").rejected("finished");
}

/// A game that breaks once its three numbers have been said in order.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Lock {
    open: u64,
}

impl Game for Lock {
    const NAME: &'static str = "lock";
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.open)
    }

    fn input(&mut self, _: &PlayerId, number: u64, fx: &mut Effects<u64>) -> Verdict {
        ensure!(number <= 3, "bad_number", "{number} is more than 3");
        if number == self.open {
            self.open += 1;
            assert!(self.open < 3, "the lock is open");
        }
        fx.update(self.open);
        Ok(())
    }
}

#[test]
fn random_play_prints_the_shortest_script_that_fails() {
    let played = catch_unwind(|| {
        let play = RandomPlay::<Lock>::new().players(3).seed(7);
        play.run(|_, _, rng| json!(rng.random_range(0..=4)));
    });
    let message = *played.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.starts_with("Panics fails at input of player"),
        "{message}"
    );
    assert!(message.contains("GRANDSTAND_TEST_SEED=7"), "{message}");
    let script: Vec<_> = message.lines().skip(2).map(str::trim).collect();
    let inputs: Vec<_> = script
        .iter()
        .filter(|line| line.contains("input"))
        .collect();
    assert_eq!(inputs.len(), 3, "{message}");
    assert!(script.len() <= 6, "a join for each player: {message}");
}

#[test]
fn random_play_of_a_good_game_passes() {
    play_random::<Lock>(100, |_, _, _| json!(3));
}

/// A bot that is added by the first player, and does what the state says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Robotic {
    steps: u64,
    #[serde(skip)]
    forgotten: u64,
}

impl Game for Robotic {
    const NAME: &'static str = "robotic";
    type Params = NoParams;
    type Input = u64;
    type Update = grandstand_game::Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.steps)
    }

    fn joined(
        &mut self,
        player: &PlayerId,
        _: &Value,
        fx: &mut Effects<grandstand_game::Auto>,
    ) -> Verdict {
        let bot = match player.as_str() {
            "alice" => "robot",
            "eve" => "eve",
            _ => return Ok(()),
        };
        fx.add_bot(&bot.parse().unwrap(), Duration::from_secs(2));
        Ok(())
    }

    fn input(
        &mut self,
        _: &PlayerId,
        step: u64,
        _: &mut Effects<grandstand_game::Auto>,
    ) -> Verdict {
        ensure!(step > 0, "no_step", "0 is no step");
        self.steps += step;
        self.forgotten = u64::from(self.steps == 50);
        Ok(())
    }

    fn bot(&self, _: &PlayerId, rng: &mut grandstand_game::Rng) -> Option<Value> {
        match self.steps {
            0 | 11 => None,
            20 => Some(json!(0)),
            50 => Some(json!(self.forgotten)),
            _ => Some(json!(rng.random_range(1..=1))),
        }
    }
}

#[test]
fn bots_play_while_time_passes_and_a_player_is_connected() {
    let mut room = TestRoom::<Robotic>::new(json!({}));
    room.join("alice");
    assert_eq!(room.bots().count(), 1);
    room.pass(Duration::from_secs(60));
    assert_eq!(room.game().steps, 0);
    room.input("alice", 7);
    room.pass(Duration::from_secs(3));
    assert_eq!(room.game().steps, 8);
    room.crash();
    room.lose("alice");
    room.pass(Duration::from_secs(60));
    assert_eq!(room.game().steps, 8);
    room.join("alice");
    room.pass(Duration::from_secs(60));
    assert_eq!(room.game().steps, 11);
    room.join("robot");
    assert_eq!(room.bots().count(), 0);
}

fn message(play: impl FnOnce()) -> String {
    let played = catch_unwind(AssertUnwindSafe(play));
    *played.unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn bots_that_break_a_rule_fail() {
    let play = |steps: u64| {
        let mut room = TestRoom::<Robotic>::new(json!({}));
        room.join("alice");
        room.input("alice", steps);
        room.pass(Duration::from_secs(3));
    };
    assert!(message(|| play(20)).contains("Bots fails"));
    assert!(message(|| play(50)).contains("Replicas fails at `bot`"));
    let seats = || drop(TestRoom::<Robotic>::new(json!({})).join("eve"));
    assert!(message(seats).contains("Effects fails at `add_bot`"));
}

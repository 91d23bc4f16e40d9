//! The test kit checks what a server relies on in rooms in real time.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use grandstand_game::testing::TestRoom;
use grandstand_game::{
    Auto, Effects, Game, Lane, NoParams, PlayerId, Realtime, Reject, Rng, Setup, Tick, TickEffects,
    Verdict, View,
};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A game that does what its controls name.
#[derive(Debug, Serialize, Deserialize)]
struct Odd {
    points: u64,
    dice: u64,
    rung: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct World {
    steps: u64,
    number: f64,
    padding: String,
    #[serde(skip)]
    forgotten: u64,
}

impl Game for Odd {
    const NAME: &'static str = "odd";
    const VERSION: u32 = 2;
    type Params = NoParams;
    type Input = NoParams;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self {
            points: 0,
            dice: 0,
            rung: 0,
        })
    }

    fn joined(&mut self, _: &PlayerId, _: &Value, fx: &mut Effects<Auto>) -> Verdict {
        fx.set_timer("bell", Duration::from_millis(500));
        Ok(())
    }

    fn timer(&mut self, _: &str, _: &mut Effects<Auto>) {
        self.rung += 1;
    }

    fn input(&mut self, _: &PlayerId, _: NoParams, _: &mut Effects<Auto>) -> Verdict {
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(self)
    }
}

impl Realtime for Odd {
    const RATE_HZ: u32 = 60;
    const MOST_LOST: Option<Duration> = Some(Duration::from_secs(1));
    type World = World;
    type Control = String;
    type Commit = i64;

    fn world(&self, _: &mut Rng) -> World {
        World {
            steps: 0,
            number: 0.5,
            padding: String::new(),
            forgotten: 0,
        }
    }

    fn tick(&self, world: &mut World, mut tick: Tick<'_, String>, fx: &mut TickEffects<i64>) {
        world.steps += 1;
        world.forgotten += 1;
        match tick.controls().next().map(|(_, wish)| wish.as_str()) {
            Some("point") => fx.commit(1),
            Some("bad point") => fx.commit(-1),
            Some("panic") => panic!("as told"),
            Some("nan") => world.number = f64::NAN,
            Some("grow") => world.padding = "x".repeat(300_000),
            Some("frame") => fx.frame(Lane::Players, View::of(&"x".repeat(1_000_000))),
            Some("forgotten") => world.number = world.forgotten as f64,
            Some("dice") => world.number = tick.rng().random_range(0.0..1.0),
            _ => {}
        }
        fx.frame(
            Lane::Spectators,
            View::of(&(tick.number, world.steps, world.number)),
        );
    }

    fn commit(&mut self, points: i64, fx: &mut Effects<Auto>) {
        // A commit that is not checked: the kit finds the panic.
        self.points += u64::try_from(points).unwrap();
        self.dice = fx.rng().random();
    }

    fn migrate_world(from: u32, world: Value) -> Option<World> {
        let steps = world["old_steps"].as_u64()?;
        (from == 1).then(|| World {
            steps,
            number: 0.0,
            padding: String::new(),
            forgotten: 0,
        })
    }
}

fn room() -> TestRoom<Odd> {
    let mut room = TestRoom::<Odd>::realtime(json!({}));
    room.join("alice").accepted();
    room
}

/// Does what a control names, and returns the failure of the kit.
fn failure(wish: &str) -> String {
    let mut room = room();
    room.control("alice", wish);
    let played = catch_unwind(AssertUnwindSafe(|| room.ticks(40)));
    let panic = played.unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn worlds_that_a_server_could_not_keep_are_failures() {
    for (wish, check) in [
        ("panic", "Panics fails at tick 1"),
        ("bad point", "Panics fails at commit -1"),
        ("nan", "Stored fails at the begin of the world"),
        ("grow", "Sizes fails at tick 30"),
        ("frame", "Sizes fails at tick 1"),
    ] {
        let failure = failure(wish);
        assert!(failure.contains(check), "{wish}: {failure}");
    }
}

#[test]
fn commits_count_at_once_and_time_passes_with_ticks() {
    let mut room = room();
    room.control("alice", "point");
    let step = room.ticks(7).accepted();
    assert_eq!(step.lane(Lane::Players).len(), 7);
    assert_eq!(room.view(Lane::Players)["points"], 7);
    room.control("alice", "nothing");
    let begun = room.now_ms();
    room.ticks(23);
    assert_eq!(room.view(Lane::Players)["rung"], 0);
    room.ticks(30);
    assert_eq!(room.view(Lane::Players)["rung"], 1, "timers fire");
    assert_eq!(room.now_ms() - begun, 883);
    assert_eq!(room.frame(Lane::Players), None);
    assert_eq!(room.frame(Lane::Spectators), Some(&json!([60, 60, 0.5])));
}

#[test]
fn a_crash_takes_the_world_back_to_what_a_server_has_stored() {
    let mut room = room();
    room.ticks(44);
    room.crash();
    room.ticks(1);
    assert_eq!(room.frame(Lane::Spectators), Some(&json!([31, 31, 0.5])));
    room.control("alice", "point");
    room.ticks(1);
    room.control("alice", "nothing");
    room.ticks(10);
    room.crash();
    room.ticks(1);
    // The commit has brought its world into the log.
    assert_eq!(room.frame(Lane::Spectators), Some(&json!([33, 33, 0.5])));
    assert_eq!(room.view(Lane::Players)["points"], 1);
}

#[test]
fn controls_go_with_their_players() {
    let mut room = room();
    room.control("alice", "point");
    room.ticks(1);
    room.lose("alice");
    room.ticks(5);
    assert_eq!(room.view(Lane::Players)["points"], 1);
    room.join("alice");
    room.ticks(5);
    assert_eq!(
        room.view(Lane::Players)["points"],
        1,
        "a new connection sends its own"
    );
    assert!(room.try_control("alice", 7).is_err());
    let lost = catch_unwind(AssertUnwindSafe(|| room.control("bob", "point")));
    assert!(lost.is_err());
}

#[test]
fn chance_is_the_same_in_every_run_and_differs_from_tick_to_tick() {
    let roll = || {
        let mut room = room();
        room.control("alice", "dice");
        let mut all = Vec::new();
        for _ in 0..5 {
            room.ticks(1);
            all.push(room.frame(Lane::Spectators).unwrap()[2].as_f64().unwrap());
        }
        all
    };
    let rolled = roll();
    assert_eq!(rolled, roll());
    assert!(rolled.windows(2).all(|two| two[0] != two[1]), "{rolled:?}");
}

#[test]
fn a_world_of_an_earlier_version_is_migrated_or_begins_again() {
    for (version, world, steps) in [
        (1, json!({"old_steps": 500}), 501),
        (1, json!({"other": 500}), 1),
        (3, json!({"old_steps": 500}), 1),
    ] {
        let mut room = room();
        room.resume_world(version, &world);
        room.ticks(1);
        let frame = room.frame(Lane::Spectators).unwrap();
        assert_eq!(frame[1], steps, "{version} {world}");
    }
}

#[test]
fn a_room_that_is_over_stands_still() {
    let mut room = room();
    room.ticks(3);
    room.leave("alice");
    room.pass(Duration::from_secs(8 * 24 * 3600));
    assert!(room.is_finished());
    room.ticks(3);
    assert_eq!(room.frame(Lane::Spectators).unwrap()[0], 3);
}

//! Stored states of earlier versions, and files with them.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use grandstand_game::testing::{TestRoom, loads_all};
use grandstand_game::{
    Auto, Effects, Game, Lane, NoParams, Outdated, PlayerId, Reject, Setup, Verdict, View,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

thread_local! {
    /// The number of migrations so far.
    static MIGRATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Version 3 of a counter. Version 1 was `{"count": …}`, version 2 was never deployed.
#[derive(Debug, Serialize, Deserialize)]
struct Counter {
    counts: Vec<u64>,
    #[serde(skip)]
    forgotten: u64,
}

impl Game for Counter {
    const NAME: &'static str = "counter";
    const VERSION: u32 = 3;
    type Params = NoParams;
    type Input = u64;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self {
            counts: Vec::new(),
            forgotten: 0,
        })
    }

    fn joined(&mut self, _: &PlayerId, _: &Value, fx: &mut Effects<Auto>) -> Verdict {
        fx.set_timer("end", Duration::from_secs(60));
        Ok(())
    }

    fn input(&mut self, _: &PlayerId, add: u64, _: &mut Effects<Auto>) -> Verdict {
        self.counts.push(add);
        Ok(())
    }

    fn timer(&mut self, _: &str, fx: &mut Effects<Auto>) {
        fx.finish();
    }

    fn view(&self, _: Lane) -> View {
        assert!(self.counts != [13], "as told");
        View::of(&json!({"counts": self.counts, "forgotten": self.forgotten}))
    }

    fn migrate(from: u32, state: Value) -> Result<Self, Outdated> {
        if from != 1 {
            return Err(Outdated::new("no build had this version"));
        }
        let mut count = u64::deserialize(&state["count"])?;
        MIGRATIONS.set(MIGRATIONS.get() + 1);
        if count == 77 {
            count += MIGRATIONS.get();
        }
        Ok(Self {
            counts: vec![count],
            forgotten: u64::from(count == 88),
        })
    }
}

/// A folder of a test, with files of these names and texts.
fn folder(test: &str, files: &[(&str, Value)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text.to_string()).unwrap();
    }
    folder
}

/// The text of the panic of `run`.
fn panic_of(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    payload.downcast_ref::<String>().unwrap().clone()
}

fn of_first(count: u64) -> Value {
    json!({"version": 1, "state": {"count": count}})
}

#[test]
fn states_of_this_version_and_of_earlier_ones_are_loaded() {
    let now = json!({"version": 3, "state": {"counts": [1, 2]}});
    let files = [
        ("first.json", of_first(4)),
        ("third.json", now),
        ("notes.txt", json!(1)),
    ];
    loads_all::<Counter>(folder("loaded", &files));
}

#[test]
fn all_files_that_fail_are_listed_with_the_reason() {
    let files = [
        ("count.json", json!({"version": 1, "state": {"count": "x"}})),
        ("forgets.json", of_first(88)),
        ("later.json", json!({"version": 4, "state": {}})),
        ("never.json", json!({"version": 2, "state": {}})),
        ("panics.json", of_first(13)),
        ("random.json", of_first(77)),
        ("text.json", json!("no fixture")),
        ("well.json", of_first(1)),
    ];
    let folder = folder("listed", &files);
    let text = panic_of(|| loads_all::<Counter>(&folder));
    assert!(text.starts_with("7 of 8 stored states fail:"), "{text}");
    for (file, reason) in [
        ("count", "cannot be migrated to version 3: invalid type"),
        ("forgets", "after it was stored and loaded"),
        (
            "later",
            "is of version 4 of the game, and this build has version 3",
        ),
        ("never", "no build had this version"),
        ("panics", "the game panicked"),
        ("random", "Replicas fails at load of version 1"),
        ("text", "is no stored state"),
    ] {
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains(&format!("{file}.json: ")));
        assert!(
            line.is_some_and(|line| line.contains(reason)),
            "{file}: {text}"
        );
    }
}

#[test]
fn a_folder_without_files_proves_nothing() {
    let text = panic_of(|| loads_all::<Counter>(folder("empty", &[])));
    assert!(text.contains("has no .json files"), "{text}");
    let text = panic_of(|| loads_all::<Counter>("nowhere"));
    assert!(text.starts_with("nowhere: "), "{text}");
}

#[test]
fn a_room_is_saved_with_its_players_and_timers() {
    let path = folder("saved", &[]).join("deep/room.json");
    let mut room = TestRoom::<Counter>::new(json!({}));
    room.join("alice").accepted();
    room.join("bob").accepted();
    room.input("alice", 5).accepted();
    room.lose("bob");
    room.pass(Duration::from_secs(50));
    room.save(&path);
    loads_all::<Counter>(path.parent().unwrap());

    let mut room = TestRoom::<Counter>::load(&path);
    let players: Vec<_> = room
        .players()
        .map(|(id, is_here)| (id.as_str(), is_here))
        .collect();
    assert_eq!(players, [("alice", true), ("bob", false)]);
    assert_eq!(room.next_timer(), Some(Duration::from_secs(10)));
    room.input("alice", 6)
        .updates(Lane::Players, &[json!({"counts": [5, 6]})]);
    room.crash();
    room.pass(Duration::from_secs(10));
    assert!(room.is_finished());
}

#[test]
fn a_room_begins_with_an_earlier_state() {
    let mut room = TestRoom::<Counter>::from_state(1, json!({"count": 4}));
    assert_eq!(room.view(Lane::Spectators)["counts"], json!([4]));
    room.join("alice").accepted();
    room.input("alice", 6).accepted();
    assert_eq!(room.game().counts, [4, 6]);
    let text = panic_of(|| drop(TestRoom::<Counter>::from_state(2, json!({}))));
    assert!(text.contains("no build had this version"), "{text}");
}

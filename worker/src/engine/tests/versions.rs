//! Versions of games: migration, and rooms that are too new for a worker (D34).

use std::collections::BTreeMap;

use grandstand_common::bus::Bucket;
use grandstand_common::subject;
use grandstand_game::{
    Effects, Game, Games, Lane, NoParams, Outdated, PlayerId, Reject, Setup, Verdict, View,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stored::record;
use super::*;
use crate::command::{Command, EngineConfig};

const ROOM: &str = "sum-1";

/// Version 1: the sum of all inputs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sum1 {
    sum: u64,
}

impl Game for Sum1 {
    const NAME: &'static str = "sum";
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, _: &PlayerId, add: u64, fx: &mut Effects<u64>) -> Verdict {
        self.sum += add;
        fx.update(self.sum);
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.sum)
    }
}

/// Version 2: the sums of all players. A sum of 13 cannot be migrated, and one of 14 panics.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sum2 {
    sums: BTreeMap<String, u64>,
}

impl Game for Sum2 {
    const NAME: &'static str = "sum";
    const VERSION: u32 = 2;
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, player: &PlayerId, add: u64, fx: &mut Effects<u64>) -> Verdict {
        *self.sums.entry(player.to_string()).or_default() += add;
        fx.update(add);
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.sums)
    }

    fn migrate(from: u32, state: Value) -> Result<Self, Outdated> {
        let sum = state["sum"].as_u64().unwrap_or_default();
        match sum {
            13 => Err(Outdated::new(format!("13 of version {from}"))),
            14 => panic!("as told"),
            _ => Ok(Self {
                sums: BTreeMap::from([("all".to_owned(), sum)]),
            }),
        }
    }
}

fn first() -> Games {
    Games::new().with::<Sum1>().with::<Echo>()
}

fn second() -> Games {
    Games::new().with::<Sum2>().with::<Echo>()
}

/// A started rig whose worker has these games.
fn started(games: Games) -> Rig {
    let mut rig = Rig::new();
    rig.games = games;
    rig.restart();
    rig
}

/// Another build with these games takes over from a worker that has died.
fn replace(rig: &mut Rig, games: Games, build: &'static str) {
    rig.games = games;
    rig.restart_with(move |config: &mut EngineConfig| config.build = build.into());
}

fn shown(rig: &mut Rig, room: &str) -> String {
    rig.send_interest(interest("e5", &[room], true));
    rig.received("e5", room).swap_remove(0)
}

/// Returns the number of writes of the room's key since a number of commands.
fn writes(rig: &Rig, since: usize, room: &str) -> usize {
    let written = |command: &&Command| matches!(command, Command::PutIf { key, bucket: Bucket::Rooms(_), .. } if key.ends_with(room));
    rig.commands[since..].iter().filter(written).count()
}

/// A rig with a room of version 2 whose sum of Alice is 5, stored up to entry 2.
fn of_second() -> Rig {
    let mut rig = started(second());
    rig.join(ROOM, "alice", 10);
    rig.input(ROOM, ("alice", 10), 1, "5");
    rig.advance(1_500);
    assert_eq!(rig.snapshot(ROOM).unwrap()["last"], 2);
    rig
}

#[test]
fn d34_a_room_of_an_earlier_version_is_migrated() {
    let mut rig = started(first());
    rig.join(ROOM, "alice", 10);
    rig.input(ROOM, ("alice", 10), 1, "5");
    rig.advance(1_500);
    let stored = rig.snapshot(ROOM).unwrap();
    assert_eq!(
        (&stored["version"], &stored["head"]["version"]),
        (&Value::Null, &Value::Null)
    );

    replace(&mut rig, second(), "2");
    assert_eq!(shown(&mut rig, ROOM), r#"snapshot 0 v1 {"all":5}"#);
    rig.input(ROOM, ("alice", 10), 2, "2");
    rig.advance(1_500);
    let stored = rig.snapshot(ROOM).unwrap();
    assert_eq!(
        (&stored["version"], &stored["head"]["version"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        stored["game"]["sums"],
        serde_json::json!({"all": 5, "alice": 2})
    );
    assert_eq!(rig.needs["sum"], 2);
}

#[test]
fn d34_no_snapshot_of_a_higher_version_is_written_before_the_lease_needs_it() {
    let mut rig = started(second());
    rig.hold_needs = true;
    rig.join(ROOM, "alice", 10);
    rig.join("echo-1", "alice", 10);
    rig.advance(5_000);
    assert!(rig.snapshot(ROOM).is_none());
    assert!(rig.snapshot("echo-1").is_some(), "other games go on");

    let (epoch, now) = (rig.owner.partitions().epoch(P).unwrap(), rig.now);
    let needs = [("sum".to_owned(), 2)].into();
    let earlier = grandstand_common::id::Epoch(epoch.0 - 1);
    rig.owner.handle_needs(now, P, earlier, &needs);
    rig.advance(100);
    assert!(rig.snapshot(ROOM).is_none(), "another owner's lease");
    rig.owner.handle_needs(now, P, epoch, &needs);
    rig.advance(100);
    assert_eq!(rig.snapshot(ROOM).unwrap()["version"], 2);
}

#[test]
fn d34_a_handover_waits_for_the_lease_to_need_what_it_writes() {
    let mut rig = started(second());
    rig.hold_needs = true;
    rig.join(ROOM, "alice", 10);
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events, [""; 0]);
    let epoch = rig.owner.partitions().epoch(P).unwrap();
    let needs = [("sum".to_owned(), 2)].into();
    rig.owner.handle_needs(rig.now, P, epoch, &needs);
    rig.advance(100);
    assert_eq!(rig.events, ["released"]);
    assert_eq!(rig.snapshot(ROOM).unwrap()["version"], 2);
}

#[test]
fn d34_a_room_that_is_too_new_stays_untouched_and_is_refused() {
    let mut rig = of_second();
    let stored = rig.snapshot(ROOM);
    let since = rig.commands.len();
    replace(&mut rig, first(), "1");
    rig.advance(1_000);
    assert_eq!(rig.owner.partitions().room_counts().too_new, 1);
    assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
    rig.join("echo-1", "alice", 10);
    rig.advance(5_000);
    assert_eq!(record(&rig, ROOM), None, "all of its log is covered");
    let at = rig.next_seq;
    rig.join(ROOM, "bob", 20);
    rig.expect_item("e2", ROOM, "refused 20 room_unavailable");
    rig.input(ROOM, ("alice", 10), 2, "1");
    rig.expect_item("e1", ROOM, "gone 10 room_unavailable");
    rig.advance(5_000);
    let kept = record(&rig, ROOM).unwrap();
    assert_eq!((kept.seq, kept.version, kept.why), (at, Some(2), None));
    assert_eq!(rig.owner.counts().quarantined, 0);
    assert!(rig.checkpoint().seq > at, "nothing is held back");
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events.pop(), Some("released"));
    assert_eq!(writes(&rig, since, ROOM), 0);
    assert_eq!(rig.snapshot(ROOM), stored);

    replace(&mut rig, second(), "2");
    rig.advance(2_000);
    assert_eq!(shown(&mut rig, ROOM), r#"snapshot 0 v2 {"alice":6}"#);
    assert_eq!(record(&rig, ROOM), None);
    assert_eq!(rig.owner.partitions().room_counts().too_new, 0);
}

#[test]
fn d34_the_entries_of_a_room_that_is_too_new_are_kept_for_a_build_that_can_run_it() {
    let mut rig = of_second();
    let at = rig.input(ROOM, ("alice", 10), 2, "1");
    replace(&mut rig, first(), "1");
    rig.join("echo-1", "alice", 10);
    rig.advance(5_000);
    assert_eq!(record(&rig, ROOM).unwrap().seq, at);
    assert!(rig.checkpoint().seq > at);
    // The same build again, then another one that is too old as well.
    for build in ["1", "1b"] {
        replace(&mut rig, first(), build);
        rig.advance(2_000);
        assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
        assert_eq!(record(&rig, ROOM).unwrap().seq, at);
    }
    // Builds are told apart by their versions here, not by their names.
    replace(&mut rig, second(), "1b");
    rig.advance(2_000);
    assert_eq!(shown(&mut rig, ROOM), r#"snapshot 0 v2 {"alice":6}"#);
    assert_eq!(record(&rig, ROOM), None);
}

#[test]
fn d34_a_room_that_is_needed_before_it_is_found_may_be_too_new() {
    let mut rig = of_second();
    let at = rig.input(ROOM, ("alice", 10), 2, "1");
    rig.hold_rooms = true;
    rig.needs.clear();
    replace(&mut rig, first(), "1");
    assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
    assert_eq!(record(&rig, ROOM).unwrap().seq, at);
    rig.release_rooms();
    rig.advance(5_000);
    assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
    assert_eq!(rig.owner.partitions().room_counts().too_new, 1);
    assert_eq!(rig.needs["sum"], 2, "the lease is told what it lacks");
}

#[test]
fn d34_a_room_whose_game_a_worker_does_not_have_stays_untouched() {
    let mut rig = started(first());
    rig.join(ROOM, "alice", 10);
    rig.advance(1_500);
    let stored = rig.snapshot(ROOM);
    replace(&mut rig, Games::new().with::<Echo>(), "none");
    rig.advance(5_000);
    assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
    assert_eq!((rig.snapshot(ROOM), record(&rig, ROOM)), (stored, None));
    assert_eq!(rig.needs["sum"], 1);
    replace(&mut rig, first(), "1");
    assert_eq!(shown(&mut rig, ROOM), "snapshot 0 v0 0");
}

#[test]
fn d34_one_room_of_a_thousand_that_cannot_be_migrated_is_in_quarantine_alone() {
    let rooms: Vec<_> = (0..1_000).map(|n| format!("sum-{n}")).collect();
    let mut rig = started(first());
    for (n, room) in (0_u64..).zip(&rooms) {
        rig.join(room, "alice", 10);
        let add = match n {
            500 => "13",
            600 => "14",
            _ => "1",
        };
        rig.input(room, ("alice", 10), 1, add);
    }
    rig.owner.release(rig.now, P);
    rig.run();
    // 64 writes are in flight at a time.
    (0..20).for_each(|_| rig.advance(20));
    assert_eq!(rig.events.pop(), Some("released"));
    replace(&mut rig, second(), "2");
    for (n, room) in rooms.iter().enumerate() {
        let wanted = match n {
            500 | 600 => "closed room_unavailable",
            _ => r#"snapshot 0 v1 {"all":1}"#,
        };
        assert_eq!(shown(&mut rig, room), wanted, "{room}");
    }
    rig.advance(1_000);
    let why = |room: &str| record(&rig, room).unwrap().why.unwrap();
    let reason =
        "is of version 1 of the game, and cannot be migrated to version 2: 13 of version 1";
    assert_eq!(why("sum-500"), reason);
    assert_eq!(why("sum-600"), "the game panicked");
    assert_eq!(rig.owner.counts().quarantined, 2);
}

#[test]
fn d34_the_record_of_another_builds_quarantine_stays_as_it_is() {
    let mut rig = started(second());
    rig.join("echo-1", "alice", 10);
    let key = subject::room_key(P, &room_id(ROOM));
    rig.join(ROOM, "alice", 10);
    rig.advance(1_500);
    // The later build cannot run the room.
    let lone = crate::stored::quarantine::QuarantineRecord {
        epoch: grandstand_common::id::Epoch(7),
        build: "2".into(),
        seq: rig.next_seq,
        code: "room_unavailable".into(),
        why: Some("it panics".into()),
        version: None,
    };
    let value = serde_json::to_vec(&lone).unwrap();
    rig.put(Bucket::Quarantine, &key, Some(value.into()));
    replace(&mut rig, first(), "1");
    rig.advance(5_000);
    assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
    rig.input(ROOM, ("alice", 10), 1, "1");
    rig.advance(5_000);
    assert_eq!(record(&rig, ROOM), Some(lone));
}

#[test]
fn d34_a_snapshot_whose_head_names_another_version_is_damaged() {
    let mut rig = of_second();
    let key = subject::room_key(P, &room_id(ROOM));
    let mut stored = rig.snapshot(ROOM).unwrap();
    stored["version"] = 1.into();
    let text = serde_json::to_string(&stored).unwrap();
    rig.put(Bucket::Rooms(P), &key, Some(text.into()));
    replace(&mut rig, second(), "2");
    assert_eq!(shown(&mut rig, ROOM), "closed room_unavailable");
    assert_eq!(rig.owner.counts().damaged, 1);
}

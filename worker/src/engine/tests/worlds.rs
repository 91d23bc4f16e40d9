//! Rooms in real time.

use grandstand_common::bus::Bucket;
use grandstand_common::data::Data;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, Interest, ItemKind, Live};
use prost::Message as _;
use serde_json::{Value, json};

use super::*;
use crate::command::Command;

mod crashes;

mod faults;

mod rolling;

pub(super) use rolling::Rolling;

const ROOM: &str = "rolling-1";
const ALICE: (&str, u64) = ("alice", 10);

/// A room with Alice, whose world moves.
fn playing() -> Rig {
    let mut rig = Rig::started();
    rig.join(ROOM, ALICE.0, ALICE.1);
    rig.advance(100);
    rig
}

/// A request of Alice's edge, which says that Alice is connected.
fn back(room: &str, (_, session): (&str, u64)) -> Interest {
    let mut asks = interest(&edge_of(session), &[room], true);
    asks.rooms[0].sessions = vec![session];
    asks
}

fn control(rig: &mut Rig, room: &str, from: (&str, u64), data: &Value) {
    let live = Live {
        room: room.to_owned(),
        session: from.1,
        player: from.0.to_owned(),
        data: Some(Data::json(data).unwrap()),
    };
    rig.owner.handle_live(rig.now, P, live);
    rig.run();
}

fn json_of(data: Option<&Data>) -> Value {
    serde_json::from_slice(data.unwrap().bytes()).unwrap()
}

/// The frames that an edge has received since the last call.
fn frames(rig: &mut Rig, room: &str, session: u64) -> Vec<Value> {
    let items = rig.items(&edge_of(session), room);
    let frames = items.iter().filter_map(|item| match item {
        ItemKind::LiveOut(live) if live.frame => Some(json_of(live.data.as_ref())),
        _ => None,
    });
    frames.collect()
}

fn entries(rig: &Rig) -> Vec<Entry> {
    let log = rig.log.iter();
    log.map(|stored| Entry::decode(stored.payload.clone()).unwrap())
        .collect()
}

fn commits(rig: &Rig) -> usize {
    let all = entries(rig).into_iter();
    all.filter(|entry| matches!(entry.body, Some(Body::Commit(_))))
        .count()
}

/// The stored world of a room.
fn stored(rig: &Rig, room: &str) -> Option<Value> {
    let entry = rig.get(Bucket::Worlds, &subject::world_key(&room_id(room)))?;
    Some(serde_json::from_slice(entry.value.as_ref()?).unwrap())
}

/// The points of a room, as a spectator sees them.
fn score(rig: &mut Rig, room: &str) -> u64 {
    rig.send_interest(interest("e9", &[room], true));
    let items = rig.items("e9", room);
    let snapshot = items.iter().find_map(|item| match item {
        ItemKind::Snapshot(snapshot) => Some(json_of(snapshot.data.as_ref())),
        _ => None,
    });
    snapshot.unwrap()["score"].as_u64().unwrap()
}

#[test]
fn a_world_moves_while_somebody_is_there_and_edges_get_its_frames() {
    let mut rig = playing();
    frames(&mut rig, ROOM, 10);
    rig.advance(200);
    // 200 ms are six ticks: one turn makes up for five.
    let late = frames(&mut rig, ROOM, 10);
    assert_eq!(late.last().unwrap()["skipped"], json!(0));
    for _ in 0..60 {
        rig.advance(17);
    }
    let seen = frames(&mut rig, ROOM, 10);
    assert!((30..=32).contains(&seen.len()), "{}", seen.len());
    let numbers: Vec<_> = seen.iter().map(|f| f["tick"].as_u64().unwrap()).collect();
    assert!(
        numbers.windows(2).all(|two| two[1] == two[0] + 1),
        "{numbers:?}"
    );
    // More than five ticks are not made up for.
    rig.advance(1_000);
    let after = frames(&mut rig, ROOM, 10);
    assert_eq!(after.len(), 1);
    let skipped = after[0]["skipped"].as_u64().unwrap();
    assert!((28..=30).contains(&skipped), "{skipped}");
    assert_eq!(after[0]["tick"], numbers[numbers.len() - 1] + 1 + skipped);
    // Nobody is there.
    rig.append(ROOM, left(ALICE, 1));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.advance(100);
    let commands = rig.commands.len();
    rig.advance(5_000);
    let later = &rig.commands[commands..];
    assert!(
        !later
            .iter()
            .any(|command| matches!(command, Command::Append { .. }))
    );
    assert!(frames(&mut rig, ROOM, 10).len() <= 1);
}

#[test]
fn the_newest_control_holds_and_others_are_dropped() {
    let mut rig = playing();
    control(&mut rig, ROOM, ALICE, &json!("left"));
    control(&mut rig, ROOM, ALICE, &json!("right"));
    control(&mut rig, ROOM, ALICE, &json!({"x": 7}));
    control(&mut rig, ROOM, ("alice", 99), &json!("of another session"));
    control(&mut rig, ROOM, ("bob", 10), &json!("of nobody"));
    assert_eq!(rig.owner.counts().bad_controls, 1);
    frames(&mut rig, ROOM, 10);
    rig.advance(34);
    assert_eq!(
        frames(&mut rig, ROOM, 10)[0]["controls"],
        json!({"alice": "right"})
    );
    // The control goes with the connection.
    rig.append(ROOM, lost(ALICE, 1));
    rig.send_interest(interest("e1", &[ROOM], false));
    frames(&mut rig, ROOM, 10);
    rig.advance(34);
    assert_eq!(frames(&mut rig, ROOM, 10)[0]["controls"], json!({}));
}

#[test]
fn d35_an_owner_begins_in_the_log_before_its_first_tick() {
    let mut rig = Rig::started();
    rig.hold_log = true;
    rig.join(ROOM, ALICE.0, ALICE.1);
    rig.hold_log = false;
    rig.hold_appends = true;
    rig.run();
    rig.advance(500);
    assert_eq!(frames(&mut rig, ROOM, 10), Vec::<Value>::new());
    // The first append was lost.
    rig.held_appends.clear();
    rig.hold_appends = false;
    rig.advance(600);
    rig.advance(40);
    assert!(!frames(&mut rig, ROOM, 10).is_empty());
}

#[test]
fn commits_are_gathered_and_come_ten_times_a_second_at_most() {
    let mut rig = playing();
    control(&mut rig, ROOM, ALICE, &json!("collect"));
    let (before, points) = (commits(&rig), score(&mut rig, ROOM));
    for _ in 0..250 {
        rig.advance(4);
    }
    let made = commits(&rig) - before;
    assert!((8..=10).contains(&made), "{made}");
    let scored = score(&mut rig, ROOM) - points;
    assert!((27..=33).contains(&scored), "{scored}");
}

#[test]
fn a_world_is_stored_twice_within_the_time_that_may_be_lost_and_at_a_handover() {
    let mut rig = playing();
    control(&mut rig, ROOM, ALICE, &json!("nothing"));
    for _ in 0..300 {
        rig.advance(20);
    }
    let written = rig.owner.counts().worlds_stored;
    assert!((5..=7).contains(&written), "{written}");
    let last = frames(&mut rig, ROOM, 10).pop().unwrap();
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events.pop(), Some("released"));
    assert_eq!(stored(&rig, ROOM).unwrap()["tick"], last["tick"]);
    rig.restart();
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    let first = frames(&mut rig, ROOM, 10).remove(0);
    assert_eq!(first["tick"], last["tick"].as_u64().unwrap() + 1);
}

#[test]
fn d35_changes_that_wait_at_a_handover_reach_the_successor() {
    let mut rig = playing();
    control(&mut rig, ROOM, ALICE, &json!("collect"));
    for _ in 0..50 {
        rig.advance(9);
    }
    let last = frames(&mut rig, ROOM, 10).pop().unwrap();
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events.pop(), Some("released"));
    rig.restart();
    assert_eq!(json!(score(&mut rig, ROOM)), last["taken"]);
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    let first = frames(&mut rig, ROOM, 10).remove(0);
    assert_eq!(first["tick"], last["tick"].as_u64().unwrap() + 1);
}

#[test]
fn a_room_leaves_memory_with_its_world_stored_and_comes_back() {
    let mut rig = Rig::with_config(|config| config.idle = Some(std::time::Duration::from_secs(2)));
    rig.take();
    rig.join(ROOM, ALICE.0, ALICE.1);
    for _ in 0..20 {
        rig.advance(20);
    }
    let last = frames(&mut rig, ROOM, 10).pop().unwrap();
    rig.append(ROOM, lost(ALICE, 1));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    for _ in 0..10 {
        rig.advance(1_000);
    }
    assert_eq!(rig.owner.partitions().room_counts().loaded, 0);
    assert_eq!(stored(&rig, ROOM).unwrap()["tick"], last["tick"]);
    rig.append(ROOM, joined("alice", 11));
    rig.advance(40);
    let first = frames(&mut rig, ROOM, 11).remove(0);
    assert_eq!(first["tick"], last["tick"].as_u64().unwrap() + 1);
}

#[test]
fn the_world_of_a_deleted_room_is_deleted_and_the_next_room_begins_another() {
    let mut rig = playing();
    rig.advance(1_500);
    assert!(stored(&rig, ROOM).is_some());
    rig.append(ROOM, Body::Close(grandstand_common::wire::Empty {}).into());
    frames(&mut rig, ROOM, 10);
    for _ in 0..70 {
        rig.advance(1_000);
    }
    assert_eq!(
        frames(&mut rig, ROOM, 10),
        Vec::<Value>::new(),
        "a room that is over stands still"
    );
    assert_eq!(stored(&rig, ROOM), None);
    rig.join(ROOM, ALICE.0, 12);
    rig.advance(100);
    assert_eq!(frames(&mut rig, ROOM, 12)[0]["tick"], 1);
}

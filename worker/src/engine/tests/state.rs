//! Replays, timers and the end of rooms (D7, D12).

use grandstand_common::bus::Bucket;
use grandstand_common::id::Epoch;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, Timer};
use prost::Message;

use super::*;
use crate::room::{Creation, Logged, Room};
use crate::stored::head::SnapshotHead;
use crate::stored::snapshot::{self, SnapshotLimits};

fn timer(name: &str, arming: u64) -> Entry {
    Entry {
        body: Some(Body::Timer(Timer {
            name: name.into(),
            arming,
        })),
        ..Entry::default()
    }
}

#[test]
fn d07_only_the_current_arming_fires() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "timer");
    rig.input("echo-1", ("alice", 10), 2, "timer");
    rig.received("e1", "echo-1");
    // A stale owner appends the first arming, and the entry of the current one is stored twice.
    rig.append("echo-1", timer("t", 1));
    assert_eq!(rig.received("e1", "echo-1"), [""; 0]);
    rig.append("echo-1", timer("t", 2));
    rig.append("echo-1", timer("t", 2));
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 4/0 timer t 1000100"],
        "never before it is due"
    );
}

#[test]
fn d07_a_due_timer_is_appended_once_a_second_until_it_fires() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "timer");
    let stored = rig.log.len();
    rig.hold_log = true;
    rig.advance(99);
    assert_eq!(rig.log.len(), stored);
    rig.advance(1);
    rig.advance(500);
    assert_eq!(rig.log.len(), stored + 1);
    rig.advance(400);
    assert!(rig.snapshot("echo-1").is_some(), "the room's write was due");
    assert_eq!(rig.log.len(), stored + 1);
    rig.advance(100);
    assert_eq!(rig.log.len(), stored + 2);
    rig.hold_log = false;
    rig.advance(2_000);
    assert_eq!(rig.log.len(), stored + 2);
    let received = rig.received("e1", "echo-1");
    let fired = received.iter().filter(|t| t.contains("timer t"));
    assert_eq!(fired.collect::<Vec<_>>(), ["update 3/0 timer t 1000100"]);
}

#[test]
fn d24_a_step_of_the_logs_clock_reaches_the_timers_of_a_partition_at_rest() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "timer");
    rig.advance(10);
    rig.run();
    let stored = rig.log.len();
    rig.now.log_ms += 5_000;
    rig.run();
    assert_eq!(rig.log.len(), stored + 1, "the timer is due now");
}

#[test]
fn d07_time_never_goes_back() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(10_000);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.now.log_ms -= 5_000;
    rig.input("echo-1", ("alice", 10), 2, "timer");
    let stored = rig.log.len();
    rig.advance(5_000);
    assert_eq!(
        rig.log.len(),
        stored,
        "it is not due before the room's time"
    );
    rig.advance(100);
    rig.expect_item("e1", "echo-1", "update 4/0 timer t 1010100");
}

/// Returns a rig with a room that has met every kind of entry.
fn eventful() -> Rig {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    for n in 1..40 {
        let text = ["a", "reject", "timer", "direct", "grow"][n as usize % 5];
        rig.input("echo-1", ("alice", 10), n, text);
        rig.append("echo-1", input(("bob", 20), n, n + n / 7, text));
        rig.advance(37);
    }
    rig.append("echo-1", lost(("alice", 10), 40));
    rig.join("echo-1", "mallory", 30);
    rig.owner
        .handle_process_gone(rig.now, &"e2".parse().unwrap());
    rig.run();
    rig.append("echo-1", here(("bob", 20), 40));
    rig.join("echo-1", "alice", 11);
    rig.append("echo-1", left(("bob", 20), 41));
    rig.join("echo-1", "bob", 21);
    rig.input("echo-1", ("alice", 11), 1, "finish");
    rig.append("echo-1", input(("alice", 11), 2, 40, "finish"));
    rig.append("echo-1", input(("alice", 11), 3, 41, "late"));
    rig
}

#[test]
fn replaying_from_the_beginning_or_any_snapshot_gives_the_same_room() {
    let rig = eventful();
    let id = room_id("echo-1");
    let games = grandstand_game::Games::new().with::<Echo>();
    let logged = rig.log.iter().map(|stored| Logged {
        seq: stored.seq,
        time_ms: stored.time_ms,
        entry: Entry::decode(stored.payload.clone()).unwrap(),
    });
    let logged: Vec<_> = logged.collect();
    let stored = |room: &Room| {
        let place = SnapshotHead {
            epoch: Epoch(1),
            generation: 0,
            last: room.last(),
        };
        snapshot::encode(room, &[], place, SnapshotLimits::NONE).unwrap()
    };
    let creation = Creation::of(&logged[0]).expect("the first entry creates");
    let kind = games.get("echo").unwrap();
    let mut room = Room::create(kind, &id, &logged[0], creation)
        .unwrap()
        .unwrap();
    let mut snapshots = Vec::new();
    for entry in &logged {
        room.handle(entry, &mut Vec::new()).unwrap();
        snapshots.push((entry.seq, stored(&room)));
    }
    let (_, end) = snapshots.last().unwrap().clone();
    for (at, (seq, value)) in snapshots.iter().enumerate() {
        let mut room = snapshot::decode(&games, &id, value, *seq).unwrap().unwrap();
        for entry in &logged[at + 1..] {
            room.handle(entry, &mut Vec::new()).unwrap();
        }
        assert_eq!(stored(&room), end, "from the snapshot at {seq}");
    }
}

#[test]
fn a_new_owner_has_the_same_room_wherever_the_old_one_died() {
    let mut reference = eventful();
    reference.advance(2_000);
    let wanted = reference.snapshot("echo-1").unwrap();
    for died_at in (1..reference.log.len()).step_by(5) {
        let mut rig = Rig::started();
        for (at, entry) in reference.log.iter().enumerate() {
            if at == died_at {
                rig.restart();
            }
            rig.now.log_ms = entry.time_ms;
            rig.log.push(entry.clone());
            rig.next_seq = entry.seq + 1;
            if at + 1 < died_at || at % 3 == 0 {
                rig.run();
            }
        }
        rig.advance(2_000);
        let got = rig.snapshot("echo-1").unwrap();
        assert_eq!(got["game"], wanted["game"], "died at {died_at}");
        assert_eq!(got["room"], wanted["room"], "died at {died_at}");
    }
}

#[test]
fn every_snapshot_has_the_hash_of_the_log_replayed_from_the_beginning() {
    let mut rig = eventful();
    rig.advance(2_000);
    let games = grandstand_game::Games::new().with::<Echo>();
    let id = room_id("echo-1");
    let key = subject::room_key(P, &id);
    let stored = rig.commands.iter().filter_map(|command| match command {
        crate::command::Command::PutIf { key: k, value, .. } if *k == key => Some(value),
        _ => None,
    });
    let mut checked = 0;
    for value in stored {
        let last = snapshot::decode_head(value).unwrap().last;
        let mut room = None::<Room>;
        for stored in rig.log.iter().filter(|entry| entry.seq <= last) {
            let logged = Logged {
                seq: stored.seq,
                time_ms: stored.time_ms,
                entry: Entry::decode(stored.payload.clone()).unwrap(),
            };
            match (&mut room, &logged.entry.body) {
                (Some(room), _) => room.handle(&logged, &mut Vec::new()).unwrap(),
                (None, Some(Body::Joined(_))) => {
                    let creation = Creation::of(&logged).unwrap();
                    let opened = Room::open(&games, &id, &logged, creation, &mut Vec::new());
                    match opened.unwrap() {
                        crate::room::Opened::Room(opened) => room = Some(*opened),
                        _ => panic!("the first entry creates"),
                    }
                }
                _ => panic!("the first entry creates"),
            }
        }
        let (_, says) = snapshot::decode_state(value).unwrap().unwrap();
        let replayed = snapshot::StoredState::new(&room.unwrap()).unwrap();
        assert_eq!(says, Some(replayed.hash()), "at {last}");
        checked += 1;
    }
    assert!(checked > 2, "{checked} snapshots");
}

#[test]
fn d12_a_finished_room_is_readable_for_a_minute_and_then_deleted() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "finish");
    rig.received("e1", "echo-1");
    rig.input("echo-1", ("alice", 10), 2, "more");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["rejected 10 2 finished", "processed 10 n2 seq2"]
    );
    rig.join("echo-1", "bob", 20);
    assert_eq!(rig.received("e2", "echo-1")[..1], ["snapshot 0 v2 2"]);
    rig.advance(59_000);
    rig.send_interest(interest("e3", &["echo-1"], true));
    assert_eq!(rig.received("e3", "echo-1")[..1], ["snapshot 0 v2 2"]);
    rig.advance(1_100);
    assert_eq!(
        rig.received("e3", "echo-1").last().unwrap(),
        "closed finished"
    );
    rig.advance(2_000);
    let key = subject::room_key(P, &room_id("echo-1"));
    let marker = rig.get(Bucket::Rooms(P), &key).unwrap();
    assert_eq!(marker.value, None, "only a marker is left");
    rig.input("echo-1", ("alice", 10), 3, "after");
    assert_eq!(
        rig.received("e1", "echo-1").last().unwrap(),
        "gone 10 not_joined"
    );
}

#[test]
fn d12_a_replayed_tail_does_not_resurrect_a_deleted_room() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(2_000);
    // Another room holds the checkpoint back at an entry before the second join of the first one.
    rig.failing_key = "echo-2";
    rig.join("echo-2", "carol", 30);
    rig.join("echo-1", "bob", 20);
    rig.input("echo-1", ("alice", 10), 1, "finish");
    rig.advance(60_000);
    rig.advance(5_000);
    assert_eq!(rig.checkpoint().seq, 2);
    assert_eq!(
        rig.snapshot("echo-1").unwrap()["room"],
        serde_json::Value::Null
    );
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(rig.received("e5", "echo-1"), ["absent", "synced"]);
    rig.failing_key = "none";
    rig.advance(2_000);
    rig.advance(2_000);
    assert!(rig.checkpoint().seq > 2);
    assert_eq!(rig.snapshot("echo-1"), None, "only a marker is left");
}

#[test]
fn d12_a_room_of_the_same_name_is_another_instance() {
    let mut rig = Rig::started();
    let first = rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "finish");
    rig.advance(60_000);
    let second = rig.join("echo-1", "alice", 12);
    rig.advance(3_000);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_ne!(first, second);
    assert_eq!(stored["room"]["instance"], second);
    assert_eq!(stored["room"]["finished"], false);
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(rig.received("e5", "echo-1")[..1], ["snapshot 0 v1 1"]);
}

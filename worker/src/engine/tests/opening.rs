//! Takeovers of partitions whose rooms are many: their heads are found while the rooms in use go on (D25).

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::Epoch;
use grandstand_common::subject;
use grandstand_common::wire::{Interest, RoomInterest};
use grandstand_game::Games;

use super::*;
use crate::command::{Command, Outcome};
use crate::room::Logged;
use crate::stored::head::SnapshotHead;
use crate::stored::snapshot::{self, SnapshotLimits};

fn rooms(rig: &Rig) -> (usize, usize) {
    (
        rig.owner.partitions().room_counts().loaded,
        rig.owner.partitions().room_counts().stored,
    )
}

/// Returns a rig with a stored room of each of some players, whose sessions are 10, 11 and so on.
fn stored_rig(count: u64) -> Rig {
    let mut rig = Rig::started();
    for n in 0..count {
        rig.join(&format!("echo-{n}"), &format!("p{n}"), 10 + n);
    }
    rig.advance(2_000);
    rig.advance(2_000);
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
    rig
}

/// Takes over while the reader of rooms is held back.
fn restart_without_rooms(rig: &mut Rig) {
    rig.commands.clear();
    rig.hold_rooms = true;
    rig.restart();
}

fn key(room: &str) -> String {
    subject::room_key(P, &room_id(room))
}

fn stored(rig: &Rig, room: &str) -> KvEntry {
    rig.get(Bucket::Rooms(P), &key(room)).unwrap().clone()
}

/// Whether a command writes the key of a room.
fn writes_room(command: &Command) -> bool {
    let is_room = |key: &str| subject::parse_room_key(key).is_some();
    matches!(command, Command::PutIf { bucket: Bucket::Rooms(_), key, .. } if is_room(key))
}

#[test]
fn d25_a_takeover_decodes_no_room_that_nobody_needs() {
    let mut rig = stored_rig(5);
    rig.restart();
    assert_eq!(rooms(&rig), (0, 5));
    rig.input("echo-2", ("p2", 12), 1, "a");
    assert_eq!(rig.received("e1", "echo-2"), ["processed 12 n1 seq1"]);
    rig.send_interest(interest("e9", &["echo-3"], true));
    assert_eq!(rig.received("e9", "echo-3")[0], "snapshot 0 v1 1");
    assert_eq!(rooms(&rig), (2, 3));
}

#[test]
fn d25_a_partition_is_ready_before_its_rooms_are_found() {
    let mut rig = stored_rig(5);
    restart_without_rooms(&mut rig);
    assert_eq!(rooms(&rig), (0, 0));
    // Rooms that are needed are looked for.
    rig.input("echo-2", ("p2", 12), 1, "a");
    assert_eq!(rig.received("e1", "echo-2"), ["processed 12 n1 seq1"]);
    rig.send_interest(interest("e9", &["echo-3", "echo-77"], true));
    assert_eq!(rig.received("e9", "echo-3")[0], "snapshot 0 v1 1");
    assert_eq!(rig.received("e9", "echo-77"), ["absent", "synced"]);
    rig.append("echo-78", input(("eve", 90), 1, 1, "a"));
    assert_eq!(rig.received("e9", "echo-78"), ["gone 90 not_joined"]);
    rig.join("echo-79", "eve", 91);
    assert!(!rig.received("e9", "echo-79").is_empty());
    assert_eq!(rooms(&rig), (3, 0));
    rig.release_rooms();
    assert_eq!(rooms(&rig), (3, 3));
    rig.advance(3_000);
    rig.advance(3_000);
    assert_eq!(rig.checkpoint().seq, rig.next_seq, "nothing is left over");
}

/// A room is looked for. Meanwhile all stored rooms are found, and it is not among them.
#[test]
fn d25_entries_of_a_room_that_is_looked_for_stay_in_order() {
    let mut rig = stored_rig(2);
    restart_without_rooms(&mut rig);
    rig.fail_reads = true;
    let instance = rig.join("echo-9", "alice", 90);
    rig.release_rooms();
    rig.join("echo-9", "bob", 91);
    rig.send_interest(interest("e8", &["echo-9"], true));
    assert_eq!(rooms(&rig), (0, 2));
    rig.fail_reads = false;
    rig.advance(300);
    assert_eq!(rig.received("e8", "echo-9")[0], "snapshot 0 v2 2");
    rig.advance(3_000);
    let room = &rig.snapshot("echo-9").unwrap()["room"];
    assert_eq!(room["instance"], instance);
}

#[test]
fn d25_no_room_is_written_before_all_are_found() {
    let mut rig = stored_rig(3);
    restart_without_rooms(&mut rig);
    let first = rig.checkpoint();
    assert_eq!(first.unread_to, Some(first.seq - 1));
    for n in 1..=100 {
        rig.input("echo-0", ("p0", 10), n, "a");
    }
    rig.advance(5_000);
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events, ["released"]);
    assert!(!rig.commands.iter().any(writes_room));
    assert_eq!(rig.checkpoint().seq, first.seq);

    rig.events.clear();
    restart_without_rooms(&mut rig);
    rig.release_rooms();
    rig.advance(5_000);
    assert!(rig.commands.iter().any(writes_room));
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
    assert_eq!(rig.checkpoint().unread_to, None);
}

/// The log loses its tail, which a stored room covers. Other entries take the place of the lost ones before that room
/// is found.
#[test]
fn d11_a_cut_that_a_room_shows_after_the_takeover_is_recorded() {
    for crashes in [0, 1, 2] {
        let mut rig = stored_rig(3);
        for n in 1..=32 {
            rig.input("echo-0", ("p0", 10), n, "a");
        }
        let last = rig.snapshot("echo-0").unwrap()["last"].as_u64().unwrap();
        assert_eq!(last, rig.next_seq - 1, "the room is written");
        rig.log.retain(|entry| entry.seq <= last - 5);
        rig.next_seq = last - 4;
        restart_without_rooms(&mut rig);
        let cut = rig.checkpoint().generation;
        assert_eq!(cut, 0, "no room that was read shows the cut");
        for n in 1..=10 {
            rig.input("echo-1", ("p1", 11), n, "b");
        }
        for _ in 0..crashes {
            restart_without_rooms(&mut rig);
        }
        // The room takes the new entry, although its sequence is one that the room had covered.
        let seq = rig.append("echo-0", input(("p0", 10), 33, 33, "c"));
        assert!(crashes > 0 || seq > last);
        rig.release_rooms();
        let checkpoint = rig.checkpoint();
        assert_eq!(checkpoint.generation, 1, "after {crashes} crashes");
        assert_eq!(checkpoint.cuts.last().unwrap().seq, last - 4);
        rig.advance(5_000);
        rig.restart();
        rig.input("echo-0", ("p0", 10), 34, "d");
        rig.expect_item("e1", "echo-0", "processed 10 n34 seq34");
        rig.input("echo-1", ("p1", 11), 11, "d");
        rig.expect_item("e1", "echo-1", "processed 11 n11 seq11");
    }
}

/// Stores echo-0 as its former owner would, which has applied the first input, entry `seq`.
fn write_late(rig: &mut Rig, seq: u64) {
    let games = Games::new().with::<Echo>();
    let value = stored(rig, "echo-0").value.unwrap();
    let mut room = snapshot::decode(&games, &room_id("echo-0"), &value, seq - 1);
    let room = room.as_mut().unwrap().as_mut().unwrap();
    let logged = Logged {
        seq,
        time_ms: rig.now.log_ms,
        entry: input(("p0", 10), 1, 1, "a"),
    };
    room.handle(&logged, &mut Vec::new()).unwrap();
    let head = SnapshotHead {
        epoch: Epoch(101),
        generation: 0,
        last: seq,
    };
    let late = snapshot::encode(room, &[], head, SnapshotLimits::NONE).unwrap();
    rig.put(Bucket::Rooms(P), &key("echo-0"), Some(late));
}

/// A room is read. Before the answer is there, or before it is decoded, the takeover finds a later snapshot of the room.
#[test]
fn d08_a_snapshot_that_is_older_than_the_one_that_was_found_is_read_again() {
    for found_first in [true, false] {
        let mut rig = stored_rig(2);
        let before = stored(&rig, "echo-0");
        restart_without_rooms(&mut rig);
        rig.hold_log = true;
        let seq = rig.input("echo-0", ("p0", 10), 1, "a");
        rig.hold_log = false;
        rig.deliver();
        rig.owner.flush(rig.now);
        let commands: Vec<_> = std::iter::from_fn(|| rig.owner.poll_command()).collect();
        let [Command::Get { token, .. }] = commands[..] else {
            panic!("{commands:?}")
        };
        write_late(&mut rig, seq);
        let answer = Outcome::Value(Some(before));
        if found_first {
            rig.release_rooms();
            rig.owner.handle_outcome(rig.now, token, answer);
        } else {
            rig.owner.handle_outcome(rig.now, token, answer);
            rig.release_rooms();
        }
        rig.run();
        assert_eq!(rig.events, [""; 0]);
        rig.input("echo-0", ("p0", 10), 2, "b");
        rig.expect_item("e1", "echo-0", "processed 10 n2 seq2");
    }
}

/// A former owner's write arrives after the takeover has read the room's key, and before the room is loaded.
#[test]
fn d08_a_late_write_of_a_former_owner_counts_for_a_room_that_is_not_in_memory() {
    let mut rig = stored_rig(2);
    rig.restart_with(|config| config.kept_bytes = 0);
    rig.hold_log = true;
    let seq = rig.input("echo-0", ("p0", 10), 1, "a");
    write_late(&mut rig, seq);
    rig.hold_log = false;
    rig.run();
    assert_eq!(rooms(&rig), (1, 1));
    rig.send_interest(interest("e9", &["echo-0"], true));
    assert_eq!(rig.received("e9", "echo-0")[0], "snapshot 0 v2 2");
    // The entry came after the takeover, so it counts as new, and is recognized as a repeat.
    let received = rig.received("e1", "echo-0");
    assert_eq!(received, ["processed 10 n1 seq1"]);
    rig.input("echo-0", ("p0", 10), 2, "b");
    rig.expect_item("e1", "echo-0", "processed 10 n2 seq2");
    rig.advance(3_000);
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
}

#[test]
fn d25_snapshots_of_an_earlier_build_are_taken_over_without_decoding_their_games() {
    let mut rig = stored_rig(3);
    for room in ["echo-0", "echo-1"] {
        let value = stored(&rig, room).value.unwrap();
        let mut text: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert!(text.as_object_mut().unwrap().remove("head").is_some());
        let value = serde_json::to_vec(&text).unwrap();
        assert!(snapshot::summarize(&value).unwrap().head.is_some());
        rig.put(Bucket::Rooms(P), &key(room), Some(value.into()));
    }
    rig.restart();
    assert_eq!(rooms(&rig), (0, 3));
    assert_eq!(rig.owner.partitions().session_processes().len(), 1);
    rig.input("echo-0", ("p0", 10), 1, "a");
    rig.expect_item("e1", "echo-0", "processed 10 n1 seq1");
}

#[test]
fn d25_a_turn_of_a_takeover_parses_256_kib_of_an_earlier_builds_snapshots() {
    let mut rig = Rig::started();
    rig.hold_rooms = true;
    rig.restart();
    let value = format!(
        r#"{{"format":1,"epoch":1,"generation":0,"last":0,"room":{{}},"game":"{}"}}"#,
        "x".repeat(100_000)
    );
    let entry = |n: u64| KvEntry {
        key: key(&format!("echo-{n}")),
        value: Some(value.clone().into()),
        revision: 1_000 + n,
        time_ms: 0,
    };
    for n in 0..3 {
        assert!(!rig.owner.is_turn_full());
        let reader = (P, crate::command::KvSource::Rooms);
        rig.owner.handle_kv(rig.now, reader, entry(n), 9);
    }
    assert!(rig.owner.is_turn_full());
    rig.owner.flush(rig.now);
    assert!(!rig.owner.is_turn_full());
}

#[test]
fn d13_a_digest_loses_the_players_of_stored_rooms_that_it_does_not_name() {
    let mut rig = stored_rig(3);
    rig.restart();
    let digest = Interest {
        edge: "e1".into(),
        digest: true,
        rooms: vec![RoomInterest {
            room: "echo-1".into(),
            sessions: vec![11],
            ..RoomInterest::default()
        }],
    };
    rig.send_interest(digest);
    let lost = |rig: &Rig, room: &str| {
        let of = subject::log(P, &room_id(room));
        let entries = rig.log.iter().filter(|entry| entry.subject == of);
        entries.count() - 1
    };
    let losses = ["echo-0", "echo-1", "echo-2"].map(|room| lost(&rig, room));
    assert_eq!(losses, [1, 0, 1]);
}

#[test]
fn d04_what_a_replay_leads_to_is_not_sent_when_its_room_is_loaded_later() {
    let mut rig = stored_rig(2);
    rig.input("echo-0", ("p0", 10), 1, "a");
    rig.input("echo-0", ("p0", 10), 2, "reject");
    restart_without_rooms(&mut rig);
    assert_eq!(rig.received("e1", "echo-0"), [""; 0]);
    rig.input("echo-0", ("p0", 10), 3, "b");
    let received = rig.received("e1", "echo-0");
    assert_eq!(received, ["processed 10 n3 seq3"]);
}

#[test]
fn d25_of_many_timers_that_are_due_few_rooms_are_loaded_at_once() {
    let mut rig = Rig::started();
    for n in 0..200 {
        let room = format!("echo-{n}");
        rig.join(&room, "alice", 10);
        rig.append(&room, input(("alice", 10), 1, 1, "finish"));
    }
    rig.advance(2_000);
    rig.advance(2_000);
    rig.restart_with(|config| config.kept_bytes = 0);
    rig.now.at += std::time::Duration::from_secs(70);
    rig.now.log_ms += 70_000;
    rig.owner.flush(rig.now);
    let commands: Vec<_> = std::iter::from_fn(|| rig.owner.poll_command()).collect();
    let is_get = |command: &&Command| matches!(command, Command::Get { .. });
    assert_eq!(commands.iter().filter(is_get).count(), 32);
    for command in commands {
        rig.carry_out(command);
    }
    for _ in 0..10 {
        rig.advance(1_100);
    }
    rig.advance(5_000);
    assert_eq!(rooms(&rig), (0, 0), "all are deleted");
}

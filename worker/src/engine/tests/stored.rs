//! Stored snapshots, checkpoints and quarantine (D8, D9, D14).

use bytes::Bytes;
use grandstand_common::bus::Bucket;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Empty};

use super::*;
use crate::command::Command;
use crate::stored::quarantine::QuarantineRecord;

fn writes(rig: &Rig, room: &str) -> usize {
    let written = |command: &&Command| matches!(command, Command::PutIf { key, bucket: Bucket::Rooms(_), .. } if key.ends_with(room));
    rig.commands.iter().filter(written).count()
}

pub(super) fn record(rig: &Rig, room: &str) -> Option<QuarantineRecord> {
    let key = subject::room_key(P, &room_id(room));
    let entry = rig.get(Bucket::Quarantine, &key)?;
    Some(serde_json::from_slice(entry.value.as_ref()?).unwrap())
}

#[test]
fn d08_a_room_is_written_after_the_configured_time_or_number_of_entries() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(999);
    assert_eq!(writes(&rig, "echo-1"), 0);
    rig.advance(1);
    assert_eq!(writes(&rig, "echo-1"), 1);
    rig.advance(5_000);
    assert_eq!(writes(&rig, "echo-1"), 1);
    for n in 1..=32 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    assert_eq!(writes(&rig, "echo-1"), 2);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["last"], 33);
    assert_eq!(stored["epoch"], 101);
    assert_eq!(stored["room"]["players"]["alice"]["last_seq"], 32);
}

#[test]
fn d08_a_room_is_written_again_after_a_failed_write_or_a_conflict() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.fail_writes = 1;
    rig.advance(1_000);
    assert!(rig.snapshot("echo-1").is_none());
    rig.advance(250);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 1);
    // A stale owner overwrites the snapshot. The revision is adopted, never the content.
    let key = subject::room_key(P, &room_id("echo-1"));
    let stale = "{\"format\":1,\"epoch\":5,\"generation\":0,\"last\":0,\"hash\":0,\"room\":null,\"game\":null}";
    rig.put(Bucket::Rooms(P), &key, Some(stale.into()));
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(1_000);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 2);
    assert_eq!(rig.events, [""; 0]);
}

#[test]
fn d08_at_most_one_write_of_a_room_is_in_flight() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(2_000);
    rig.hold_writes = true;
    for n in 1..=100 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    rig.advance(5_000);
    assert_eq!(
        rig.held_writes.len(),
        1,
        "the next write waits for the answer"
    );
    rig.release_writes();
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(
        stored["last"], 101,
        "entries from meanwhile are written then"
    );
    rig.advance(2_000);
    assert_eq!(rig.checkpoint().seq, 102);
}

#[test]
fn d08_a_later_epoch_in_a_snapshot_makes_the_owner_drop_its_partition() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let key = subject::room_key(P, &room_id("echo-1"));
    let later = "{\"format\":1,\"epoch\":500,\"generation\":0,\"last\":9,\"hash\":0,\"room\":null,\"game\":null}";
    rig.put(Bucket::Rooms(P), &key, Some(later.into()));
    rig.advance(1_000);
    assert_eq!(rig.events, ["lost"]);
    assert_eq!(rig.owner.partitions().iter().count(), 0);
    assert_eq!(rig.snapshot("echo-1").unwrap()["epoch"], 500);
}

#[test]
fn d09_the_checkpoint_is_the_first_uncovered_entry() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(600);
    rig.join("echo-2", "alice", 11);
    rig.input("echo-1", ("alice", 10), 1, "a");
    assert_eq!(rig.checkpoint().seq, 1, "nothing is covered yet");
    rig.advance(400);
    assert_eq!(
        rig.checkpoint().seq,
        2,
        "the first room is covered, the second is not"
    );
    rig.advance(2_000);
    assert_eq!(rig.checkpoint().seq, 4);
    let before = rig.commands.len();
    rig.advance(60_000);
    let writes = rig.commands[before..].iter();
    let writes = writes.filter(|c| matches!(c, Command::PutIf { .. }));
    assert_eq!(writes.count(), 0, "an unchanged checkpoint is not written");
}

#[test]
fn d09_a_later_epoch_in_the_checkpoint_makes_the_owner_drop_its_partition() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let mut later = rig.checkpoint();
    later.epoch.0 = 500;
    let value = serde_json::to_vec(&later).unwrap();
    let key = subject::checkpoint_key(P);
    rig.put(Bucket::Rooms(P), &key, Some(value.into()));
    rig.advance(2_000);
    assert_eq!(rig.events, ["lost"]);
    assert_eq!(rig.checkpoint(), later, "it was not overwritten");
}

#[test]
fn d30_records_that_cannot_be_read_count_as_missing_and_lose_no_room() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(2_000);
    rig.input("echo-1", ("alice", 10), 1, "a");
    let seq = rig.input("echo-1", ("alice", 10), 2, "b");
    let broken: Bytes = "{\"seq\":".into();
    let key = subject::checkpoint_key(P);
    rig.put(Bucket::Rooms(P), &key, Some(broken.clone()));
    let room = subject::room_key(P, &room_id("echo-1"));
    rig.put(Bucket::Quarantine, &room, Some(broken));
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(
        rig.received("e5", "echo-1")[..1],
        [format!("snapshot 0 v{seq} {seq}")]
    );
    rig.advance(2_000);
    assert_eq!(rig.checkpoint().seq, seq + 1, "it is written anew");
}

#[test]
fn d09_covered_entries_are_skipped_in_a_replay() {
    let mut rig = Rig::started();
    rig.join("echo-2", "carol", 30);
    rig.join("echo-1", "alice", 10);
    // If this entry were applied again, alice would be lost again.
    rig.append("echo-1", entry(("alice", 10), 0, Body::EdgeLost(Empty {})));
    for n in 1..=32 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    assert_eq!(rig.checkpoint().seq, 1);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["room"]["players"]["alice"]["presence"], "connected");
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1", "echo-2"], true));
    assert_eq!(rig.received("e5", "echo-1")[..1], ["snapshot 0 v35 35"]);
    assert_eq!(rig.received("e5", "echo-2")[..1], ["snapshot 0 v1 1"]);
}

#[test]
fn d14_an_entry_that_panics_is_applied_once_more() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(1_500);
    rig.input("echo-1", ("alice", 10), 2, "b");
    rig.received("e1", "echo-1");
    PANICS.set(1);
    rig.input("echo-1", ("alice", 10), 3, "panic");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 4/0 alice panic", "processed 10 n3 seq3"]
    );
    rig.advance(1_000);
    let stored = rig.snapshot("echo-1").unwrap();
    let log = &stored["game"]["log"];
    assert_eq!(log.as_array().unwrap().len(), 4, "{log}");
}

#[test]
fn d14_a_room_that_panics_twice_stays_in_quarantine_until_another_build() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(1_500);
    rig.send_interest(interest("e3", &["echo-1"], true));
    rig.received("e3", "echo-1");
    rig.input("echo-1", ("alice", 10), 1, "a");
    PANICS.set(2);
    let at = rig.input("echo-1", ("alice", 10), 2, "panic");
    let received = rig.received("e1", "echo-1");
    assert_eq!(
        received.last().unwrap(),
        "closed room_unavailable",
        "{received:?}"
    );
    assert_eq!(
        rig.received("e3", "echo-1").last().unwrap(),
        "closed room_unavailable"
    );
    let stored = record(&rig, "echo-1").unwrap();
    assert_eq!(
        (stored.seq, stored.code.as_str()),
        (at - 1, "room_unavailable")
    );
    rig.join("echo-1", "bob", 20);
    assert_eq!(
        rig.received("e2", "echo-1"),
        ["refused 20 room_unavailable"]
    );
    rig.join("echo-2", "carol", 30);
    rig.advance(1_500);
    rig.advance(1_500);
    assert_eq!(
        rig.checkpoint().seq,
        at + 3,
        "a quarantined room does not hold the checkpoint back"
    );
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["last"], at - 1, "as it was before the panic");

    rig.restart();
    rig.input("echo-1", ("alice", 10), 3, "c");
    assert_eq!(rig.received("e1", "echo-1"), ["gone 10 room_unavailable"]);

    rig.restart_with(|config| config.build = "fixed".into());
    rig.input("echo-1", ("alice", 10), 3, "c");
    assert_eq!(
        rig.received("e1", "echo-1").last().unwrap(),
        "processed 10 n3 seq3"
    );
    assert_eq!(record(&rig, "echo-1"), None);
}

#[test]
fn d14_a_room_with_an_unreadable_snapshot_goes_to_quarantine_and_keeps_it() {
    let mut rig = Rig::new();
    let key = subject::room_key(P, &room_id("echo-1"));
    rig.put(Bucket::Rooms(P), &key, Some("nonsense".into()));
    rig.take();
    rig.join("echo-1", "alice", 10);
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["refused 10 room_unavailable"]
    );
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(rig.received("e5", "echo-1"), ["closed room_unavailable"]);
    assert!(record(&rig, "echo-1").is_some());
    let stored = rig.get(Bucket::Rooms(P), &key).unwrap();
    assert_eq!(stored.value.as_deref(), Some("nonsense".as_bytes()));
}

#[test]
fn d14_a_room_whose_state_exceeds_its_limit_goes_to_quarantine() {
    let mut rig = Rig::with_config(|config| config.state_bytes = 50_000);
    rig.take();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "grow");
    rig.received("e1", "echo-1");
    rig.advance(1_000);
    assert_eq!(
        rig.received("e1", "echo-1").last().unwrap(),
        "closed room_too_big"
    );
    assert_eq!(record(&rig, "echo-1").unwrap().code, "room_too_big");
}

#[test]
fn a_dropped_partition_writes_nothing() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let before = rig.commands.len();
    rig.owner.drop_all();
    rig.advance(5_000);
    let writes = rig.commands[before..].iter();
    assert_eq!(
        writes
            .filter(|c| matches!(c, Command::PutIf { .. }))
            .count(),
        0
    );
}

/// Changes the stored snapshot of a room.
fn tamper(rig: &mut Rig, room: &str, change: impl Fn(String) -> String) {
    let key = subject::room_key(P, &room_id(room));
    let stored = rig.get(Bucket::Rooms(P), &key).unwrap().value.clone();
    let text = String::from_utf8(stored.unwrap().to_vec()).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text);
    rig.put(Bucket::Rooms(P), &key, Some(changed.into()));
}

#[test]
fn d14_a_room_whose_snapshot_does_not_match_its_hash_goes_to_quarantine() {
    for (is, becomes) in [
        (r#""last_seq":1"#, r#""last_seq":2"#),
        ("joined alice", "joined Alice"),
        (r#""versions":[2,2]"#, r#""versions":[2,3]"#),
        (r#""edges":["e1"]"#, r#""edges":["e2"]"#),
    ] {
        let mut rig = Rig::started();
        rig.join("echo-1", "alice", 10);
        rig.join("echo-2", "bob", 20);
        rig.input("echo-1", ("alice", 10), 1, "a");
        rig.advance(2_000);
        tamper(&mut rig, "echo-1", |text| text.replace(is, becomes));
        rig.restart();
        rig.send_interest(interest("e5", &["echo-1", "echo-2"], true));
        let counts = rig.owner.counts();
        assert_eq!((counts.damaged, counts.unreadable_snapshots), (1, 0));
        assert_eq!(rig.received("e5", "echo-1"), ["closed room_unavailable"]);
        assert_eq!(rig.received("e5", "echo-2")[..1], ["snapshot 0 v1 1"]);
        assert!(record(&rig, "echo-1").is_some());
        let stored = rig.snapshot("echo-1").unwrap().to_string();
        assert!(stored.contains(becomes), "as it was: {stored}");
    }
}

#[test]
fn snapshots_without_a_hash_of_the_whole_state_are_read() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(2_000);
    tamper(&mut rig, "echo-1", |text| {
        let at = text.find(r#""state_hash":"#).unwrap();
        let len = text[at..].find(',').unwrap() + 1;
        text[..at].to_owned() + &text[at + len..]
    });
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(rig.received("e5", "echo-1")[..1], ["snapshot 0 v1 1"]);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(2_000);
    let hash = &rig.snapshot("echo-1").unwrap()["state_hash"];
    assert_eq!(hash.as_str().unwrap().len(), 16, "{hash}");
}

#[test]
fn d14_an_unstored_quarantine_record_follows_a_cut_of_the_log() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.input("echo-1", ("alice", 10), 2, "a");
    rig.advance(3_000);
    rig.failing_key = "echo-1";
    PANICS.set(2);
    rig.input("echo-1", ("alice", 10), 3, "panic");
    // Entries 2 to 4 are lost. Entries that are stored there later are new to the room.
    rig.log.retain(|entry| entry.seq <= 1);
    rig.next_seq = 2;
    rig.owner.handle_log_lost(P);
    rig.run();
    rig.failing_key = "none";
    rig.advance(1_000);
    let key = subject::room_key(P, &room_id("echo-1"));
    let record = rig.get(Bucket::Quarantine, &key).unwrap().value.clone();
    let record: QuarantineRecord = serde_json::from_slice(&record.unwrap()).unwrap();
    assert_eq!(record.seq, 2);
    rig.advance(3_000);
    assert_eq!(rig.checkpoint().seq, 2, "nothing holds the checkpoint back");
    rig.owner.release(rig.now, P);
    rig.advance(1_000);
    assert_eq!(rig.events, ["released"]);
}

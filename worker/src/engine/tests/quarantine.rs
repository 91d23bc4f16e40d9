//! Quarantine records live until what they protect is stored (D29).

use grandstand_common::bus::Bucket;
use grandstand_common::subject;

use super::stored::record;
use super::*;
use crate::command::{Command, EngineConfig};
use crate::stored::quarantine::QuarantineRecord;

fn fixed(config: &mut EngineConfig) {
    config.build = "fixed".into();
}

/// Puts `echo-1` in quarantine at its input 3. Returns that entry.
fn quarantine(rig: &mut Rig) -> u64 {
    rig.join("echo-1", "alice", 10);
    rig.advance(1_500);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.input("echo-1", ("alice", 10), 2, "b");
    PANICS.set(2);
    let at = rig.input("echo-1", ("alice", 10), 3, "panic");
    rig.advance(3_000);
    assert!(record(rig, "echo-1").is_some());
    at
}

/// Drops the log before an entry.
fn expire(rig: &mut Rig, first: u64) {
    rig.log.retain(|entry| entry.seq >= first);
    rig.log_first = first;
}

fn view(rig: &mut Rig) -> (String, u64) {
    rig.send_interest(interest("e5", &["echo-1"], true));
    let received = rig.received("e5", "echo-1");
    let instance = rig.snapshot("echo-1").unwrap();
    let instance = &instance["room"]["instance"];
    (received[0].clone(), instance.as_u64().unwrap())
}

#[test]
fn d29_a_quarantine_record_is_deleted_after_its_room_is_stored() {
    let mut rig = Rig::started();
    quarantine(&mut rig);
    let before = rig.commands.len();
    rig.failing_key = "echo-1";
    rig.restart_with(fixed);
    rig.advance(1_000);
    // The worker dies in between. Its successor finds the record and runs the room again.
    rig.restart_with(fixed);
    assert_eq!(view(&mut rig).0, "snapshot 0 v4 4");
    rig.advance(1_000);
    let mut since = rig.commands[before..].iter();
    assert!(!since.any(|command| matches!(command, Command::DeleteIf { .. })));

    rig.failing_key = "none";
    rig.advance(1_000);
    assert_eq!(record(&rig, "echo-1"), None);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 4);
}

#[test]
fn d29_a_room_that_runs_again_is_written_once_it_has_all_of_its_log() {
    let mut rig = Rig::started();
    quarantine(&mut rig);
    for n in 4..=60 {
        rig.input("echo-1", ("alice", 10), n, "c");
    }
    let before = rig.commands.len();
    rig.restart_with(fixed);
    rig.advance(1_000);
    let last = rig.snapshot("echo-1").unwrap()["last"].clone();
    assert_eq!(last, rig.next_seq - 1);
    let written = rig.commands[before..]
        .iter()
        .filter(|command| matches!(command, Command::PutIf { key, .. } if key.ends_with("echo-1")));
    assert_eq!(written.count(), 1);
    assert_eq!(record(&rig, "echo-1"), None);
}

#[test]
fn d29_a_failed_deletion_of_a_record_is_repeated() {
    let mut rig = Rig::started();
    quarantine(&mut rig);
    let key = subject::room_key(P, &room_id("echo-1"));
    let stored = rig.get(Bucket::Quarantine, &key).unwrap().value.clone();
    rig.restart_with(fixed);
    rig.advance(2_000);
    assert_eq!(record(&rig, "echo-1"), None);

    rig.put(Bucket::Quarantine, &key, stored);
    rig.failing_key = "echo-1";
    rig.restart_with(fixed);
    rig.advance(1_000);
    assert!(record(&rig, "echo-1").is_some());
    (rig.failing_key, rig.lose_answers) = ("none", 1);
    rig.lose_answers_of = "echo-1";
    rig.advance(250);
    assert_eq!(record(&rig, "echo-1"), None);
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events, [""; 0], "the answer to the deletion is missing");
    rig.advance(250);
    assert_eq!(rig.events, ["released"]);
}

#[test]
fn d29_a_room_in_quarantine_is_stored_as_it_was_before_the_fault() {
    let mut rig = Rig::started();
    rig.failing_key = "echo-1";
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(1_500);
    PANICS.set(2);
    let at = rig.input("echo-1", ("alice", 10), 2, "panic");
    rig.advance(1_000);
    assert!(rig.snapshot("echo-1").is_none());
    rig.failing_key = "none";
    rig.advance(1_000);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["last"], at - 1);
    let log = stored["game"]["log"].as_array().unwrap();
    assert_eq!(log.len(), 2, "{log:?}");
    rig.advance(2_000);
    assert_eq!(rig.checkpoint().seq, at + 1, "nothing is held back");
}

#[test]
fn d29_an_intact_snapshot_is_tried_again_however_old_the_log_is() {
    let mut rig = Rig::started();
    let at = quarantine(&mut rig);
    let instance = rig.snapshot("echo-1").unwrap()["room"]["instance"].clone();
    expire(&mut rig, at);
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(
        rig.received("e5", "echo-1"),
        ["closed room_unavailable"],
        "the same build does not try again"
    );
    rig.restart_with(fixed);
    rig.advance(2_000);
    let (shown, now) = view(&mut rig);
    assert_eq!(shown, "snapshot 0 v4 4");
    assert_eq!(now, instance, "no entry is missing");
    assert_eq!(record(&rig, "echo-1"), None);
}

#[test]
fn d29_a_room_whose_entries_are_gone_goes_on_as_a_new_instance() {
    let mut rig = Rig::started();
    let at = quarantine(&mut rig);
    let instance = rig.snapshot("echo-1").unwrap()["room"]["instance"].clone();
    expire(&mut rig, at + 1);
    rig.restart_with(fixed);
    rig.advance(2_000);
    let (shown, now) = view(&mut rig);
    assert_eq!(shown, "snapshot 0 v3 3", "as before the fault");
    assert_ne!(now, instance);
    assert_eq!(record(&rig, "echo-1"), None);

    // The new instance is stored, so it stays.
    rig.restart_with(fixed);
    assert_eq!(view(&mut rig).1, now);
}

#[test]
fn d29_a_record_whose_room_and_log_are_gone_is_deleted() {
    let mut rig = Rig::new();
    let key = subject::room_key(P, &room_id("echo-1"));
    let lone = QuarantineRecord {
        epoch: grandstand_common::id::Epoch(7),
        build: "old".into(),
        seq: 3,
        code: "room_unavailable".into(),
        why: None,
        version: None,
    };
    let value = serde_json::to_vec(&lone).unwrap();
    rig.put(Bucket::Quarantine, &key, Some(value.into()));
    (rig.log_first, rig.next_seq) = (9, 9);
    rig.take();
    assert_eq!(record(&rig, "echo-1"), None);
    rig.join("echo-1", "alice", 10);
    let received = rig.received("e1", "echo-1");
    assert!(received.contains(&"processed 10 n0 seq0".into()));
}

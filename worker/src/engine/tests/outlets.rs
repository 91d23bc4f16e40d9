//! Items that rooms send out: to the stream of what games emit, and to other rooms.

use std::collections::BTreeSet;

use grandstand_common::id::Instance;
use grandstand_common::wire::{Body, Empty};

use super::*;
use crate::command::Command;

/// The data of the items that were emitted since the last call, by id.
fn emitted(rig: &mut Rig) -> Vec<(String, String)> {
    let emitted = std::mem::take(&mut rig.emitted).into_iter();
    emitted
        .map(|(id, body)| (id, body["data"].to_string()))
        .collect()
}

fn ids(rig: &mut Rig) -> Vec<String> {
    emitted(rig).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn an_item_has_the_room_its_game_and_the_time_of_its_event() {
    let mut rig = Rig::started();
    let instance = Instance(rig.join("echo-1", "alice", 10));
    let time_ms = rig.now.log_ms;
    rig.input("echo-1", ("alice", 10), 1, "emit hello");
    rig.input("echo-1", ("alice", 10), 2, "reject");
    rig.input("echo-1", ("alice", 10), 3, "emit 2");
    let (id, body) = rig.emitted[0].clone();
    assert_eq!(id, format!("{instance}.1"));
    let wanted = serde_json::json!({
        "id": id, "room": "echo-1", "game": "echo", "topic": "notes", "at_ms": time_ms, "data": "hello",
    });
    assert_eq!(body, wanted);
    let expected: Vec<_> = (1..=3).map(|no| format!("{instance}.{no}")).collect();
    assert_eq!(ids(&mut rig), expected);
    assert_eq!(rig.owner.counts().sent_out, 3);
}

#[test]
fn d36_a_worker_that_dies_before_the_ack_loses_no_item_and_repeats_have_the_same_id() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.hold_outcomes = true;
    rig.input("echo-1", ("alice", 10), 1, "emit a");
    let first = emitted(&mut rig);
    // From the log: no snapshot was written.
    rig.restart();
    assert_eq!(emitted(&mut rig), first);
    // From the snapshot: the log's entries are covered.
    rig.advance(1_000);
    rig.advance(1_000);
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["outlet"][0]["data"], "a");
    rig.log.clear();
    rig.restart();
    rig.advance(1);
    assert_eq!(emitted(&mut rig), first);
    // Once it is acked, the snapshot is written again without it.
    rig.release_outcomes();
    rig.advance(1_000);
    rig.advance(1_000);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["outlet"], serde_json::Value::Null, "{stored}");
    rig.restart();
    assert_eq!(emitted(&mut rig), []);
    // Numbers go on.
    rig.input("echo-1", ("alice", 10), 2, "emit b");
    let id = ids(&mut rig).remove(0);
    assert!(id.ends_with(".2"), "{id}");
}

#[test]
fn d36_nothing_is_sent_before_the_takeover_is_done() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "emit a");
    ids(&mut rig);
    rig.commands.clear();
    rig.restart();
    let ready = |c: &Command| matches!(c, Command::Ready { .. });
    let emit = |c: &Command| matches!(c, Command::Emit { .. });
    let ready = rig.commands.iter().position(ready).unwrap();
    let first = rig.commands.iter().position(emit).unwrap();
    assert!(ready < first);
}

#[test]
fn d36_an_item_that_is_refused_is_sent_again() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.fail_emits = true;
    rig.input("echo-1", ("alice", 10), 1, "emit 3");
    for _ in 0..20 {
        rig.advance(1_000);
    }
    rig.fail_emits = false;
    rig.advance(5_000);
    assert_eq!(ids(&mut rig).len(), 3);
    rig.advance(10_000);
    assert_eq!(ids(&mut rig).len(), 0);
}

#[test]
fn d36_a_finished_room_stays_stored_until_its_items_are_acked() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "finish");
    rig.fail_emits = true;
    rig.input("echo-2", ("alice", 10), 1, "x");
    rig.join("echo-2", "alice", 20);
    rig.input("echo-2", ("alice", 20), 1, "emit last");
    rig.append("echo-2", Body::Close(Empty {}).into());
    rig.advance(1_000);
    for _ in 0..7 {
        rig.advance(10_000);
    }
    assert_eq!(rig.snapshot("echo-1"), None, "it has sent nothing out");
    let stored = rig.snapshot("echo-2").unwrap();
    assert_eq!(stored["outlet"][0]["data"], "last");
    rig.restart();
    rig.fail_emits = false;
    rig.advance(10_000);
    assert_eq!(emitted(&mut rig).len(), 1);
    for _ in 0..3 {
        rig.advance(2_000);
    }
    assert_eq!(rig.snapshot("echo-2"), None);
}

#[test]
fn d36_a_message_reaches_the_other_room_once_although_its_ack_was_lost() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.hold_outcomes = true;
    rig.input("echo-1", ("alice", 10), 1, "send echo-2");
    rig.input("echo-1", ("alice", 10), 2, "send echo-2");
    rig.input("echo-1", ("alice", 10), 3, "send echo-9");
    rig.restart();
    rig.release_outcomes();
    rig.advance(2_000);
    rig.restart();
    rig.advance(2_000);
    let log = rig.snapshot("echo-2").unwrap()["game"]["log"].clone();
    assert_eq!(
        log,
        serde_json::json!(["joined bob", "news 1 from echo-1", "news 2 from echo-1"])
    );
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["outlet"], serde_json::Value::Null);
}

/// Fills the outlet of `echo-1`, and lets three entries of it wait.
fn filled() -> Rig {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.fail_emits = true;
    for n in 1..=4 {
        rig.input("echo-1", ("alice", 10), n, "emit 256");
    }
    rig.received("e1", "echo-1");
    rig.received("e2", "echo-2");
    for n in 5..=7 {
        rig.input("echo-1", ("alice", 10), n, "more");
        rig.input("echo-2", ("bob", 20), n - 4, "other");
    }
    rig
}

#[test]
fn d26_a_room_whose_items_are_not_acked_waits_and_no_other_room_does() {
    let mut rig = filled();
    assert_eq!(rig.received("e1", "echo-1"), Vec::<String>::new());
    assert_eq!(rig.received("e2", "echo-2").len(), 6);
    assert_eq!(rig.owner.partitions().room_counts().waiting, 1);
    for _ in 0..5 {
        rig.advance(10_000);
    }
    let held = rig
        .log
        .iter()
        .filter(|e| e.subject.ends_with("echo-1"))
        .nth(5);
    assert_eq!(rig.checkpoint().seq, held.unwrap().seq, "the log is kept");
    rig.fail_emits = false;
    rig.advance(5_000);
    assert_eq!(rig.owner.partitions().room_counts().waiting, 0);
    let received = rig.received("e1", "echo-1");
    for line in [
        "update 6/0 alice more",
        "update 8/0 alice more",
        "processed 10 n7 seq7",
    ] {
        assert!(received.contains(&line.to_owned()), "{line}: {received:?}");
    }
    let all: BTreeSet<_> = ids(&mut rig).into_iter().collect();
    assert_eq!(all.len(), 1_024);
    rig.input("echo-1", ("alice", 10), 8, "emit last");
    assert_eq!(emitted(&mut rig)[0].1, "\"last\"");
    rig.advance(2_000);
    rig.advance(2_000);
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
}

#[test]
fn d26_a_successor_goes_on_with_the_entries_that_waited() {
    let mut rig = filled();
    rig.advance(2_000);
    rig.restart();
    assert_eq!(rig.owner.partitions().room_counts().waiting, 1);
    rig.advance(5_000);
    rig.send_interest(interest("e1", &["echo-1"], true));
    rig.received("e1", "echo-1");
    rig.fail_emits = false;
    rig.advance(5_000);
    let received = rig.received("e1", "echo-1");
    let line = "update 8/8 alice more".to_owned();
    assert!(received.contains(&line), "{received:?}");
    let all: BTreeSet<_> = ids(&mut rig).into_iter().collect();
    assert_eq!(all.len(), 1_024);
}

#[test]
fn d26_a_timer_of_a_room_that_waits_is_appended_once_it_goes_on() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.fail_emits = true;
    rig.input("echo-1", ("alice", 10), 1, "timer");
    for n in 2..=5 {
        rig.input("echo-1", ("alice", 10), n, "emit 256");
    }
    rig.input("echo-1", ("alice", 10), 6, "more");
    let before = rig.log.len();
    for _ in 0..10 {
        rig.advance(1_000);
    }
    assert_eq!(rig.log.len(), before, "a timer would wait too");
    rig.fail_emits = false;
    rig.received("e1", "echo-1");
    for _ in 0..6 {
        rig.advance(1_000);
    }
    let received = rig.received("e1", "echo-1");
    assert!(
        received.iter().any(|line| line.contains("timer t")),
        "{received:?}"
    );
}

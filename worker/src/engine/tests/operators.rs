//! Requests of operators.

use grandstand_common::bus::Bucket;
use grandstand_common::subject;
use grandstand_common::wire::{ListPage, OperatorReply, OperatorWant};

use super::*;

fn ask(rig: &mut Rig, want: OperatorWant) -> OperatorReply {
    let reply = rig.owner.handle_operator(rig.now, P, &want).unwrap();
    rig.run();
    reply
}

fn names(reply: &OperatorReply) -> Vec<String> {
    let rooms = reply.rooms.iter();
    let parse = |room| serde_json::from_slice::<serde_json::Value>(room).unwrap();
    rooms
        .map(|room| parse(room))
        .map(|room| {
            format!(
                "{} {}",
                room["room"].as_str().unwrap(),
                room["state"].as_str().unwrap()
            )
        })
        .collect()
}

fn show(rig: &mut Rig, room: &str) -> Vec<String> {
    let reply = ask(rig, OperatorWant::Show(room.to_owned()));
    names(&reply)
}

/// A room whose game has panicked at its third input, and has had two more.
fn quarantined() -> Rig {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(1_000);
    rig.input("echo-1", ("alice", 10), 2, "b");
    PANICS.set(2);
    rig.input("echo-1", ("alice", 10), 3, "panic");
    PANICS.set(0);
    rig.input("echo-1", ("alice", 10), 4, "c");
    rig.advance(2_000);
    rig.advance(2_000);
    assert_eq!(show(&mut rig, "echo-1"), ["echo-1 quarantined"]);
    assert_eq!(
        rig.checkpoint().seq,
        rig.next_seq,
        "a record holds nothing back"
    );
    rig
}

#[test]
fn rooms_are_listed_in_pages() {
    let mut rig = Rig::started();
    for n in 0..5 {
        rig.join(&format!("echo-{n}"), "alice", 10 + n);
    }
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let reply = ask(&mut rig, OperatorWant::List(ListPage { from, limit: 2 }));
        all.extend(names(&reply));
        from = reply.next;
        if from == 0 {
            break;
        }
    }
    all.sort_unstable();
    let wanted: Vec<_> = (0..5).map(|n| format!("echo-{n} loaded")).collect();
    assert_eq!(all, wanted);
    let missing = ask(&mut rig, OperatorWant::Show("echo-9".to_owned()));
    assert_eq!(missing.code, "no_such_room");
    let bad = ask(&mut rig, OperatorWant::Drop("a b".to_owned()));
    assert_eq!(bad.code, "bad_room");
}

#[test]
fn d29_a_room_in_quarantine_that_is_tried_again_has_all_its_entries() {
    let mut rig = quarantined();
    rig.received("e1", "echo-1");
    let reply = ask(&mut rig, OperatorWant::Retry("echo-1".to_owned()));
    assert_eq!(reply, OperatorReply::default());
    for _ in 0..3 {
        rig.advance(1_000);
    }
    assert_eq!(show(&mut rig, "echo-1"), ["echo-1 loaded"]);
    let wanted = [
        "joined alice",
        "alice a",
        "alice b",
        "alice panic",
        "alice c",
    ];
    let log = rig.snapshot("echo-1").unwrap()["game"]["log"].clone();
    assert_eq!(log, serde_json::json!(wanted));
    let key = subject::room_key(P, &room_id("echo-1"));
    let record = rig.get(Bucket::Quarantine, &key);
    assert!(
        record.is_none_or(|record| record.value.is_none()),
        "{record:?}"
    );
    rig.input("echo-1", ("alice", 10), 5, "d");
    rig.advance(1_000);
    rig.restart();
    assert_eq!(show(&mut rig, "echo-2"), ["echo-2 stored"]);
    rig.input("echo-1", ("alice", 10), 6, "e");
    rig.advance(1_000);
    let log = rig.snapshot("echo-1").unwrap()["game"]["log"].clone();
    assert_eq!(log.as_array().unwrap().len(), wanted.len() + 2);
}

#[test]
fn d29_a_room_that_fails_again_is_back_in_quarantine_and_may_be_tried_once_more() {
    let mut rig = quarantined();
    PANICS.set(2);
    ask(&mut rig, OperatorWant::Retry("echo-1".to_owned()));
    rig.advance(2_000);
    rig.advance(2_000);
    PANICS.set(0);
    assert_eq!(show(&mut rig, "echo-1"), ["echo-1 quarantined"]);
    ask(&mut rig, OperatorWant::Retry("echo-1".to_owned()));
    rig.advance(2_000);
    assert_eq!(show(&mut rig, "echo-1"), ["echo-1 loaded"]);
    let again = ask(&mut rig, OperatorWant::Retry("echo-1".to_owned()));
    assert_eq!(again.code, "not_quarantined");
}

#[test]
fn d12_a_room_in_quarantine_that_is_dropped_is_gone_for_good() {
    let mut rig = quarantined();
    let runs = ask(&mut rig, OperatorWant::Drop("echo-2".to_owned()));
    assert_eq!(runs.code, "runs");
    let reply = ask(&mut rig, OperatorWant::Drop("echo-1".to_owned()));
    assert_eq!(reply, OperatorReply::default());
    for _ in 0..3 {
        rig.advance(2_000);
    }
    assert_eq!(rig.snapshot("echo-1"), None);
    rig.restart();
    let gone = ask(&mut rig, OperatorWant::Show("echo-1".to_owned()));
    assert_eq!(gone.code, "no_such_room");
    // The name is free.
    rig.join("echo-1", "alice", 30);
    assert_eq!(show(&mut rig, "echo-1"), ["echo-1 loaded"]);
}

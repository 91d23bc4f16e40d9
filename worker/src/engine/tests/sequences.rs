//! Sequences of events from docs/durability.md that would lose or repeat an input, as the owner sees them.

use grandstand_common::bus::Bucket;
use grandstand_common::subject;
use grandstand_common::wire::{Entry, LinkRequest};
use prost::Message;

use super::*;
use crate::command::{Command, Outcome};

#[test]
fn d03_entries_reordered_by_a_reconnect_are_applied_once_and_in_order() {
    let mut rig = Rig::started();
    let alice = ("alice", 10);
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    // After a reconnect the queued entry is stored before the lost ones.
    rig.input("echo-1", alice, 3, "c");
    rig.input("echo-1", alice, 1, "a");
    rig.input("echo-1", alice, 2, "b");
    let received = rig.received("e1", "echo-1");
    assert_eq!(received[0], "processed 10 n0 seq0 gap1");
    assert_eq!(
        received.last().unwrap(),
        "processed 10 n2 seq2",
        "entry 3 was skipped"
    );
    // The edge repeats its window in another round.
    for n in 1..=3 {
        let mut again = input(alice, n, n, ["a", "b", "c"][n as usize - 1]);
        again.round = 2;
        rig.append("echo-1", again);
    }
    let received = rig.received("e1", "echo-1");
    let updates = received
        .iter()
        .filter(|received| received.starts_with("update"));
    assert_eq!(updates.collect::<Vec<_>>(), ["update 4/0 alice c"]);
    assert_eq!(received.last().unwrap(), "processed 10 n3 seq3");
}

#[test]
fn d01_of_two_devices_with_the_same_seq_only_the_latest_one_is_applied() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 30);
    rig.input("echo-1", ("alice", 10), 1, "one");
    rig.join("echo-1", "alice", 20);
    // Both devices send their second input. The first one does not know yet that it was replaced.
    rig.input("echo-1", ("alice", 10), 2, "old");
    rig.append("echo-1", input(("alice", 20), 1, 2, "new"));
    rig.append("echo-1", input(("alice", 10), 3, 3, "older"));
    let received = rig.received("e3", "echo-1");
    let inputs = received
        .iter()
        .filter(|received| received.contains("alice") && !received.contains("joined"));
    assert_eq!(
        inputs.collect::<Vec<_>>(),
        ["update 3/0 alice one", "update 4/0 alice new"]
    );
    assert_eq!(
        rig.received("e2", "echo-1").last().unwrap(),
        "processed 20 n1 seq2"
    );
    let received = rig.received("e1", "echo-1");
    let gone = received
        .iter()
        .filter(|received| *received == "gone 10 replaced");
    assert!(gone.count() >= 1, "{received:?}");
}

#[test]
fn d01_a_late_lost_from_the_previous_edge_disconnects_nobody() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "alice", 20);
    rig.received("e2", "echo-1");
    rig.append("echo-1", lost(("alice", 10), 1));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.run();
    let received = rig.received("e2", "echo-1");
    assert!(
        !received.iter().any(|received| received.contains("lost")),
        "{received:?}"
    );
    rig.input("echo-1", ("alice", 20), 1, "on");
    assert_eq!(
        rig.received("e2", "echo-1").last().unwrap(),
        "processed 20 n1 seq1"
    );
}

/// Carries out the last write of a key again, as a stale owner that does not know of its successor.
fn stale_write(rig: &mut Rig, key: &str) -> (Outcome, bytes::Bytes) {
    let stale = rig.commands.iter().rev().find_map(|command| match command {
        Command::PutIf {
            bucket: Bucket::Rooms(_),
            key: of,
            value,
            expected,
            ..
        } if of == key => Some((value.clone(), *expected)),
        _ => None,
    });
    let (value, expected) = stale.unwrap();
    let found = rig
        .get(Bucket::Rooms(P), key)
        .map_or(0, |entry| entry.revision);
    if found == expected {
        (
            Outcome::Stored(rig.put(Bucket::Rooms(P), key, Some(value.clone()))),
            value,
        )
    } else {
        (Outcome::Conflict, value)
    }
}

#[test]
fn d08_a_stale_owners_late_snapshot_is_overwritten_and_drops_no_room() {
    let key = subject::room_key(P, &room_id("echo-1"));
    // The write of the stale owner arrives after its successor has read the rooms.
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.failing_key = "echo-1";
    rig.advance(1_000);
    rig.failing_key = "none";
    rig.restart();
    let (outcome, late) = stale_write(&mut rig, &key);
    assert!(
        matches!(outcome, Outcome::Stored(_)),
        "the successor has not written yet"
    );
    assert_eq!(rig.get(Bucket::Rooms(P), &key).unwrap().value, Some(late));
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(1_000);
    assert_eq!(
        rig.events, [""; 0],
        "the rightful owner does not drop the room"
    );
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(
        (&stored["epoch"], &stored["last"]),
        (&102.into(), &2.into())
    );
    let (outcome, _) = stale_write(&mut rig, &key);
    assert_eq!(
        outcome,
        Outcome::Conflict,
        "the successor has written since"
    );
}

#[test]
fn d09_a_stale_owner_cannot_write_a_checkpoint_after_its_successors_claim() {
    let mut rig = Rig::started();
    let key = subject::checkpoint_key(P);
    rig.join("echo-1", "alice", 10);
    rig.advance(3_000);
    let written = rig.checkpoint();
    assert_eq!((written.epoch.0, written.seq), (101, 2));
    rig.restart();
    assert_eq!(
        rig.checkpoint().epoch.0,
        102,
        "the successor claims it first"
    );
    let claimed = rig
        .commands
        .iter()
        .rposition(|command| matches!(command, Command::PutIf { key: of, .. } if *of == key));
    rig.commands.truncate(claimed.unwrap());
    let (outcome, _) = stale_write(&mut rig, &key);
    assert_eq!(outcome, Outcome::Conflict);
    assert_eq!((rig.checkpoint().epoch.0, rig.checkpoint().seq), (102, 2));
}

#[test]
fn d08_snapshots_are_written_on_after_a_lost_answer() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.lose_answers = 1;
    rig.advance(1_000);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 1, "it was written");
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(2_000);
    rig.advance(2_000);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 2);
    assert_eq!(rig.checkpoint().seq, 3);
    assert_eq!(rig.events, [""; 0]);
}

#[test]
fn d09_the_checkpoint_advances_after_a_lost_answer() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(1_000);
    (rig.lose_answers, rig.lose_answers_of) = (1, "checkpoint");
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(1_000);
    rig.advance(1_000);
    assert_eq!((rig.lose_answers, rig.checkpoint().seq), (0, 3));
    rig.input("echo-1", ("alice", 10), 2, "b");
    rig.advance(1_000);
    rig.advance(1_000);
    assert_eq!(rig.checkpoint().seq, 4);
    assert_eq!(rig.events, [""; 0]);
}

#[test]
fn d19_a_beat_reveals_the_loss_of_a_rooms_last_message() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    rig.advance(40_000);
    let before = rig.sent.back().map(|(_, batch)| batch.number).unwrap();
    rig.sent.clear();
    rig.input("echo-1", ("alice", 10), 1, "a");
    // The batch is lost, and only a beat follows.
    rig.sent.clear();
    rig.advance(100);
    let (_, beat) = rig.sent.back().cloned().unwrap();
    assert!(beat.beat && beat.number > before, "{beat:?}");
    let request = LinkRequest {
        edge: "e1".into(),
        from: before + 1,
        to: beat.number,
    };
    let reply = rig.owner.handle_link_request(rig.now, &request);
    assert_eq!(
        (reply.all, &reply.rooms[..]),
        (false, &["echo-1".to_owned()][..])
    );
    rig.sent.clear();
    let mut ask = interest("e1", &["echo-1"], true);
    ask.rooms[0].sessions = vec![10];
    rig.send_interest(ask);
    let received = rig.received("e1", "echo-1");
    assert!(
        received
            .iter()
            .any(|received| received == "snapshot 0 v2 2"),
        "{received:?}"
    );
    assert!(
        received
            .iter()
            .any(|received| received == "processed 10 n1 seq1"),
        "{received:?}"
    );
}

#[test]
fn d13_players_of_an_edge_that_died_while_there_was_no_owner_are_lost() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    rig.advance(3_000);
    // The owner and e1 die. The next owner is told of neither.
    rig.restart();
    let held = rig.owner.partitions().session_processes();
    assert!(
        held.contains("e1") && held.contains("e2"),
        "both processes are to be probed"
    );
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.run();
    rig.send_interest(interest("e3", &["echo-1"], true));
    rig.expect_item("e3", "echo-1", "snapshot 0 v3 3");
    assert_eq!(rig.owner.partitions().session_processes().len(), 1);
}

#[test]
fn d13_after_a_takeover_the_timers_of_untouched_rooms_fire() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "timer");
    rig.advance(10);
    rig.restart();
    rig.advance(200);
    rig.send_interest(interest("e3", &["echo-1"], true));
    rig.expect_item("e3", "echo-1", "snapshot 0 v3 3");
}

#[test]
fn d15_a_room_created_again_after_nats_was_wiped_is_another_instance() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let first = rig.sent.back().unwrap().1.rooms[0].instance;
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(3_000);
    rig.log.clear();
    rig.kv.clear();
    rig.created_ms += 1;
    rig.next_seq = 5;
    rig.log_first = 5;
    rig.restart();
    // Her edge continues the old chain.
    rig.input("echo-1", ("alice", 10), 2, "b");
    assert_eq!(rig.received("e1", "echo-1"), ["gone 10 not_joined"]);
    rig.join("echo-1", "alice", 11);
    let again = rig.sent.back().unwrap().1.rooms[0].instance;
    assert_ne!((first, again), (0, 0));
    assert_ne!(first, again);
    rig.expect_item("e1", "echo-1", "processed 11 n0 seq0");
}

#[test]
fn d12_an_earlier_instances_deletion_timer_does_not_delete_the_room() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(1_000);
    let first = rig.snapshot("echo-1").unwrap()["room"]["instance"].clone();
    rig.input("echo-1", ("alice", 10), 1, "finish");
    rig.advance(61_000);
    assert_eq!(rig.owner.partitions().room_counts().loaded, 0);
    rig.join("echo-1", "alice", 11);
    // A stale owner appends the timer that deleted the earlier instance.
    let timer = rig.log.iter().rev().find(|stored| {
        let entry = Entry::decode(stored.payload.clone()).unwrap();
        matches!(entry.body, Some(grandstand_common::wire::Body::Timer(_)))
    });
    let timer = Entry::decode(timer.unwrap().payload.clone()).unwrap();
    rig.append("echo-1", timer);
    assert_eq!(rig.owner.partitions().room_counts().loaded, 1);
    rig.advance(3_000);
    let stored = rig.snapshot("echo-1").unwrap();
    assert!(stored["room"]["instance"].as_u64() > first.as_u64());
}

//! Unloading and loading of idle rooms (D13).

use std::time::Duration;

use grandstand_common::bus::Bucket;
use grandstand_common::id::Partition;
use grandstand_common::subject;

use super::*;
use crate::command::Command;
use crate::loads::{Load, Urgency};

fn idle_rig() -> Rig {
    let mut rig = Rig::with_config(|config| config.idle = Some(Duration::from_secs(5)));
    rig.take();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig
}

fn rooms(rig: &Rig) -> (usize, usize) {
    (
        rig.owner.partitions().room_counts().loaded,
        rig.owner.partitions().room_counts().stored,
    )
}

#[test]
fn d25_a_partition_that_waits_for_the_loads_of_others_is_not_forgotten() {
    let mut rig = idle_rig();
    rig.append("echo-1", lost(("alice", 10), 2));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.advance(60_000);
    assert_eq!(rooms(&rig), (0, 1));
    // As many loads of another partition as the engine allows.
    while rig.owner.context.can_load(Urgency::Now) {
        rig.owner.context.loads.add(Load {
            partition: Partition(P.0 + 1),
            room: "echo-9".parse().unwrap(),
            stored: None,
        });
    }
    rig.join("echo-1", "alice", 20);
    assert_eq!(rooms(&rig), (1, 0));
}

#[test]
fn d13_an_idle_room_leaves_memory_and_a_join_loads_it_again() {
    let mut rig = idle_rig();
    rig.advance(2_000);
    rig.advance(60_000);
    assert_eq!(rooms(&rig), (1, 0), "alice is connected");
    rig.append("echo-1", lost(("alice", 10), 2));
    rig.advance(1_100);
    rig.advance(3_000);
    assert_eq!(rooms(&rig), (1, 0), "her edge watches");
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.advance(4_900);
    assert_eq!(rooms(&rig), (1, 0), "not idle for long enough");
    rig.advance(100);
    assert_eq!(rooms(&rig), (0, 1));
    rig.advance(100_000);
    let seq = rig.next_seq;
    assert_eq!(rig.checkpoint().seq, seq);
    // The player returns: the room has her state, and she is told the next number.
    rig.join("echo-1", "alice", 20);
    assert_eq!(rooms(&rig), (1, 0));
    let received = rig.received("e2", "echo-1");
    assert!(
        received.contains(&"snapshot 0 v4 4".to_owned()),
        "{received:?}"
    );
    assert!(
        received.contains(&"processed 20 n0 seq1".to_owned()),
        "{received:?}"
    );
    rig.advance(2_000);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], seq);
}

fn unloaded_rig() -> Rig {
    let mut rig = idle_rig();
    rig.append("echo-1", lost(("alice", 10), 2));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.advance(2_000);
    rig.advance(10_000);
    assert_eq!(rooms(&rig), (0, 1));
    rig.sent.clear();
    rig.commands.clear();
    rig
}

#[test]
fn d13_a_viewer_loads_a_stored_room() {
    let mut rig = unloaded_rig();
    rig.send_interest(interest("e3", &["echo-1"], true));
    let received = rig.received("e3", "echo-1");
    assert!(
        received.contains(&"snapshot 0 v3 3".to_owned()),
        "{received:?}"
    );
    assert_eq!(received.last().unwrap(), "synced");
    assert_eq!(rooms(&rig), (1, 0));
}

#[test]
fn d13_the_timer_of_a_stored_room_fires() {
    let mut rig = Rig::with_config(|config| config.idle = Some(Duration::from_millis(10)));
    rig.take();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "finish");
    rig.append("echo-1", lost(("alice", 10), 2));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.advance(1_500);
    rig.advance(1_500);
    assert_eq!(rooms(&rig), (0, 1));
    rig.advance(60_000);
    rig.advance(3_000);
    rig.advance(3_000);
    assert_eq!(rooms(&rig), (0, 0), "it is deleted a minute after its end");
    assert!(rig.snapshot("echo-1").is_none());
}

#[test]
fn d13_entries_wait_in_order_for_a_room_that_is_read_and_hold_the_checkpoint_back() {
    let mut rig = unloaded_rig();
    let first = rig.next_seq;
    rig.fail_reads = true;
    rig.join("echo-1", "alice", 20);
    rig.send_interest(interest("e3", &["echo-1"], true));
    rig.append("echo-1", input(("alice", 20), 1, 2, "b"));
    rig.join("echo-2", "bob", 30);
    rig.advance(5_000);
    assert_eq!(rig.received("e3", "echo-1"), [""; 0]);
    assert_eq!(
        rig.checkpoint().seq,
        first,
        "the waiting entry holds the checkpoint back"
    );
    rig.fail_reads = false;
    rig.advance(1_000);
    let received = rig.received("e2", "echo-1");
    assert!(
        received.contains(&"update 5/0 alice b".to_owned()),
        "{received:?}"
    );
    assert_eq!(received.last().unwrap(), "processed 20 n1 seq2");
    rig.advance(3_000);
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
}

#[test]
fn d13_a_release_waits_for_a_room_that_is_being_read() {
    let mut rig = unloaded_rig();
    rig.fail_reads = true;
    let seq = rig.join("echo-1", "alice", 20);
    assert_ne!(seq, 0);
    rig.owner.release(rig.now, P);
    rig.advance(500);
    assert_eq!(rig.events, [""; 0]);
    rig.fail_reads = false;
    rig.advance(1_000);
    assert_eq!(rig.events, ["released"]);
    let players = rig.snapshot("echo-1").unwrap()["room"]["players"].clone();
    assert_eq!(players["alice"]["session"], 20);
    assert_eq!(rig.checkpoint().seq, rig.next_seq);
}

#[test]
fn d13_a_stored_room_whose_snapshot_was_changed_goes_to_quarantine() {
    // The change of the stored snapshot, and the counts of damaged and unreadable snapshots.
    type Case = (fn(&str) -> String, (u64, u64));
    let cases: [Case; 3] = [
        (|_| "nonsense".to_owned(), (0, 1)),
        (|text| text.replace("joined alice", "joined Alice"), (1, 0)),
        (|text| text.to_owned(), (1, 0)),
    ];
    for (becomes, counted) in cases {
        let mut rig = unloaded_rig();
        let key = subject::room_key(P, &room_id("echo-1"));
        let stored = rig.get(Bucket::Rooms(P), &key).unwrap().value.clone();
        let text = String::from_utf8(stored.unwrap().to_vec()).unwrap();
        rig.put(Bucket::Rooms(P), &key, Some(becomes(&text).into()));
        rig.join("echo-1", "alice", 20);
        assert_eq!(
            rig.received("e2", "echo-1"),
            ["refused 20 room_unavailable"]
        );
        assert_eq!(rooms(&rig), (0, 0));
        let counts = rig.owner.counts();
        assert_eq!((counts.damaged, counts.unreadable_snapshots), counted);
    }
}

#[test]
fn d23_a_room_at_rest_whose_bucket_is_gone_is_made_again_from_the_log() {
    let mut rig = unloaded_rig();
    rig.kv.clear();
    rig.join("echo-1", "alice", 20);
    assert_eq!(rig.events, ["rolled back"]);
    rig.events.clear();
    rig.restart();
    rig.advance(1_000);
    rig.join("echo-1", "alice", 30);
    let received = rig.received("e3", "echo-1");
    assert!(
        received.contains(&"processed 30 n0 seq1".to_owned()),
        "her input is there: {received:?}"
    );
}

#[test]
fn d13_the_log_is_not_read_while_too_many_entries_wait() {
    let mut rig = unloaded_rig();
    rig.fail_reads = true;
    rig.join("echo-1", "alice", 20);
    for n in 1..=4_500 {
        rig.append("echo-1", input(("alice", 20), n, n + 1, "a"));
    }
    let closed = |command: &Command| matches!(command, Command::CloseLog { .. });
    assert_eq!(rig.commands.iter().filter(|c| closed(c)).count(), 1);
    rig.fail_reads = false;
    rig.advance(1_000);
    let received = rig.received("e2", "echo-1");
    assert!(received.contains(&"processed 20 n4500 seq4501".to_owned()));
}

#[test]
fn d14_panics_outside_entries_count_across_unloading() {
    let mut rig = unloaded_rig();
    for panics in 1..=3 {
        VIEW_PANICS.set(1);
        rig.send_interest(interest("e3", &["echo-1"], true));
        rig.advance(5_000);
        let is_in_service = panics < 3;
        assert_eq!(rooms(&rig), (usize::from(is_in_service), 0), "{panics}");
        rig.owner
            .handle_process_gone(rig.now, &"e3".parse().unwrap());
        rig.advance(10_000);
        assert_eq!(rooms(&rig), (0, usize::from(is_in_service)), "{panics}");
    }
    let received = rig.received("e3", "echo-1");
    assert_eq!(received.last().unwrap(), "closed room_unavailable");
}

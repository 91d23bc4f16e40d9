//! Rooms are written by what their replay would cost (D32).

use std::time::Duration;

use grandstand_common::bus::Bucket;

use super::*;
use crate::command::{Command, EngineConfig};

/// The cadence of a worker with the default configuration.
fn cadence(config: &mut EngineConfig) {
    let default = EngineConfig::new("w-1".parse().unwrap());
    config.snapshot_entries = default.snapshot_entries;
    config.snapshot_delay = default.snapshot_delay;
    config.checkpoint_entries = default.checkpoint_entries;
}

fn rig() -> Rig {
    let mut rig = Rig::with_config(cadence);
    rig.take();
    rig
}

fn puts(rig: &Rig, of: &str) -> usize {
    let is_put = |command: &&Command| matches!(command, Command::PutIf { bucket: Bucket::Rooms(_), key, .. } if key.ends_with(of));
    rig.commands.iter().filter(is_put).count()
}

#[test]
fn d32_with_an_input_every_2500_ms_at_most_a_twentieth_of_the_inputs_is_written() {
    const ROOMS: u64 = 5;
    let mut rig = rig();
    let rooms: Vec<_> = (0..ROOMS).map(|k| format!("echo-{k}")).collect();
    for (k, room) in (0..).zip(&rooms) {
        rig.join(room, "alice", 10 + k);
    }
    let (before, mut inputs) = (puts(&rig, ""), 0);
    for n in 1..=288 {
        for (k, room) in (0..).zip(&rooms) {
            rig.input(room, ("alice", 10 + k), n, "a");
            inputs += 1;
            rig.advance(2_500 / ROOMS);
        }
    }
    let all = puts(&rig, "") - before;
    let share = all as f64 / f64::from(inputs);
    assert!(share <= 0.05, "{all} writes for {inputs} inputs: {share}");

    // The log is the delta.
    rig.restart_with(cadence);
    rig.send_interest(interest("e5", &["echo-3"], true));
    assert_eq!(rig.received("e5", "echo-3")[..1], ["snapshot 0 v289 289"]);
}

#[test]
fn d32_a_room_is_written_after_256_entries_or_32_kib_or_60_s() {
    let mut rig = rig();
    for (k, room) in ["echo-many", "echo-long", "echo-slow"].iter().enumerate() {
        rig.join(room, "alice", 10 + k as u64);
    }
    for n in 1..255 {
        rig.input("echo-many", ("alice", 10), n, "a");
    }
    assert_eq!(puts(&rig, "echo-many"), 0);
    rig.input("echo-many", ("alice", 10), 255, "a");
    assert_eq!(puts(&rig, "echo-many"), 1);

    let text = "x".repeat(8 * 1024);
    for n in 1..4 {
        rig.input("echo-long", ("alice", 11), n, &text);
    }
    assert_eq!(puts(&rig, "echo-long"), 0);
    rig.input("echo-long", ("alice", 11), 4, &text);
    assert_eq!(puts(&rig, "echo-long"), 1);

    rig.advance(59_999);
    assert_eq!(puts(&rig, "echo-slow"), 0);
    rig.advance(1);
    assert_eq!(puts(&rig, "echo-slow"), 1);
    rig.advance(600_000);
    assert_eq!(puts(&rig, "echo-slow"), 1, "nothing has happened since");
}

#[test]
fn d32_the_oldest_rooms_are_written_while_a_replay_would_take_too_long() {
    let mut rig = rig();
    // At 50,000 entries a second, this much is one of 100 entries.
    rig.restart_with(|config| {
        cadence(config);
        config.replay_budget = Duration::from_millis(2);
    });
    for k in 0..50 {
        rig.join(&format!("echo-{k}-"), "alice", 10 + k);
    }
    for n in 1..=100 {
        rig.input("echo-49-", ("alice", 59), n, "a");
    }
    assert_eq!(puts(&rig, "echo-0-"), 1);
    assert_eq!(puts(&rig, "echo-48-"), 1);
    assert_eq!(
        puts(&rig, "echo-49-"),
        1,
        "the last one to become the oldest"
    );
    let last = rig.snapshot("echo-49-").unwrap()["last"].as_u64().unwrap();
    assert!(rig.next_seq - last <= 101, "{last}");
}

#[test]
fn d32_a_handover_writes_all_that_is_uncovered() {
    let mut rig = rig();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.advance(1_000);
    assert_eq!(puts(&rig, "echo-1") + puts(&rig, "echo-2"), 0);
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events, ["released"]);
    assert_eq!(rig.checkpoint().seq, 3);
    assert_eq!(puts(&rig, "echo-1") + puts(&rig, "echo-2"), 2);
}

#[test]
fn d32_an_idle_room_is_written_before_it_leaves_memory() {
    let mut rig = Rig::with_config(|config| {
        cadence(config);
        config.idle = Some(Duration::from_secs(5));
    });
    rig.take();
    rig.join("echo-1", "alice", 10);
    rig.append("echo-1", left(("alice", 10), 1));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.advance(4_900);
    assert_eq!(
        (
            puts(&rig, "echo-1"),
            rig.owner.partitions().room_counts().loaded
        ),
        (0, 1)
    );
    rig.advance(100);
    assert_eq!(puts(&rig, "echo-1"), 1);
    assert_eq!(
        (
            rig.owner.partitions().room_counts().loaded,
            rig.owner.partitions().room_counts().stored
        ),
        (0, 1)
    );
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 2);
}

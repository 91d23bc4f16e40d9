//! A random test: whatever fails, the rooms equal the replay of their log.

use std::time::Duration;

use grandstand_common::bus::Bucket;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::command::EngineConfig;

const ROOMS: [&str; 3] = ["echo-1", "echo-2", "echo-3"];
const PLAYERS: [&str; 3] = ["alice", "bob", "mallory"];

/// Appends what an edge might append, some entries repeated, late or out of order.
fn step(rig: &mut Rig, rng: &mut StdRng, chains: &mut [[(u64, u64, u64); 3]; 3]) {
    let (r, p) = (rng.random_range(0..3), rng.random_range(0..3));
    let (room, player) = (ROOMS[r], PLAYERS[p]);
    let (session, n, seq) = &mut chains[r][p];
    let sender = (player, *session);
    match rng.random_range(0..20) {
        0 | 1 => {
            *session = rng.random_range(10..90);
            *n = 0;
            rig.join(room, player, *session);
        }
        2 => {
            *n += 1;
            rig.append(room, lost(sender, *n));
        }
        3 => {
            *n += 1;
            rig.append(room, left(sender, *n));
        }
        4 => {
            *n += 1;
            rig.append(room, here(sender, *n));
        }
        5 => rig
            .owner
            .handle_process_gone(rig.now, &edge_of(*session).parse().unwrap()),
        6 => {
            rig.append(room, input(sender, n.saturating_sub(1), *seq, "repeated"));
        }
        7 => {
            rig.append(room, input(sender, *n + 3, *seq + 3, "early"));
        }
        8 if rng.random_bool(0.3) => {
            *n += 1;
            *seq += 1;
            rig.append(room, input(sender, *n, *seq, "finish"));
        }
        _ => {
            *n += 1;
            *seq += 1;
            let text = ["a", "timer", "reject", "direct", "panic"][rng.random_range(0..5)];
            rig.append(room, input(sender, *n, *seq, text));
        }
    }
}

fn run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let idle = |config: &mut EngineConfig| config.idle = Some(Duration::from_millis(1_500));
    let mut rig = Rig::with_config(idle);
    rig.take();
    let mut chains = [[(10, 0, 0); 3]; 3];
    for _ in 0..200 {
        step(&mut rig, &mut rng, &mut chains);
        match rng.random_range(0..30) {
            0 => {
                rig.hold_log = false;
                rig.restart_with(idle);
            }
            1 => {
                rig.hold_log = false;
                rig.owner.release(rig.now, P);
                rig.run();
                while rig.events.is_empty() {
                    rig.advance(250);
                }
                assert_eq!(rig.events.pop(), Some("released"));
                rig.restart_with(idle);
            }
            2 => rig.fail_writes = rng.random_range(1..5),
            3 => rig.advance(rng.random_range(0..70_000)),
            4 => PANICS.set(1),
            5 => rig.owner.handle_log_lost(P),
            6 => rig.hold_log = !rig.hold_log,
            _ => rig.advance(rng.random_range(0..300)),
        }
        if rig.fail_writes == 0 && rng.random_bool(0.1) {
            rig.hold_log = false;
        }
    }
    rig.hold_log = false;
    for _ in 0..100 {
        rig.advance(1_000);
    }
    let mut reference = Rig::new();
    reference.now = rig.now;
    reference.log = rig.log.clone();
    reference.next_seq = rig.next_seq;
    reference.take();
    reference.advance(2_000);
    reference.advance(2_000);
    assert_eq!(
        reference.log.len(),
        rig.log.len(),
        "seed {seed}: the replay appends nothing"
    );
    for room in ROOMS {
        let (got, wanted) = (rig.snapshot(room), reference.snapshot(room));
        for part in ["game", "room"] {
            let part_of = |s: &Option<serde_json::Value>| s.as_ref().map(|s| s[part].clone());
            assert_eq!(part_of(&got), part_of(&wanted), "seed {seed}: {room}");
        }
    }
    assert!(
        rig.kv
            .keys()
            .all(|(bucket, _)| *bucket != format!("{:?}", Bucket::Quarantine))
    );
    assert_eq!(
        rig.checkpoint().seq,
        rig.next_seq,
        "seed {seed}: everything is covered"
    );
}

#[test]
fn rooms_equal_the_replay_of_their_log_whatever_fails() {
    for seed in 0..300 {
        run(seed);
    }
}

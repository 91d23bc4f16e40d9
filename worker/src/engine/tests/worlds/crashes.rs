//! Crashes of owners, lost and late appends: commits count exactly once, and little of a world is lost.

use grandstand_common::id::Epoch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// The most ticks that a crash may take back: `MOST_LOST` of the game.
const MOST_LOST_TICKS: u64 = 60;

/// Crashes, holds the log back, loses appends and delays them, at random times; then lets everything settle. Commits must
/// neither be lost nor doubled: the points are those that the world knows.
fn play(seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rig = playing();
    let mut newest = 0;
    let mut zombies: Vec<(String, bytes::Bytes)> = Vec::new();
    for _ in 0..60 {
        rig.advance(rng.random_range(3..60));
        let seen = frames(&mut rig, ROOM, 10);
        if let Some(last) = seen.last() {
            newest = last["tick"].as_u64().unwrap();
        }
        match rng.random_range(0..20) {
            0 => rig.lose_appends = rng.random_range(1..4),
            1 => rig.hold_log = true,
            2 | 3 => {
                rig.hold_log = false;
                rig.run();
            }
            4 => rig.hold_appends = true,
            5 => rig.release_appends(),
            6 => rig.fail_writes = 1,
            7 => rig.lose_answers = 1,
            8 => {
                if let Some((subject, payload)) = zombies.pop() {
                    rig.store(subject, payload);
                    rig.run();
                }
            }
            9 | 10 => {
                rig.hold_log = false;
                rig.hold_appends = false;
                (rig.lose_appends, rig.fail_writes, rig.lose_answers) = (0, 0, 0);
                // Appends of the dead owner may still arrive, even after those of its successor.
                zombies.append(&mut rig.held_appends);
                if rng.random_bool(0.5) {
                    for (subject, payload) in std::mem::take(&mut zombies) {
                        rig.store(subject, payload);
                    }
                }
                rig.restart();
                rig.send_interest(back(ROOM, ALICE));
                for _ in 0..10 {
                    rig.advance(34);
                }
                let again = frames(&mut rig, ROOM, 10);
                let first = again[0]["tick"].as_u64().unwrap();
                assert!(
                    first + MOST_LOST_TICKS > newest,
                    "seed {seed}: from {newest} to {first}"
                );
                newest = again[again.len() - 1]["tick"].as_u64().unwrap();
            }
            _ => {}
        }
    }
    rig.hold_log = false;
    rig.release_appends();
    (rig.lose_appends, rig.fail_writes, rig.lose_answers) = (0, 0, 0);
    for _ in 0..100 {
        rig.advance(34);
    }
    // Some ticks after the last commit, so that it was read.
    let settled = loop {
        rig.advance(34);
        let seen = frames(&mut rig, ROOM, 10);
        if let Some(last) = seen.last().filter(|f| f["tick"].as_u64().unwrap() % 7 == 5) {
            break last.clone();
        }
    };
    assert_eq!(
        json!(score(&mut rig, ROOM)),
        settled["taken"],
        "seed {seed}"
    );
    assert!(
        settled["taken"].as_u64().unwrap() > 10,
        "seed {seed}: {settled}"
    );
}

#[test]
fn d35_commits_count_exactly_once_whatever_is_lost_late_or_dead() {
    for seed in 0..60 {
        play(seed);
    }
}

#[test]
fn d35_a_crash_between_a_tick_and_its_commit_takes_both_back() {
    let mut rig = playing();
    for _ in 0..200 {
        rig.advance(20);
    }
    rig.hold_appends = true;
    control(&mut rig, ROOM, ALICE, &json!("collect"));
    let before = frames(&mut rig, ROOM, 10).pop().unwrap();
    for _ in 0..20 {
        rig.advance(20);
    }
    let lost = frames(&mut rig, ROOM, 10).pop().unwrap();
    assert!(lost["taken"].as_u64() > before["taken"].as_u64());
    rig.held_appends.clear();
    rig.hold_appends = false;
    rig.restart();
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    let first = frames(&mut rig, ROOM, 10).remove(0);
    assert!(first["taken"].as_u64() <= before["taken"].as_u64());
    assert_eq!(json!(score(&mut rig, ROOM)), first["taken"]);
}

#[test]
fn d35_entries_of_an_earlier_owner_count_no_longer() {
    let mut rig = playing();
    for _ in 0..20 {
        rig.advance(34);
    }
    let of_earlier: Vec<_> = rig.log.iter().map(|e| e.payload.clone()).collect();
    rig.restart();
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    control(&mut rig, ROOM, ALICE, &json!("nothing"));
    rig.advance(200);
    let (before, began) = (score(&mut rig, ROOM), realtime(&mut rig));
    let subject = subject::log(P, &room_id(ROOM));
    for payload in of_earlier.into_iter().skip(1) {
        rig.store(subject.clone(), payload);
    }
    let next = grandstand_common::wire::Commit {
        epoch: began["epoch"].as_u64().unwrap() - 1,
        no: 100,
        changes: vec!["1000".into()],
        ..Default::default()
    };
    rig.append(ROOM, Body::Commit(next).into());
    assert_eq!(score(&mut rig, ROOM), before);
    assert_eq!(realtime(&mut rig)["epoch"], began["epoch"]);
}

/// The part of the stored snapshot about the world.
fn realtime(rig: &mut Rig) -> Value {
    for _ in 0..40 {
        rig.advance(34);
    }
    rig.snapshot(ROOM).unwrap()["room"]["realtime"].clone()
}

#[test]
fn an_owner_that_finds_a_later_one_in_the_log_ends() {
    let mut rig = playing();
    let epoch = Epoch(5_000);
    let began = grandstand_common::wire::Began { epoch: epoch.0 };
    rig.append(ROOM, Body::Began(began).into());
    rig.advance(100);
    assert_eq!(rig.events, ["lost"]);
}

#[test]
fn d35_the_newer_of_the_stored_world_and_the_last_commits_goes_on() {
    // The commit's is newer: the bucket takes nothing.
    let mut rig = playing();
    rig.failing_key = "rolling-1";
    control(&mut rig, ROOM, ALICE, &json!("collect"));
    for _ in 0..40 {
        rig.advance(34);
    }
    assert_eq!(stored(&rig, ROOM), None);
    let last = frames(&mut rig, ROOM, 10).pop().unwrap();
    rig.failing_key = "none";
    rig.restart();
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    let first = frames(&mut rig, ROOM, 10).remove(0);
    let gap = last["tick"].as_u64().unwrap() + 1 - first["tick"].as_u64().unwrap();
    assert!(gap <= 4, "{last} {first}");
    // The stored one is newer: there are no commits.
    control(&mut rig, ROOM, ALICE, &json!("nothing"));
    for _ in 0..60 {
        rig.advance(34);
    }
    let last = frames(&mut rig, ROOM, 10).pop().unwrap();
    rig.restart();
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    let first = frames(&mut rig, ROOM, 10).remove(0);
    let gap = last["tick"].as_u64().unwrap() + 1 - first["tick"].as_u64().unwrap();
    assert!(gap <= 31, "{last} {first}");
}

//! Rounds of a flush over the members.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

#[test]
fn d21_each_member_gets_each_frame_once_while_members_come_and_go() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut lane = lane();
        let mut slots: HashMap<ConnKey, u32> = HashMap::new();
        let mut shown: HashMap<ConnKey, Vec<u64>> = HashMap::new();
        let (mut version, mut next) = (0, 0);
        for _ in 0..300 {
            match rng.random_range(0..10) {
                0..3 => {
                    version += 1;
                    assert_eq!(
                        lane.update(&room(), version, &data(version), &mut encoder()),
                        UpdateOutcome::New
                    );
                }
                3..6 => {
                    let key = conn(next);
                    next += 1;
                    let served = versions(
                        &lane
                            .catch_up(&room(), Encoding::Json.into(), &mut encoder())
                            .unwrap(),
                    );
                    shown.insert(key, served);
                    slots.insert(
                        key,
                        lane.clients_mut()
                            .add_member(key, Encoding::Json.into(), false),
                    );
                }
                6 if !slots.is_empty() => {
                    let key = *slots
                        .keys()
                        .min_by_key(|k| k.index ^ (seed as u32))
                        .unwrap();
                    let slot = slots.remove(&key).unwrap();
                    for (moved, to) in lane.clients_mut().remove_member(slot) {
                        slots.insert(moved, to);
                    }
                    shown.remove(&key);
                }
                _ => {
                    flush(&mut lane, rng.random_range(1..4), |key, frames| {
                        shown.get_mut(&key).unwrap().extend(versions(&frames));
                        true
                    });
                }
            }
            for (key, slot) in &slots {
                assert_eq!(
                    lane.clients().members()[*slot as usize].conn,
                    *key,
                    "seed {seed}"
                );
            }
        }
        while !flush(&mut lane, 1, |key, frames| {
            shown.get_mut(&key).unwrap().extend(versions(&frames));
            true
        }) {}
        for (key, seen) in shown {
            assert_eq!(
                *seen.last().unwrap(),
                version,
                "seed {seed}: {key:?} is current"
            );
            assert!(
                seen.windows(2).all(|w| w[1] == w[0] + 1),
                "seed {seed}: {key:?} saw {seen:?}"
            );
        }
    }
}

#[test]
fn a_slow_member_gets_no_frames_until_it_is_current() {
    let mut lane = lane();
    let slot = lane
        .clients_mut()
        .add_member(conn(1), Encoding::Json.into(), false);
    lane.update(&room(), 1, &data(1), &mut encoder());
    flush(&mut lane, 10, |_, _| false);
    lane.update(&room(), 2, &data(2), &mut encoder());
    flush(&mut lane, 10, |_, _| panic!("the member is stale"));
    lane.clients_mut().mark_current(slot);
    lane.update(&room(), 3, &data(3), &mut encoder());
    let mut seen = Vec::new();
    flush(&mut lane, 10, |_, frames| {
        seen.extend(versions(&frames));
        true
    });
    assert_eq!(seen, [3]);
}

#[test]
fn updates_during_a_round_are_sent_with_the_rest_of_it() {
    let mut lane = lane();
    for i in 0..10 {
        lane.clients_mut()
            .add_member(conn(i), Encoding::Json.into(), false);
    }
    let mut seen = Vec::new();
    let mut visit = |lane: &mut Lane, budget| {
        flush(lane, budget, |key, frames| {
            seen.push((key.index, versions(&frames)));
            true
        })
    };
    lane.update(&room(), 1, &data(1), &mut encoder());
    assert!(!visit(&mut lane, 6));
    lane.update(&room(), 2, &data(2), &mut encoder());
    assert!(!visit(&mut lane, 7), "three members are behind");
    assert!(visit(&mut lane, 100));
    let expected = (0..6)
        .map(|i| (i, vec![1]))
        .chain((6..10).map(|i| (i, vec![1, 2])))
        .chain((0..6).map(|i| (i, vec![2])));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[test]
fn members_not_reached_in_time_need_a_snapshot_and_the_log_is_bounded() {
    let mut lane = lane_with_ring(1 << 20);
    let slots: Vec<_> = (0..3)
        .map(|i| {
            lane.clients_mut()
                .add_member(conn(i), Encoding::Json.into(), false)
        })
        .collect();
    let big = Data::json(&"x".repeat(1000)).unwrap();
    let mut late = Vec::new();
    let mut visit = |lane: &mut Lane, budget| {
        lane.clients_mut()
            .flush(budget, 5000, &mut Vec::new(), |key, frames| {
                match frames {
                    Outgoing::Frames(frames) => assert!(frames.len() <= 5000),
                    _ => late.push(key.index),
                }
                true
            });
    };
    for version in 1..=100 {
        lane.update(&room(), version, &big, &mut encoder());
        if version % 10 == 0 {
            visit(&mut lane, 0);
            assert!(
                lane.clients().log_bytes() <= 5000,
                "{} bytes",
                lane.clients().log_bytes()
            );
        }
    }
    visit(&mut lane, 2);
    lane.clients_mut().mark_current(slots[2]);
    lane.update(&room(), 101, &big, &mut encoder());
    visit(&mut lane, 100);
    assert_eq!(late, [0, 1]);
    assert_eq!(
        lane.clients().log_bytes(),
        0,
        "all members have been sent all frames"
    );
}

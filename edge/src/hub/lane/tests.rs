use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use grandstand_common::envelope::Encoding;

use super::*;
use crate::deflate::DeflateOptions;
use crate::session::{Event, Inflater, Session};

fn room() -> RoomId {
    "relay-1".parse().unwrap()
}

fn conn(index: u32) -> ConnKey {
    ConnKey {
        index,
        generation: 0,
    }
}

fn data(n: u64) -> Data {
    Data::json(&n).unwrap()
}

fn deflater() -> Deflater {
    Deflater::new(DeflateOptions::default())
}

fn lane() -> Lane {
    let mut lane = Lane::new(LaneId::Spectators);
    lane.reset(Epoch(1), Instance(1));
    assert!(lane.snapshot(&room(), 0, data(0), 1 << 16, &mut deflater()));
    lane
}

/// Visits up to `most` members, of whom nobody lacks too much.
fn flush(lane: &mut Lane, most: usize, mut write: impl FnMut(ConnKey, Bytes) -> bool) -> bool {
    lane.flush(most, usize::MAX, |conn, frames| {
        write(conn, frames.expect("all that it lacks"))
    })
}

fn texts(frames: &[u8]) -> Vec<serde_json::Value> {
    let (mut at, mut all) = (0, Vec::new());
    while at < frames.len() {
        let (len, header) = match frames[at + 1] {
            126 => (
                usize::from(u16::from_be_bytes([frames[at + 2], frames[at + 3]])),
                4,
            ),
            127 => (
                usize::try_from(u64::from_be_bytes(
                    frames[at + 2..at + 10].try_into().unwrap(),
                ))
                .unwrap(),
                10,
            ),
            short => (usize::from(short), 2),
        };
        all.push(serde_json::from_slice(&frames[at + header..at + header + len]).unwrap());
        at += header + len;
    }
    all
}

fn versions(frames: &[u8]) -> Vec<u64> {
    texts(frames)
        .iter()
        .filter_map(|m| m["version"].as_u64())
        .collect()
}

#[test]
fn an_update_is_encoded_once_for_all_members_of_an_encoding() {
    let mut lane = lane();
    for i in 0..1000 {
        lane.add(conn(i), Encoding::Json.into());
    }
    lane.update(&room(), 1, &data(1), 1 << 16, &mut deflater());
    let mut first: Option<*const u8> = None;
    let clean = flush(&mut lane, usize::MAX, |_, frames| {
        assert_eq!(*first.get_or_insert(frames.as_ptr()), frames.as_ptr());
        true
    });
    assert!(clean);
}

#[test]
fn d21_a_flush_in_slices_serves_everybody_once_whoever_comes_and_goes() {
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
                        lane.update(&room(), version, &data(version), 1 << 16, &mut deflater()),
                        Taken::New
                    );
                }
                3..6 => {
                    let key = conn(next);
                    next += 1;
                    let served = versions(
                        &lane
                            .catch_up(&room(), Encoding::Json.into(), &mut deflater())
                            .unwrap(),
                    );
                    shown.insert(key, served);
                    slots.insert(key, lane.add(key, Encoding::Json.into()));
                }
                6 if !slots.is_empty() => {
                    let key = *slots
                        .keys()
                        .min_by_key(|k| k.index ^ (seed as u32))
                        .unwrap();
                    let slot = slots.remove(&key).unwrap();
                    for (moved, to) in lane.remove(slot) {
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
                assert_eq!(lane.members()[*slot as usize].conn, *key, "seed {seed}");
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
fn since_gets_just_what_was_missed_if_the_ring_holds_it() {
    let mut lane = lane();
    let epoch = client_epoch(Epoch(1), Instance(1), LaneId::Spectators);
    for version in 1..=5 {
        lane.update(&room(), version, &data(version), 1 << 16, &mut deflater());
    }
    let missed = |since, epoch: &str| {
        lane.missed(&room(), Encoding::Json, since, epoch)
            .map(|f| versions(&f))
    };
    assert_eq!(missed(3, &epoch), Some(vec![4, 5]));
    assert_eq!(missed(5, &epoch), Some(vec![]));
    assert_eq!(missed(6, &epoch), None, "from the future");
    assert_eq!(missed(3, "another"), None);
}

#[test]
fn the_ring_is_bounded_but_never_behind_the_snapshot() {
    let mut lane = lane();
    let epoch = client_epoch(Epoch(1), Instance(1), LaneId::Spectators);
    let big = Data::json(&"x".repeat(100)).unwrap();
    for version in 1..=20 {
        lane.update(&room(), version, &big, 500, &mut deflater());
    }
    assert_eq!(
        versions(
            &lane
                .catch_up(&room(), Encoding::Json.into(), &mut deflater())
                .unwrap()
        ),
        (0..=20).collect::<Vec<_>>()
    );
    assert!(
        !lane.snapshot(&room(), 20, data(20), 500, &mut deflater()),
        "nobody lacks it"
    );
    assert_eq!(
        versions(
            &lane
                .catch_up(&room(), Encoding::Json.into(), &mut deflater())
                .unwrap()
        ),
        [20]
    );
    assert_eq!(lane.missed(&room(), Encoding::Json, 10, &epoch), None);
    assert_eq!(
        versions(&lane.missed(&room(), Encoding::Json, 17, &epoch).unwrap()),
        [18, 19, 20]
    );
}

#[test]
fn a_gap_is_seen_and_a_later_snapshot_heals_it() {
    let mut lane = lane();
    lane.add(conn(1), Encoding::Json.into());
    assert_eq!(
        lane.update(&room(), 2, &data(2), 100, &mut deflater()),
        Taken::Gap
    );
    assert!(lane.snapshot(&room(), 3, data(3), 100, &mut deflater()));
    let mut seen = Vec::new();
    flush(&mut lane, 10, |_, frames| {
        seen.extend(texts(&frames));
        true
    });
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (&seen[0]["type"], &seen[0]["version"]),
        (&"snapshot".into(), &3.into())
    );
    assert_eq!(
        lane.update(&room(), 2, &data(2), 100, &mut deflater()),
        Taken::Old
    );
}

#[test]
fn live_messages_spare_their_sender() {
    let mut lane = lane();
    lane.add(conn(1), Encoding::Json.into());
    lane.add(conn(2), Encoding::Proto.into());
    lane.update(&room(), 1, &data(1), 100, &mut deflater());
    let (room, live) = (room(), data(9));
    lane.gather(
        &ServerMessage::Live {
            room: &room,
            data: &live,
        },
        Some(conn(1)),
        &mut deflater(),
    );
    lane.update(&room, 2, &data(2), 100, &mut deflater());
    let mut seen = HashMap::new();
    flush(&mut lane, 10, |key, frames| {
        seen.insert(key, frames);
        true
    });
    let types: Vec<_> = texts(&seen[&conn(1)])
        .iter()
        .map(|m| m["type"].clone())
        .collect();
    assert_eq!(types, ["update", "update"]);
    assert!(seen[&conn(2)].len() > 3);
}

#[test]
fn a_slow_member_is_left_alone_until_it_is_served() {
    let mut lane = lane();
    let slot = lane.add(conn(1), Encoding::Json.into());
    lane.update(&room(), 1, &data(1), 100, &mut deflater());
    flush(&mut lane, 10, |_, _| false);
    lane.update(&room(), 2, &data(2), 100, &mut deflater());
    flush(&mut lane, 10, |_, _| panic!("it is stale"));
    lane.served(slot);
    lane.update(&room(), 3, &data(3), 100, &mut deflater());
    let mut seen = Vec::new();
    flush(&mut lane, 10, |_, frames| {
        seen.extend(versions(&frames));
        true
    });
    assert_eq!(seen, [3]);
}

#[test]
fn what_comes_in_the_middle_of_a_round_goes_along_with_the_rest_of_it() {
    let mut lane = lane();
    for i in 0..10 {
        lane.add(conn(i), Encoding::Json.into());
    }
    let mut seen = Vec::new();
    let mut visit = |lane: &mut Lane, most| {
        flush(lane, most, |key, frames| {
            seen.push((key.index, versions(&frames)));
            true
        })
    };
    lane.update(&room(), 1, &data(1), 1 << 16, &mut deflater());
    assert!(!visit(&mut lane, 6));
    lane.update(&room(), 2, &data(2), 1 << 16, &mut deflater());
    assert!(!visit(&mut lane, 7), "three are behind");
    assert!(visit(&mut lane, 100));
    let expected = (0..6)
        .map(|i| (i, vec![1]))
        .chain((6..10).map(|i| (i, vec![1, 2])))
        .chain((0..6).map(|i| (i, vec![2])));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[test]
fn who_is_not_come_to_in_time_is_served_anew_and_what_waits_is_bounded() {
    let mut lane = lane();
    let slots: Vec<_> = (0..3)
        .map(|i| lane.add(conn(i), Encoding::Json.into()))
        .collect();
    let big = Data::json(&"x".repeat(1000)).unwrap();
    let mut anew = Vec::new();
    let mut visit = |lane: &mut Lane, most| {
        lane.flush(most, 5000, |key, frames| {
            assert!(frames.as_ref().is_none_or(|f| f.len() <= 5000));
            anew.extend(frames.is_none().then_some(key.index));
            true
        });
    };
    for version in 1..=100 {
        lane.update(&room(), version, &big, 1 << 20, &mut deflater());
        if version % 10 == 0 {
            visit(&mut lane, 0);
            assert!(lane.tail.bytes() <= 5000, "{} bytes", lane.tail.bytes());
        }
    }
    visit(&mut lane, 2);
    lane.served(slots[2]);
    lane.update(&room(), 101, &big, 1 << 20, &mut deflater());
    visit(&mut lane, 100);
    assert_eq!(anew, [0, 1]);
    assert_eq!(lane.tail.bytes(), 0, "nobody lacks anything");
}

/// What a client reads in frames, of which some are compressed.
fn inflated(frames: &[u8]) -> Vec<serde_json::Value> {
    // A session reads masked frames: with a mask of zeros they are the same but for the bit and four bytes.
    let (mut masked, mut at) = (Vec::new(), 0);
    while let Some(len) = crate::session::frame::frame_len(&frames[at..]) {
        let header = match frames[at + 1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        masked.push(frames[at]);
        masked.push(frames[at + 1] | 0x80);
        masked.extend_from_slice(&frames[at + 2..at + header]);
        masked.extend_from_slice(&[0; 4]);
        masked.extend_from_slice(&frames[at + header..at + len]);
        at += len;
    }
    let mut session = Session::new(1 << 20).with_deflate(true);
    let (mut input, mut inflater, mut all) = (&mut masked[..], Inflater::default(), Vec::new());
    while let Some(event) = session.handle_bytes(&mut input, &mut inflater).unwrap() {
        let Event::Text(text) = event else {
            panic!("{event:?}")
        };
        all.push(serde_json::from_slice(text).unwrap());
    }
    all
}

#[test]
fn an_update_is_compressed_once_for_all_who_asked_for_it_and_small_ones_not_at_all() {
    let (mut lane, mut deflater) = (lane(), deflater());
    let deflate = |encoding| Form {
        encoding,
        deflate: true,
    };
    for i in 0..100 {
        lane.add(conn(i), deflate(Encoding::Json));
        lane.add(conn(100 + i), deflate(Encoding::Proto));
        lane.add(conn(200 + i), Encoding::Json.into());
    }
    let big = Data::json(&vec!["the same again"; 100]).unwrap();
    lane.update(&room(), 1, &data(1), 1 << 16, &mut deflater);
    assert_eq!(deflater.counts().messages, 0, "too small");
    lane.update(&room(), 2, &big, 1 << 16, &mut deflater);
    assert_eq!(deflater.counts().messages, 2, "once for each encoding");
    assert_eq!(lane.take_encoded(), 4);
    let mut seen = HashMap::new();
    flush(&mut lane, usize::MAX, |key, frames| {
        seen.insert(key.index, frames);
        true
    });
    assert_eq!(seen[&0].as_ptr(), seen[&99].as_ptr(), "shared");
    assert_eq!(seen[&100].as_ptr(), seen[&199].as_ptr(), "shared");
    assert!(seen[&0].len() * 4 < seen[&200].len());
    assert_eq!(inflated(&seen[&0]), texts(&seen[&200]));

    // Who comes late gets the same, compressed once for all of them.
    let plain = lane.catch_up(&room(), Encoding::Json.into(), &mut deflater);
    let made = deflater.counts().messages;
    let late = lane.catch_up(&room(), deflate(Encoding::Json), &mut deflater);
    let later = lane.catch_up(&room(), deflate(Encoding::Json), &mut deflater);
    assert_eq!(deflater.counts().messages, made + 1);
    assert_eq!(late, later);
    assert_eq!(inflated(&late.unwrap()), texts(&plain.unwrap()));
    let missed = lane
        .missed(&room(), Encoding::Json, 1, &lane.epoch)
        .unwrap();
    assert_eq!(versions(&missed), [2]);
}

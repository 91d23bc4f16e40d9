use std::collections::HashMap;

use grandstand_common::envelope::Encoding;

use super::*;
use crate::conn::key::ConnKey;
use crate::core::rooms::frame_log::Outgoing;
use crate::websocket::deflate::DeflateOptions;

mod rounds;

mod deflate;

fn room() -> RoomId {
    "relay-1".parse().unwrap()
}

fn conn(index: u32) -> ConnKey {
    ConnKey {
        index,
        generation: 0,
    }
}

fn view(n: u64) -> LaneView {
    LaneView {
        data: data(n),
        is_patched: false,
    }
}

fn data(n: u64) -> Data {
    Data::json(&n).unwrap()
}

fn encoder() -> Encoder {
    Encoder::new(DeflateOptions::default())
}

fn lane() -> Lane {
    lane_with_ring(1 << 16)
}

/// A lane that keeps about `ring_bytes` of updates.
fn lane_with_ring(ring_bytes: usize) -> Lane {
    let mut lane = Lane::new(LaneId::Spectators, ring_bytes);
    lane.reset(Epoch(1), Instance(1));
    assert!(lane.snapshot(&room(), 0, view(0), &mut encoder()));
    lane
}

/// Visits up to `budget` members, none of which lacks too many bytes.
fn flush(lane: &mut Lane, budget: usize, mut write: impl FnMut(ConnKey, Bytes) -> bool) -> bool {
    lane.clients_mut().flush(
        budget,
        usize::MAX,
        &mut Vec::new(),
        |conn, frames| match frames {
            Outgoing::Frames(frames) => write(conn, frames.clone()),
            other => panic!("{other:?}"),
        },
    )
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
        lane.clients_mut()
            .add_member(conn(i), Encoding::Json.into(), false);
    }
    lane.update(&room(), 1, &data(1), &mut encoder());
    let mut first: Option<*const u8> = None;
    let clean = flush(&mut lane, usize::MAX, |_, frames| {
        assert_eq!(*first.get_or_insert(frames.as_ptr()), frames.as_ptr());
        true
    });
    assert!(clean);
}

#[test]
fn since_gets_exactly_the_missed_updates_if_the_ring_holds_them() {
    let mut lane = lane();
    let epoch = client_epoch(Epoch(1), Instance(1), LaneId::Spectators);
    for version in 1..=5 {
        lane.update(&room(), version, &data(version), &mut encoder());
    }
    let missed = |since, epoch: &str| {
        lane.missed(&room(), Encoding::Json, since, epoch)
            .map(|f| versions(&f))
    };
    assert_eq!(missed(3, &epoch), Some(vec![4, 5]));
    assert_eq!(missed(5, &epoch), Some(vec![]));
    assert_eq!(
        missed(6, &epoch),
        None,
        "a version that the lane does not have"
    );
    assert_eq!(missed(3, "another"), None);
}

#[test]
fn the_ring_is_bounded_but_keeps_all_updates_since_the_snapshot() {
    let mut lane = lane_with_ring(500);
    let epoch = client_epoch(Epoch(1), Instance(1), LaneId::Spectators);
    let big = Data::json(&"x".repeat(100)).unwrap();
    for version in 1..=20 {
        lane.update(&room(), version, &big, &mut encoder());
    }
    assert_eq!(
        versions(
            &lane
                .catch_up(&room(), Encoding::Json.into(), &mut encoder())
                .unwrap()
        ),
        (0..=20).collect::<Vec<_>>()
    );
    assert!(
        !lane.snapshot(&room(), 20, view(20), &mut encoder()),
        "the members have this version"
    );
    assert_eq!(
        versions(
            &lane
                .catch_up(&room(), Encoding::Json.into(), &mut encoder())
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
fn a_gap_is_detected_and_a_later_snapshot_closes_it() {
    let mut lane = lane();
    lane.clients_mut()
        .add_member(conn(1), Encoding::Json.into(), false);
    assert_eq!(
        lane.update(&room(), 2, &data(2), &mut encoder()),
        UpdateOutcome::Gap
    );
    assert!(lane.snapshot(&room(), 3, view(3), &mut encoder()));
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
        lane.update(&room(), 2, &data(2), &mut encoder()),
        UpdateOutcome::Old
    );
}

#[test]
fn live_messages_are_not_sent_to_their_sender() {
    let mut lane = lane();
    lane.clients_mut()
        .add_member(conn(1), Encoding::Json.into(), false);
    lane.clients_mut()
        .add_member(conn(2), Encoding::Proto.into(), false);
    lane.update(&room(), 1, &data(1), &mut encoder());
    let (room, live) = (room(), data(9));
    lane.clients_mut()
        .queue_live(&room, &live, Some(conn(1)), &mut encoder());
    lane.update(&room, 2, &data(2), &mut encoder());
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
fn live_messages_are_datagrams_for_members_that_want_them_and_updates_are_not() {
    let mut lane = lane();
    let wants = |i| i > 1;
    for (i, encoding) in [
        (1, Encoding::Json),
        (2, Encoding::Json),
        (3, Encoding::Proto),
    ] {
        lane.clients_mut()
            .add_member(conn(i), encoding.into(), wants(i));
    }
    for round in 0..3 {
        lane.update(&room(), 2 * round + 1, &data(1), &mut encoder());
        lane.clients_mut()
            .queue_live(&room(), &data(7), Some(conn(3)), &mut encoder());
        lane.clients_mut()
            .queue_live(&room(), &data(8), None, &mut encoder());
        lane.update(&room(), 2 * round + 2, &data(2), &mut encoder());
        let (mut streams, mut datagrams) = (HashMap::new(), HashMap::<_, Vec<Bytes>>::new());
        lane.clients_mut()
            .flush(10, usize::MAX, &mut Vec::new(), |key, outgoing| {
                match outgoing {
                    Outgoing::Frames(frames) => drop(streams.insert(key, frames.clone())),
                    Outgoing::Datagram(frame) => {
                        datagrams.entry(key).or_default().push(frame.clone())
                    }
                    Outgoing::Newest(frame, _) => drop(streams.insert(key, frame.clone())),
                    Outgoing::Missed => panic!("{key:?} has missed frames"),
                }
                true
            });
        let kinds = |frames: &[u8]| {
            let all = texts(frames).into_iter();
            all.map(|message| message["type"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(&streams[&conn(1)]),
            ["update", "live", "live", "update"]
        );
        assert_eq!(kinds(&streams[&conn(2)]), ["update", "update"]);
        assert!(!datagrams.contains_key(&conn(1)));
        // The numbers grow, and the sender of the first message does not get it.
        let numbers: Vec<_> = datagrams[&conn(2)]
            .iter()
            .flat_map(|frame| texts(frame))
            .map(|message| message["n"].as_u64().unwrap())
            .collect();
        assert!(numbers.is_sorted() && numbers.len() == 2, "{numbers:?}");
        assert_eq!(datagrams[&conn(3)].len(), 1);
    }
}

//! Hot rooms (D22).

use std::time::Duration;

use grandstand_common::wire::{Interest, Known, RoomInterest};

use super::*;

const ROOM: &str = "echo-1";
const EDGES: [&str; 3] = ["e5", "e6", "e7"];

/// Returns a rig with a room that is hot with three edges beside its player's, and no longer hot after one second with
/// fewer.
fn rig() -> Rig {
    let mut rig = Rig::with_config(|config| {
        (config.hot_edges, config.cold_edges) = (3, 4);
        config.cold_after = Duration::from_secs(1);
    });
    rig.take();
    rig.join(ROOM, "alice", 10);
    rig
}

fn watch(rig: &mut Rig, edge: &str, (hot, sync): (u64, bool)) -> Vec<String> {
    watch_as(rig, edge, (hot, hot > 0), sync)
}

/// Requests interest. `reported` is the stream from which the edge received a message, and whether it is subscribed.
fn watch_as(rig: &mut Rig, edge: &str, reported: (u64, bool), sync: bool) -> Vec<String> {
    let (hot, subscribed) = reported;
    rig.received(edge, ROOM);
    rig.send_interest(Interest {
        edge: edge.into(),
        digest: false,
        rooms: vec![RoomInterest {
            room: ROOM.into(),
            spectators: Some(Known::default()),
            hot,
            subscribed,
            sync,
            ..RoomInterest::default()
        }],
    });
    rig.received(edge, ROOM)
}

fn unwatch(rig: &mut Rig, edge: &str) {
    rig.send_interest(Interest {
        edge: edge.into(),
        digest: false,
        rooms: vec![RoomInterest {
            room: ROOM.into(),
            ..RoomInterest::default()
        }],
    });
}

/// Returns the batches on the room's subject: stream, first number and items.
fn hot(rig: &mut Rig) -> Vec<(u64, u64, Vec<String>)> {
    let all = std::mem::take(&mut rig.hot).into_iter();
    all.map(|(subject, batch)| {
        assert_eq!(subject, "hot.echo-1");
        let room = &batch.rooms[0];
        let items = room.items.iter().filter_map(|item| item.kind.as_ref());
        (room.stream, room.first, items.map(summary).collect())
    })
    .collect()
}

#[test]
fn d22_an_edge_is_sent_everything_directly_until_it_confirms_the_hot_subject() {
    let mut rig = rig();
    for edge in &EDGES[..2] {
        watch(&mut rig, edge, (0, false));
    }
    let received = watch(&mut rig, "e7", (0, false));
    assert!(
        received.contains(&"hot Both from 1".to_owned()),
        "{received:?}"
    );
    for edge in &EDGES[..2] {
        rig.expect_item(edge, ROOM, "hot Both from 1");
    }
    rig.hot.clear();
    rig.input(ROOM, ("alice", 10), 1, "a");
    let sent = hot(&mut rig);
    let (stream, first) = (sent[0].0, sent[0].1);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].2, ["update 2/2 alice a"]);
    for edge in EDGES {
        assert_eq!(rig.received(edge, ROOM), ["update 0/2 alice a"]);
    }
    // The edge has subscribed, but has not confirmed.
    watch_as(&mut rig, "e6", (0, true), false);
    let received = watch(&mut rig, "e5", (stream, false));
    assert_eq!(received, [format!("hot Hot from {}", first + 1)]);
    rig.input(ROOM, ("alice", 10), 2, "b");
    assert_eq!(rig.received("e5", ROOM), [""; 0]);
    for edge in &EDGES[1..] {
        assert_eq!(rig.received(edge, ROOM), ["update 0/3 alice b"]);
        watch(&mut rig, edge, (stream, false));
    }
    hot(&mut rig);
    rig.input(ROOM, ("alice", 10), 3, "c");
    let sent = hot(&mut rig);
    assert_eq!(
        sent,
        [(stream, first + 2, vec!["update 4/4 alice c".to_owned()])]
    );
    for edge in EDGES {
        assert_eq!(
            rig.received(edge, ROOM),
            [""; 0],
            "the worker publishes once"
        );
    }
    // The edge lost the bus: it is subscribed again, but has not confirmed.
    let received = watch(&mut rig, "e5", (0, true));
    assert!(
        received.contains(&format!("hot Both from {}", first + 3)),
        "{received:?}"
    );
    rig.input(ROOM, ("alice", 10), 4, "d");
    assert_eq!(rig.received("e5", ROOM), ["update 0/5 alice d"]);
    assert_eq!(rig.received("e6", ROOM), [""; 0]);
}

#[test]
fn d22_beats_of_a_hot_room_carry_the_next_number() {
    let mut rig = rig();
    for edge in EDGES {
        watch(&mut rig, edge, (0, false));
    }
    rig.advance(5_000);
    rig.hot.clear();
    rig.input(ROOM, ("alice", 10), 1, "a");
    let sent = hot(&mut rig);
    let (stream, next) = (sent[0].0, sent[0].1 + 1);
    rig.advance(100);
    assert_eq!(hot(&mut rig), [(stream, next, vec![])]);
    rig.advance(900);
    assert_eq!(hot(&mut rig), [(stream, next, vec![])]);
}

#[test]
fn d22_a_room_is_no_longer_hot_after_few_edges_have_watched_it_for_long() {
    let mut rig = rig();
    for edge in EDGES {
        watch(&mut rig, edge, (0, false));
    }
    rig.input(ROOM, ("alice", 10), 1, "a");
    let (stream, ..) = hot(&mut rig).pop().unwrap();
    for edge in EDGES {
        watch(&mut rig, edge, (stream, false));
    }
    unwatch(&mut rig, "e7");
    rig.advance(900);
    watch(&mut rig, "e7", (0, false));
    rig.advance(900);
    rig.hot.clear();
    rig.input(ROOM, ("alice", 10), 2, "b");
    assert_eq!(
        hot(&mut rig).len(),
        1,
        "it has had few edges for less than a second"
    );
    unwatch(&mut rig, "e7");
    rig.received("e5", ROOM);
    rig.advance(1_000);
    let received = rig.received("e5", ROOM);
    assert!(
        received.iter().any(|t| t.starts_with("hot Direct")),
        "{received:?}"
    );
    rig.hot.clear();
    rig.input(ROOM, ("alice", 10), 3, "c");
    assert_eq!(hot(&mut rig), []);
    assert_eq!(rig.received("e5", ROOM), ["update 0/4 alice c"]);
    // Hot again, the room has another stream.
    rig.advance(1_000);
    watch(&mut rig, "e7", (0, false));
    rig.hot.clear();
    rig.input(ROOM, ("alice", 10), 4, "d");
    let sent = hot(&mut rig);
    assert!(sent[0].0 > stream && sent[0].1 <= 2, "{sent:?}");
}

#[test]
fn d27_an_update_of_a_hot_room_that_nats_does_not_take_is_replaced_by_snapshots() {
    let mut rig = rig();
    for edge in EDGES {
        watch(&mut rig, edge, (0, false));
    }
    rig.input(ROOM, ("alice", 10), 1, "a");
    let (stream, ..) = hot(&mut rig).pop().unwrap();
    for edge in EDGES {
        watch(&mut rig, edge, (stream, false));
    }
    hot(&mut rig);
    rig.owner.handle_limits(2_000, 1024 * 1024);
    rig.input(ROOM, ("alice", 10), 2, &"x".repeat(3_000));
    let (_, _, items) = hot(&mut rig).pop().unwrap();
    assert_eq!(items, ["snapshot 0 v3 3", "snapshot 1 v3 3"]);
}

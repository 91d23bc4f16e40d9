//! Bounds of what a room keeps beside its game's state (D26).

use grandstand_common::bus::Bucket;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Interest, Known, RoomInterest};

use super::*;

/// The bound of a room's record beside the state of its game.
const RECORD_BYTES: usize = 240 * 1024;

/// Returns the bytes of a stored room beside the state of its game.
fn record_bytes(rig: &Rig, room: &str) -> usize {
    let snapshot = rig.snapshot(room).unwrap();
    serde_json::to_vec(&snapshot["room"]).unwrap().len()
}

/// Returns the answers to inputs, without presences.
fn answers(rig: &mut Rig, edge: &str) -> Vec<String> {
    let mut received = rig.received(edge, "echo-1");
    received.retain(|text| !text.starts_with("presence"));
    received
}

/// Returns the request of an edge that has the first version of the room.
fn behind(rig: &Rig, edge: &str, instance: u64) -> Interest {
    let epoch = rig.owner.partitions().iter().next().unwrap().1.0;
    let known = Known {
        epoch,
        instance,
        version: 1,
    };
    Interest {
        edge: edge.into(),
        digest: false,
        rooms: vec![RoomInterest {
            room: "echo-1".into(),
            players: Some(known),
            sync: true,
            ..RoomInterest::default()
        }],
    }
}

#[test]
fn d26_rejects_never_fill_a_room() {
    let mut rig = Rig::started();
    for player in 0..200 {
        let (name, session) = (format!("player-{player}"), 1_000 + player);
        rig.join("echo-1", &name, session);
        for seq in 1..=20 {
            rig.input("echo-1", (&name, session), seq, "reject at length");
        }
    }
    rig.advance(60_000);
    assert!(record_bytes(&rig, "echo-1") < RECORD_BYTES);
    // The room goes on.
    rig.received("e1", "echo-1");
    rig.input("echo-1", ("player-7", 1_007), 21, "a");
    assert!(answers(&mut rig, "e1").contains(&"processed 1007 n21 seq21".to_owned()));
}

#[test]
fn d26_each_rejected_input_of_the_window_is_answered_again() {
    let mut rig = Rig::started();
    let alice = ("alice", 10);
    rig.join("echo-1", "alice", 10);
    for seq in 1..=70 {
        rig.input(
            "echo-1",
            alice,
            seq,
            if seq % 2 == 0 { "reject" } else { "a" },
        );
    }
    answers(&mut rig, "e1");
    for restarted in [false, true] {
        if restarted {
            rig.advance(1_000);
            rig.restart();
            rig.advance(0);
        }
        for (seq, wanted) in [
            (70, Some("rejected 10 70 no")),
            (69, None),
            (56, Some("rejected 10 56 no")),
            (54, Some("rejected 10 54 rejected")),
            (8, Some("rejected 10 8 rejected")),
            (6, None),
        ] {
            answers(&mut rig, "e1");
            rig.append("echo-1", input(alice, seq, seq, "a"));
            rig.advance(0);
            let wanted: Vec<_> = wanted
                .into_iter()
                .chain(["processed 10 n70 seq70"])
                .collect();
            assert_eq!(answers(&mut rig, "e1"), wanted, "seq {seq}");
        }
    }
}

#[test]
fn d26_a_room_refuses_players_before_their_records_exceed_its_bound() {
    let mut rig = Rig::started();
    let name = |i: u64| format!("{i:-<128}");
    let mut joined = 0;
    loop {
        rig.join("echo-1", &name(joined), 10_000 + joined);
        let received = answers(&mut rig, "e1");
        if received.iter().any(|text| text.starts_with("refused")) {
            assert!(received[0].contains("room_full"), "{received:?}");
            break;
        }
        joined += 1;
        assert!(joined < 2_000, "the records have no bound");
    }
    assert!(joined > 300, "{joined}");
    rig.advance(60_000);
    assert!(record_bytes(&rig, "echo-1") < RECORD_BYTES);
    // A player who leaves makes space; players of the room return as often as they like.
    rig.append("echo-1", left((&name(0), 10_000), 1));
    rig.join("echo-1", &name(joined), 15_000);
    for session in 0..20 {
        rig.join("echo-1", &name(1), 16_000 + session);
    }
    rig.advance(60_000);
    let stored = rig.snapshot("echo-1").unwrap();
    let sessions = [joined, 1].map(|i| stored["room"]["players"][name(i)]["session"].clone());
    assert_eq!(sessions, [15_000, 16_019]);
    assert!(record_bytes(&rig, "echo-1") < RECORD_BYTES);
}

#[test]
fn d27_an_input_that_the_edge_refused_is_rejected_and_not_applied() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    answers(&mut rig, "e1");
    let mut refused = input(("alice", 10), 1, 1, "a");
    if let Some(Body::Input(input)) = &mut refused.body {
        input.data = None;
        input.refused = "too_big".to_owned();
    }
    rig.append("echo-1", refused);
    rig.input("echo-1", ("alice", 10), 2, "b");
    let wanted = [
        "rejected 10 1 too_big",
        "update 2/0 alice b",
        "processed 10 n2 seq2",
    ];
    let answers = answers(&mut rig, "e1");
    let answers: Vec<_> = answers
        .iter()
        .filter(|text| *text != "processed 10 n1 seq1")
        .collect();
    assert_eq!(answers, wanted);
}

const MIB: usize = 1024 * 1024;

#[test]
fn d27_a_room_that_nats_does_not_take_goes_on_and_is_stored_once_it_does() {
    let mut rig = Rig::started();
    let alice = ("alice", 10);
    rig.join("echo-1", "alice", 10);
    rig.advance(1_500);
    let stored = rig.snapshot("echo-1").unwrap()["last"].clone();
    // NATS comes back with a lower limit than the room's state has bytes.
    rig.owner.handle_limits(MIB, 40_000);
    let grown = rig.input("echo-1", alice, 1, "grow");
    answers(&mut rig, "e1");
    rig.advance(60_000);
    rig.input("echo-1", alice, 2, "b");
    assert!(answers(&mut rig, "e1").contains(&"processed 10 n2 seq2".to_owned()));
    assert_eq!(rig.owner.partitions().room_counts().held, 1);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], stored);
    assert!(rig.checkpoint().seq <= grown, "the log has the rest");
    let key = subject::room_key(P, &room_id("echo-1"));
    assert!(rig.get(Bucket::Quarantine, &key).is_none());

    // A successor has the room from the log. It is stored once NATS takes it.
    rig.restart();
    rig.owner.handle_limits(MIB, 40_000);
    rig.input("echo-1", alice, 3, "c");
    assert!(answers(&mut rig, "e1").contains(&"processed 10 n3 seq3".to_owned()));
    rig.advance(5_000);
    assert_eq!(rig.owner.partitions().room_counts().held, 1);
    rig.owner.handle_limits(MIB, MIB);
    rig.advance(5_000);
    assert_eq!(rig.owner.partitions().room_counts().held, 0);
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], rig.next_seq - 1);
}

#[test]
fn d27_a_handover_ends_with_a_room_that_nats_does_not_take() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.owner.handle_limits(MIB, 40_000);
    let grown = rig.input("echo-1", ("alice", 10), 1, "grow");
    rig.owner.release(rig.now, P);
    rig.run();
    for _ in 0..10 {
        rig.advance(250);
    }
    assert_eq!(rig.events, ["released"]);
    assert!(rig.checkpoint().seq <= grown);
}

#[test]
fn d27_a_room_whose_item_nats_does_not_take_goes_on() {
    let mut rig = Rig::started();
    let alice = ("alice", 10);
    let instance = rig.join("echo-1", "alice", 10);
    rig.owner.handle_limits(2_000, MIB);
    answers(&mut rig, "e1");
    rig.input("echo-1", alice, 1, &"x".repeat(3_000));
    // A snapshot replaces the update that NATS does not take, ahead of the report that belongs to it.
    assert_eq!(
        answers(&mut rig, "e1"),
        ["snapshot 0 v2 2", "processed 10 n1 seq1"]
    );
    rig.input("echo-1", alice, 2, "b");
    let received = answers(&mut rig, "e1");
    assert!(
        received.contains(&"processed 10 n2 seq2".to_owned()),
        "{received:?}"
    );
    assert!(
        !received.iter().any(|text| text.starts_with("closed")),
        "{received:?}"
    );
    assert!(rig.owner.counts().items_not_taken > 0);
    // An edge that lacks the update gets a snapshot and no later update, which it could not apply.
    rig.send_interest(behind(&rig, "e5", instance));
    assert_eq!(answers(&mut rig, "e5"), ["snapshot 0 v3 3", "synced"]);
    rig.owner.handle_limits(MIB, MIB);
    rig.send_interest(interest("e6", &["echo-1"], true));
    assert_eq!(rig.received("e6", "echo-1")[..1], ["snapshot 0 v3 3"]);
}

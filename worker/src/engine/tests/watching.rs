//! Interest, updates and snapshots, presence, live messages, numbered links (D19).

use grandstand_common::data::Data;
use grandstand_common::wire::{Interest, Known, LinkRequest, Live, RoomInterest};

use super::*;

pub(super) fn known(rig: &Rig, version: u64, instance: u64) -> Known {
    let epoch = rig.owner.partitions().iter().next().unwrap().1.0;
    Known {
        epoch,
        instance,
        version,
    }
}

pub(super) fn spectators(edge: &str, known: Known, sync: bool) -> Interest {
    Interest {
        edge: edge.into(),
        digest: false,
        rooms: vec![RoomInterest {
            room: "echo-1".into(),
            players: None,
            spectators: Some(known),
            viewers: 2,
            sync,
            ..RoomInterest::default()
        }],
    }
}

#[test]
fn the_watchers_of_an_absent_room_get_its_snapshot_when_it_is_created() {
    let mut rig = Rig::started();
    let reply = rig.send_interest(spectators("e5", Known::default(), false));
    assert_eq!(rig.received("e5", "echo-1"), ["absent"]);
    assert_eq!(
        (reply.worker.as_str(), reply.epoch, reply.number),
        ("w-1", 101, 1)
    );
    rig.join("echo-1", "alice", 10);
    assert_eq!(
        rig.received("e5", "echo-1"),
        ["snapshot 1 v1 1", "presence 1 2"]
    );
    rig.input("echo-1", ("alice", 10), 1, "a");
    assert_eq!(rig.received("e5", "echo-1"), ["update 0/2 alice a"]);
}

#[test]
fn an_edge_is_sent_the_updates_it_lacks_if_they_are_kept_and_otherwise_a_snapshot() {
    let mut rig = Rig::started();
    let instance = rig.join("echo-1", "alice", 10);
    rig.send_interest(spectators("e5", Known::default(), false));
    for n in 1..=3 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    rig.received("e5", "echo-1");
    let wanted = known(&rig, 2, instance);
    rig.send_interest(spectators("e5", wanted, true));
    let received = rig.received("e5", "echo-1");
    assert_eq!(
        received,
        [
            "update 0/3 alice a",
            "update 0/4 alice a",
            "presence 1 2",
            "synced"
        ]
    );
    let wanted = known(&rig, 4, instance);
    rig.send_interest(spectators("e5", wanted, true));
    assert_eq!(rig.received("e5", "echo-1"), ["presence 1 2", "synced"]);
    for other in [
        known(&rig, 2, instance + 1),
        known(&rig, 9, instance),
        Known::default(),
    ] {
        rig.send_interest(spectators("e5", other, true));
        assert_eq!(rig.received("e5", "echo-1")[..1], ["snapshot 1 v4 4"]);
    }
    rig.send_interest(spectators("e5", Known::default(), false));
    assert_eq!(
        rig.received("e5", "echo-1"),
        [""; 0],
        "the lane is watched already"
    );
}

#[test]
fn all_edges_get_a_snapshot_when_the_updates_outgrow_the_ring() {
    let mut rig = Rig::with_config(|config| config.ring_bytes = 400);
    rig.take();
    rig.join("echo-1", "alice", 10);
    rig.send_interest(spectators("e5", Known::default(), false));
    rig.received("e5", "echo-1");
    for n in 1..=20 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    let received = rig.received("e5", "echo-1");
    let snapshots = received.iter().filter(|t| t.starts_with("snapshot"));
    assert_eq!(
        snapshots.collect::<Vec<_>>(),
        ["snapshot 1 v11 11", "snapshot 1 v21 21"]
    );
}

#[test]
fn a_digest_ends_the_interest_in_unnamed_rooms_but_keeps_players_of_named_ones() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.send_interest(interest("e1", &["echo-2"], false));
    rig.received("e1", "echo-2");
    rig.send_interest(Interest {
        edge: "e1".into(),
        digest: true,
        rooms: vec![RoomInterest {
            room: "echo-1".into(),
            sessions: vec![10],
            ..RoomInterest::default()
        }],
    });
    rig.received("e1", "echo-1");
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.input("echo-2", ("bob", 20), 1, "a");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 2/0 alice a", "processed 10 n1 seq1"]
    );
    assert_eq!(rig.received("e1", "echo-2"), [""; 0]);
}

#[test]
fn a_new_owner_answers_a_sync_with_all_that_a_session_lacks() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "reject");
    rig.restart();
    let mut wanted = interest("e1", &["echo-1"], true);
    wanted.rooms[0].sessions = vec![10, 99];
    wanted.rooms[0].spectators = None;
    let reply = rig.send_interest(wanted);
    assert_eq!(reply.number, 1);
    assert_eq!(
        rig.received("e1", "echo-1"),
        [
            "snapshot 0 v1 1",
            "direct 10 secret of alice",
            "rejected 10 1 no",
            "processed 10 n1 seq1",
            "gone 99 not_joined",
            "presence 1 1",
            "synced",
        ]
    );
}

#[test]
fn presence_is_sent_twice_a_second_at_most() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    for viewers in 1..=5 {
        let mut wanted = spectators("e5", Known::default(), false);
        wanted.rooms[0].viewers = viewers;
        rig.send_interest(wanted);
        rig.advance(50);
    }
    let received = rig.received("e1", "echo-1");
    assert!(received.is_empty(), "{received:?}");
    rig.advance(300);
    assert_eq!(rig.received("e1", "echo-1"), ["presence 1 5"]);
}

#[test]
fn above_64_players_presence_is_a_count() {
    let mut rig = Rig::started();
    for player in 0..65 {
        rig.join("echo-1", &format!("p{player}"), 1_000 + player);
    }
    rig.advance(500);
    let items = rig.items("e1", "echo-1");
    let presence = items.into_iter().rev().find_map(|item| match item {
        grandstand_common::wire::ItemKind::Presence(p) => Some(p),
        _ => None,
    });
    let presence = presence.unwrap();
    assert_eq!((presence.players.len(), presence.count), (0, 65));
}

#[test]
fn live_messages_go_to_the_others_and_are_not_logged() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    rig.advance(1_000);
    rig.received("e2", "echo-1");
    let stored = rig.log.len();
    let live = |session| Live {
        room: "echo-1".into(),
        session,
        player: "alice".into(),
        data: Some(Data::Json("7".into())),
    };
    rig.owner.handle_live(rig.now, P, live(10));
    rig.owner.handle_live(rig.now, P, live(11));
    rig.run();
    assert_eq!(rig.received("e2", "echo-1"), ["live 7"]);
    assert_eq!(rig.log.len(), stored);
}

#[test]
fn d19_a_gap_in_the_numbers_is_answered_with_its_rooms() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 11);
    rig.input("echo-1", ("alice", 10), 1, "a");
    let numbers: Vec<_> = rig.sent.iter().map(|(_, batch)| batch.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let ask = |from, to| LinkRequest {
        edge: "e1".into(),
        from,
        to,
    };
    let reply = rig.owner.handle_link_request(rig.now, &ask(2, 2));
    assert_eq!((reply.all, reply.rooms), (false, vec!["echo-2".into()]));
    let reply = rig.owner.handle_link_request(rig.now, &ask(2, 9));
    assert_eq!(reply.rooms, ["echo-1", "echo-2"]);
    assert!(rig.owner.handle_link_request(rig.now, &ask(0, 1)).all);
}

#[test]
fn a_single_item_over_the_payload_limit_closes_the_room() {
    let mut rig = Rig::with_config(|config| {
        (config.max_payload, config.full_payload) = (2_000, 2_000);
    });
    rig.take();
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    let long = "x".repeat(3_000);
    rig.input("echo-1", ("alice", 10), 1, &long);
    assert_eq!(rig.received("e1", "echo-1"), ["closed room_too_big"]);
}

#[test]
fn interest_in_a_room_of_an_unknown_game_is_answered_with_closed() {
    let mut rig = Rig::started();
    let mut wanted = interest("e5", &["nosuch-1"], true);
    wanted.rooms[0].spectators = Some(Known::default());
    rig.send_interest(wanted);
    assert_eq!(rig.received("e5", "nosuch-1"), ["closed no_such_game"]);
}

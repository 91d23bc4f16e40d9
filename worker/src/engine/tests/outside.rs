//! Kicks, messages and the end of rooms, from outside of them.

use grandstand_common::data::Data;
use grandstand_common::wire::{Body, Create, Empty, Entry, Kick, RoomMessage};

use super::*;

fn kick(player: &str, code: &str) -> Entry {
    Body::Kick(Kick {
        player: player.to_owned(),
        code: code.to_owned(),
    })
    .into()
}

fn message(id: &str, room: &str, topic: &str) -> Entry {
    Body::Message(RoomMessage {
        id: id.to_owned(),
        room: room.to_owned(),
        topic: topic.to_owned(),
        data: Some(Data::Json("7".into())),
        ..RoomMessage::default()
    })
    .into()
}

#[test]
fn a_kick_ends_a_session_with_its_code_and_the_game_sees_a_leave() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    rig.received("e1", "echo-1");
    rig.received("e2", "echo-1");
    rig.append("echo-1", kick("bob", "afk"));
    assert_eq!(
        rig.received("e2", "echo-1")[..2],
        ["gone 20 afk", "update 3/0 kicked bob"]
    );
    assert_eq!(rig.received("e1", "echo-1")[0], "update 3/0 kicked bob");
    // The edge had sent more before it knew, and asks for what it may have missed.
    rig.input("echo-1", ("bob", 20), 1, "a");
    assert_eq!(rig.received("e2", "echo-1"), ["gone 20 afk"]);
    let mut asks = interest("e2", &["echo-1"], true);
    asks.rooms[0].sessions = vec![20];
    rig.send_interest(asks);
    let received = rig.received("e2", "echo-1");
    assert!(received.contains(&"gone 20 afk".to_owned()), "{received:?}");
    // A second kick changes nothing, and the player may come back.
    rig.append("echo-1", kick("bob", "afk"));
    rig.append("echo-1", kick("carol", "afk"));
    rig.join("echo-1", "bob", 21);
    let received = rig.received("e2", "echo-1");
    assert!(
        received.contains(&"processed 21 n0 seq0".to_owned()),
        "{received:?}"
    );
}

#[test]
fn d05_a_service_creates_a_room_that_waits_for_its_players() {
    let mut rig = Rig::started();
    let create = |params: &'static str| -> Entry {
        Body::Create(Create {
            seed: vec![7; 32].into(),
            params: params.into(),
        })
        .into()
    };
    rig.append("echo-1", create("{}"));
    rig.append("none-1", create(""));
    rig.append("echo-1", create("{}"));
    rig.advance(1_000);
    let snapshot = rig.snapshot("echo-1").unwrap();
    let instance = snapshot["room"]["instance"].clone();
    assert!(snapshot["room"]["players"]["alice"].is_null());
    assert!(rig.snapshot("none-1").is_none());
    // Its successor has it as well, and a player finds it.
    rig.restart();
    rig.join("echo-1", "alice", 10);
    rig.advance(1_000);
    let snapshot = rig.snapshot("echo-1").unwrap();
    assert_eq!(snapshot["room"]["instance"], instance);
    assert_eq!(
        snapshot["room"]["players"]["alice"]["presence"],
        "connected"
    );
}

#[test]
fn a_game_kicks_after_its_other_effects_and_is_not_told() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    rig.received("e2", "echo-1");
    rig.input("echo-1", ("alice", 10), 1, "kick bob");
    assert_eq!(
        rig.received("e2", "echo-1"),
        ["update 3/0 alice kick bob", "gone 20 as_told"]
    );
    rig.advance(1_000);
    let snapshot = rig.snapshot("echo-1").unwrap();
    assert_eq!(snapshot["room"]["players"]["bob"]["presence"], "left");
    assert_eq!(snapshot["room"]["players"]["bob"]["kicked"], "as_told");
    // A successor tells the edge that missed it.
    rig.restart();
    let mut asks = interest("e2", &["echo-1"], true);
    asks.rooms[0].sessions = vec![20];
    rig.send_interest(asks);
    rig.expect_item("e2", "echo-1", "gone 20 as_told");
}

#[test]
fn a_code_that_is_not_valid_becomes_kicked() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.append("echo-1", kick("alice", "Not a code"));
    rig.expect_item("e1", "echo-1", "gone 10 kicked");
}

#[test]
fn a_message_reaches_the_game_once() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    rig.append("echo-1", message("x", "", "news"));
    rig.append("echo-1", message("x", "", "news"));
    rig.append("echo-1", message("7f.2", "echo-2", "news"));
    rig.append("echo-1", message("7f.1", "echo-2", "news"));
    rig.append("echo-1", message("y", "", "unwanted"));
    assert_eq!(
        rig.received("e1", "echo-1"),
        [
            "update 2/0 news 7 from admin",
            "update 3/0 news 7 from echo-2"
        ]
    );
    rig.advance(1_000);
    rig.restart();
    rig.append("echo-1", message("x", "", "news"));
    rig.append("echo-1", message("7f.2", "echo-2", "news"));
    rig.advance(2_000);
    let log = &rig.snapshot("echo-1").unwrap()["game"]["log"];
    assert_eq!(log.as_array().unwrap().len(), 3, "{log}");
}

#[test]
fn what_comes_from_outside_creates_no_room_and_wakes_a_stored_one() {
    let mut rig = Rig::with_config(|config| config.idle = Some(std::time::Duration::from_secs(1)));
    rig.take();
    for entry in [
        kick("bob", "afk"),
        message("x", "", "news"),
        Body::Close(Empty {}).into(),
    ] {
        rig.append("echo-9", entry);
    }
    rig.advance(2_000);
    assert_eq!(rig.snapshot("echo-9"), None);
    rig.join("echo-1", "alice", 10);
    rig.append("echo-1", left(("alice", 10), 1));
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    for _ in 0..5 {
        rig.advance(2_000);
    }
    assert_eq!(rig.owner.partitions().room_counts().loaded, 0);
    rig.append("echo-1", message("x", "", "news"));
    rig.advance(2_000);
    let snapshot = rig.snapshot("echo-1").unwrap();
    assert_eq!(snapshot["game"]["log"][2], "news 7 from admin");
}

#[test]
fn d12_a_closed_room_is_readable_for_a_minute_and_then_deleted() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.advance(100_000);
    rig.append("echo-1", Body::Close(Empty {}).into());
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.expect_item("e1", "echo-1", "rejected 10 1 finished");
    rig.advance(59_000);
    rig.append("echo-1", Body::Close(Empty {}).into());
    assert!(
        !rig.received("e1", "echo-1")
            .contains(&"closed finished".to_owned())
    );
    rig.advance(1_100);
    rig.expect_item("e1", "echo-1", "closed finished");
}

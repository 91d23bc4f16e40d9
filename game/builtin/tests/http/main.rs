//! `http`: what its endpoint gets, and what its replies do.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use grandstand_game::testing::TestRoom;
use grandstand_game::{CallError, CallId, Lane, Origin};
use grandstand_games::http::HttpRoom;
use serde_json::{Value, json};

fn room() -> TestRoom<HttpRoom> {
    let mut room = TestRoom::<HttpRoom>::new(json!({"topic": "tea"}));
    room.reducer(|view, update| {
        if let Some(snapshot) = update.get("snapshot") {
            view.clone_from(snapshot);
        }
    });
    room
}

/// The call that is open, and its data.
fn open(room: &TestRoom<HttpRoom>) -> (CallId, Value) {
    let mut calls = room.calls();
    assert_eq!(calls.len(), 1, "one at a time");
    let call = calls.remove(0);
    assert!(call.endpoint.starts_with("http-"), "{}", call.endpoint);
    (call.id, call.data)
}

fn reply(room: &mut TestRoom<HttpRoom>, reply: &Value) -> Value {
    let (call, data) = open(room);
    room.answer(call, reply);
    data
}

#[test]
fn what_happens_goes_to_the_endpoint_in_order() {
    let mut room = room();
    room.join_with("alice", &json!({"age": 9})).accepted();
    room.input("alice", json!({"text": "hello"})).accepted();
    room.join("bob").accepted();
    room.crash();
    let connect = reply(&mut room, &json!({}));
    assert_eq!(connect["event"], "connect");
    assert_eq!(
        (&connect["no"], &connect["player"]),
        (&json!(1), &json!("alice"))
    );
    assert_eq!(connect["options"], json!({"age": 9}));
    assert_eq!(connect["params"], json!({"topic": "tea"}));
    let message = reply(&mut room, &Value::Null);
    assert_eq!(message["event"], "message");
    assert_eq!(message["data"], json!({"text": "hello"}));
    assert_eq!(reply(&mut room, &json!({}))["player"], "bob");
    assert!(room.calls().is_empty());
    room.leave("bob").accepted();
    assert_eq!(reply(&mut room, &json!({}))["how"], "left");
    room.lose("alice");
    assert!(room.calls().is_empty());
    room.pass(Duration::from_secs(60));
    assert_eq!(reply(&mut room, &json!({}))["how"], "lost");
}

#[test]
fn a_reply_becomes_what_players_see() {
    let mut room = room();
    for player in ["alice", "bob"] {
        room.join(player).accepted();
        reply(&mut room, &json!({}));
    }
    room.input("alice", 1).accepted();
    let (call, _) = open(&room);
    let step = room.answer(
        call,
        json!({"updates": [{"n": 1}, {"n": 2}], "snapshot": null, "direct": {"bob": "psst", "eve": 7}}),
    );
    let step = step.updates(Lane::Players, &[json!({"n": 1}), json!({"n": 2})]);
    step.direct("bob", &json!("psst"));
    room.input("alice", 1).accepted();
    let (call, _) = open(&room);
    room.answer(call, json!({"snapshot": {"n": 3}}))
        .updates(Lane::Players, &[json!({"snapshot": {"n": 3}})]);
    assert_eq!(*room.view(Lane::Spectators), json!({"n": 3}));
    room.input("alice", 1).accepted();
    let (call, _) = open(&room);
    let step = room.answer(call, json!({"reject": {"code": "no", "message": "never"}}));
    step.direct(
        "alice",
        &json!({"rejected": {"no": 5, "code": "no", "message": "never"}}),
    );
    room.input("alice", 1).accepted();
    reply(&mut room, &json!({"kick": ["bob"], "close": false}));
    assert_eq!(room.players().count(), 1);
    assert_eq!(reply(&mut room, &json!({}))["how"], "kicked");
    let push = json!({"snapshot": 4, "close": true});
    room.message(Origin::Service("shop"), "push", push)
        .accepted();
    assert_eq!(*room.view(Lane::Players), json!(4));
    assert!(room.is_finished());
}

#[test]
fn an_endpoint_that_fails_costs_the_request_alone() {
    let mut room = room();
    room.join("alice").accepted();
    reply(&mut room, &json!({}));
    for (error, code) in [
        (CallError::Timeout, "backend_timeout"),
        (CallError::Status(500), "backend_error"),
        (CallError::Unavailable, "backend_unavailable"),
        (CallError::NoEndpoint, "no_backend"),
        (CallError::BadAnswer, "bad_reply"),
    ] {
        room.input("alice", 1).accepted();
        room.input("alice", 2).accepted();
        let (call, data) = open(&room);
        let message = format!("the back end of this room has not replied: {error}");
        let failed = json!({"failed": {"no": data["no"], "code": code, "message": message}});
        room.fail_call(call, error).direct("alice", &failed);
        assert_eq!(reply(&mut room, &json!({}))["data"], 2);
    }
    for garbage in [
        json!(7),
        json!({"update": []}),
        json!({"updates": {}}),
        json!({"kick": "alice"}),
    ] {
        room.input("alice", 1).accepted();
        reply(&mut room, &garbage);
    }
    room.input("alice", 1).accepted();
    room.pass(Duration::from_secs(30));
    assert!(room.calls().is_empty());
    // A player who is refused at the door leaves.
    room.join("bob").accepted();
    let (call, _) = open(&room);
    room.fail_call(call, CallError::Unavailable);
    room.join("carol").accepted();
    reply(&mut room, &json!({"reject": {"code": "full"}}));
    assert_eq!(room.players().count(), 1);
}

#[test]
fn what_waits_for_the_endpoint_is_bounded() {
    let mut room = room();
    room.join("alice").accepted();
    for n in 1..64 {
        room.input("alice", n).accepted();
    }
    room.input("alice", 64).rejected("backend_busy");
    room.join("bob").rejected("backend_busy");
    let big = "x".repeat(57 * 1024);
    room.input("alice", big).rejected("too_big");
    reply(&mut room, &json!({}));
    room.input("alice", 64).accepted();
    for _ in 0..64 {
        reply(&mut room, &json!({}));
    }
    let large = "x".repeat(50 * 1024);
    for _ in 0..7 {
        room.input("alice", &large).accepted();
    }
    room.input("alice", &large).rejected("backend_busy");
    room.message(Origin::Service("shop"), "other", json!({}))
        .rejected("unexpected");
    room.message(Origin::Service("shop"), "push", json!({"updates": 7}))
        .rejected("bad_reply");
}

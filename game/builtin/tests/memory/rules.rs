//! The rules of `memory`, scene by scene. Every event also checks that the updates match the views.

use grandstand_games::memory::Memory;
use grandstand_harness::memory;
use serde_json::{Value, json};

use crate::solo::{Outcome, Solo};

type Room = Solo<Memory>;

fn room(params: Value, seed: u64) -> Room {
    Solo::new(&params, seed, memory::apply).unwrap()
}

fn flip(room: &mut Room, name: &str, card: usize) -> Outcome {
    room.input(name, &json!({"op": "flip", "card": card}))
}

/// The faces of all cards, from the game's state.
fn deck(room: &Room) -> Vec<u64> {
    let state = serde_json::to_value(&room.game).unwrap();
    let deck = state["deck"].as_array().unwrap();
    deck.iter().map(|face| face.as_u64().unwrap()).collect()
}

/// Two hidden cards that have equal faces, or different ones.
fn cards(room: &Room, equal: bool) -> (usize, usize) {
    let deck = deck(room);
    let hidden: Vec<usize> = (0..deck.len())
        .filter(|&card| room.views[0]["cards"][card].is_null())
        .collect();
    let pairs = hidden
        .iter()
        .flat_map(|&a| hidden.iter().map(move |&b| (a, b)));
    pairs
        .filter(|&(a, b)| a != b && (deck[a] == deck[b]) == equal)
        .min()
        .unwrap()
}

fn two(params: Value) -> Room {
    let mut room = room(params, 1);
    assert_eq!(room.join("alice").kinds(), ["waiting"]);
    assert_eq!(room.join("bob").kinds(), ["started"]);
    room
}

#[test]
fn a_game_from_the_first_join_to_the_scores() {
    let mut room = two(json!({"rows": 2, "cols": 2}));
    let start = room.now_ms;
    assert_eq!(
        room.views[0],
        json!({"phase": "playing", "rows": 2, "cols": 2, "cards": [null, null, null, null], "open": [],
            "turn": "alice", "deadline_ms": start + 20_000, "players": ["alice", "bob"],
            "scores": {"alice": 0, "bob": 0}, "winners": null})
    );
    let (a, b) = cards(&room, false);
    assert_eq!(flip(&mut room, "alice", a).kinds(), ["flipped"]);
    assert_eq!(flip(&mut room, "alice", b).kinds(), ["flipped"]);
    assert_eq!(
        room.pass(1_000).updates,
        [
            json!({"kind": "hidden", "cards": [a, b]}),
            json!({"kind": "turn", "player": "bob", "deadline_ms": start + 21_000})
        ]
    );
    let (a, b) = cards(&room, true);
    flip(&mut room, "bob", a);
    room.now_ms += 5;
    let matched = flip(&mut room, "bob", b).updates;
    assert_eq!(
        matched[1..],
        [
            json!({"kind": "matched", "cards": [a, b], "by": "bob", "scores": {"alice": 0, "bob": 1}}),
            json!({"kind": "turn", "player": "bob", "deadline_ms": start + 21_005})
        ]
    );
    let (a, b) = cards(&room, true);
    flip(&mut room, "bob", a);
    let over = flip(&mut room, "bob", b).updates;
    assert_eq!(
        over[2..],
        [json!({"kind": "over", "scores": {"alice": 0, "bob": 2}, "winners": ["bob"]})]
    );
    assert!(room.finished && room.timers.is_empty());
    assert_eq!(flip(&mut room, "bob", 0).code(), Some("finished"));
}

#[test]
fn an_illegal_input_is_rejected_and_changes_nothing() {
    let mut room = room(json!({}), 1);
    room.join("alice");
    assert_eq!(flip(&mut room, "alice", 0).code(), Some("not_started"));
    room.join("bob");
    assert_eq!(room.join("carol").code(), Some("room_full"));
    assert_eq!(flip(&mut room, "carol", 0).code(), Some("not_playing"));
    assert_eq!(flip(&mut room, "bob", 0).code(), Some("not_your_turn"));
    for (data, code) in [
        (json!({"op": "flip", "card": 16}), "bad_card"),
        (json!({"op": "flip", "card": -1}), "bad_card"),
        (json!({"op": "flip", "card": 1.5}), "bad_card"),
        (json!({"op": "flip", "card": 1e300}), "bad_card"),
        (json!({"op": "flip", "card": "5"}), "bad_input"),
        (json!({"op": "flip"}), "bad_input"),
        (json!({"op": "peek", "card": 1}), "bad_input"),
        (json!([]), "bad_input"),
        (json!(null), "bad_input"),
    ] {
        let outcome = room.input("alice", &data);
        assert_eq!(outcome.code(), Some(code), "{data}");
        assert!(outcome.updates.is_empty());
    }
    let (a, b) = cards(&room, false);
    assert_eq!(flip(&mut room, "alice", a).code(), None);
    assert_eq!(flip(&mut room, "alice", a).code(), Some("card_open"));
    flip(&mut room, "alice", b);
    let third = (0..16).find(|&card| card != a && card != b).unwrap();
    assert_eq!(flip(&mut room, "alice", third).code(), Some("two_open"));
}

#[test]
fn a_turn_that_runs_out_hides_the_one_open_card() {
    let mut room = two(json!({}));
    flip(&mut room, "alice", 3);
    assert_eq!(room.pass(20_000).kinds(), ["hidden", "turn"]);
    assert_eq!(room.views[1]["turn"], "bob");
}

#[test]
fn a_dropped_player_may_return_before_and_during_the_pause() {
    let mut room = two(json!({}));
    room.lost("bob");
    room.pass(29_999);
    assert_eq!(room.views[0]["phase"], "playing");
    assert!(room.returned("bob").updates.is_empty());
    room.lost("bob");
    let kinds = room.pass(30_000);
    assert_eq!(kinds.updates.last().unwrap()["kind"], "paused");
    assert_eq!(room.views[0]["deadline_ms"], room.now_ms + 120_000);
    let turn = room.views[0]["turn"].clone();
    assert_eq!(flip(&mut room, "alice", 0).code(), Some("paused"));
    assert!(room.pass(119_000).updates.is_empty());
    assert_eq!(room.returned("bob").kinds(), ["resumed", "turn"]);
    assert_eq!(room.views[0]["turn"], turn);
    assert_eq!(room.views[0]["deadline_ms"], room.now_ms + 20_000);
}

#[test]
fn the_computer_takes_over_and_plays_to_the_end() {
    let mut room = two(json!({}));
    room.lost("bob");
    let kinds = room.pass(150_000);
    assert_eq!(
        kinds.kinds()[kinds.updates.len() - 3..],
        ["replaced", "resumed", "turn"]
    );
    assert!(room.returned("bob").updates.is_empty());
    assert!(matches!(flip(&mut room, "bob", 0).code(), Some("replaced")));
    for _ in 0..10_000 {
        if room.finished {
            break;
        }
        room.fire().unwrap();
    }
    assert_eq!(room.views[0]["phase"], "over");
    assert_eq!(room.views[0]["winners"], json!(["bob"]));
}

#[test]
fn an_abandoned_game_is_won_by_the_others() {
    let mut room = two(json!({"on_drop": "abandon"}));
    flip(&mut room, "alice", 0);
    room.lost("alice");
    let kinds = room.pass(150_000);
    assert_eq!(kinds.updates.last().unwrap()["winners"], json!(["bob"]));
    assert!(room.finished && room.timers.is_empty());

    let mut room = two(json!({"on_drop": "abandon"}));
    flip(&mut room, "alice", 0);
    assert_eq!(room.left("bob").kinds(), ["hidden", "over"]);
    assert_eq!(room.views[0]["winners"], json!(["alice"]));
}

#[test]
fn a_player_who_leaves_for_good_is_replaced_at_once() {
    let mut room = two(json!({}));
    assert_eq!(room.left("alice").kinds(), ["replaced"]);
    assert_eq!(room.pass(800).kinds(), ["flipped"]);
    assert_eq!(room.join("alice").code(), None);
    assert_eq!(flip(&mut room, "alice", 0).code(), Some("replaced"));
    assert_eq!(room.left("bob").kinds(), ["replaced", "hidden", "over"]);
}

#[test]
fn each_of_two_dropped_players_has_a_grace_period() {
    let mut room = two(json!({}));
    room.lost("alice");
    room.pass(10_000);
    room.lost("bob");
    room.pass(20_000);
    let first = room.now_ms + 120_000;
    assert_eq!(room.views[0]["deadline_ms"], first);
    room.pass(10_000);
    assert_eq!(room.views[0]["deadline_ms"], first);
    assert_eq!(room.returned("alice").kinds(), ["paused"]);
    assert_eq!(room.views[0]["deadline_ms"], first + 10_000);
    assert_eq!(room.pass(120_000).kinds()[..2], ["replaced", "resumed"]);
}

#[test]
fn cards_that_are_open_when_the_game_pauses_are_hidden_in_time() {
    let mut room = two(json!({"grace_ms": 500, "hide_ms": 1_000}));
    room.lost("bob");
    let (a, b) = cards(&room, false);
    flip(&mut room, "alice", a);
    flip(&mut room, "alice", b);
    let hide = room.now_ms + 1_000;
    assert_eq!(room.pass(500).kinds(), ["paused"]);
    let mut other = room.clone();
    assert_eq!(other.returned("bob").kinds(), ["resumed", "turn"]);
    assert_eq!(other.views[0]["deadline_ms"], hide);
    assert_eq!(room.pass(500).kinds(), ["hidden", "turn"]);
    assert_eq!(room.views[0]["turn"], "bob");
    assert_eq!(room.views[0]["phase"], "paused");
}

#[test]
fn before_the_start_an_absent_player_frees_a_place() {
    let mut room = room(json!({}), 1);
    room.join("alice");
    assert_eq!(room.left("alice").kinds(), ["waiting"]);
    assert_eq!(room.views[0]["players"], json!([]));
    room.join("bob");
    room.lost("bob");
    assert_eq!(room.pass(30_000).kinds(), ["waiting"]);
    assert_eq!(room.returned("bob").kinds(), ["waiting"]);
    room.left("bob");
    assert_eq!(room.pass(120_000).kinds(), ["over"]);
    assert!(room.finished);
}

#[test]
fn bad_params_say_what_is_wrong() {
    for (params, word) in [
        (json!({"players": 1}), "players"),
        (json!({"players": 5}), "players"),
        (json!({"rows": 3, "cols": 3}), "rows"),
        (json!({"rows": 0}), "rows"),
        (json!({"rows": 9, "cols": 8}), "rows"),
        (json!({"rows": u64::MAX, "cols": 2}), "rows"),
        (json!({"rows": "4"}), "string"),
        (json!({"on_drop": "wait"}), "wait"),
        (json!({"turn_ms": 5}), "turn_ms"),
        (json!([]), "object"),
    ] {
        let reject = Room::new(&params, 1, memory::apply).err().unwrap();
        assert_eq!(reject.code, "bad_params");
        assert!(reject.message.contains(word), "{}", reject.message);
    }
}

#[test]
fn the_same_seed_is_the_same_deck_and_another_is_another() {
    let (a, b, c) = (room(json!({}), 1), room(json!({}), 1), room(json!({}), 2));
    assert_eq!(deck(&a), deck(&b));
    assert_ne!(deck(&a), deck(&c));
    let mut faces = deck(&a);
    faces.sort_unstable();
    assert_eq!(faces, (0..16).map(|card| card / 2).collect::<Vec<u64>>());
}

//! The rules of `memory`, scene by scene. Every event also checks that the updates match the views.

use std::time::Duration;

use grandstand_game::Lane;
use grandstand_game::testing::Step;
use grandstand_harness::memory;
use serde_json::{Value, json};

use crate::{Room, StepExt as _};

fn room(params: &Value, seed: u64) -> Room {
    let mut room = Room::seeded(params, seed).unwrap();
    room.reducer(memory::apply);
    room
}

fn flip(room: &mut Room, name: &str, card: usize) -> Step {
    room.input(name, json!({"op": "flip", "card": card}))
}

fn pass(room: &mut Room, ms: u64) -> Step {
    room.pass(Duration::from_millis(ms))
}

/// The faces of all cards, from the game's state.
fn deck(room: &Room) -> Vec<u64> {
    let state = serde_json::to_value(room.game()).unwrap();
    let deck = state["deck"].as_array().unwrap();
    deck.iter().map(|face| face.as_u64().unwrap()).collect()
}

/// Two hidden cards that have equal faces, or different ones.
fn cards(room: &Room, equal: bool) -> (usize, usize) {
    let deck = deck(room);
    let hidden: Vec<usize> = (0..deck.len())
        .filter(|&card| room.view(Lane::Players)["cards"][card].is_null())
        .collect();
    let pairs = hidden
        .iter()
        .flat_map(|&a| hidden.iter().map(move |&b| (a, b)));
    pairs
        .filter(|&(a, b)| a != b && (deck[a] == deck[b]) == equal)
        .min()
        .unwrap()
}

fn two(params: &Value) -> Room {
    let mut room = room(params, 1);
    assert_eq!(room.join("alice").kinds(), ["waiting"]);
    assert_eq!(room.join("bob").kinds(), ["started"]);
    room
}

#[test]
fn a_game_from_the_first_join_to_the_scores() {
    let mut room = two(&json!({"rows": 2, "cols": 2}));
    let start = room.now_ms();
    assert_eq!(
        *room.view(Lane::Players),
        json!({"phase": "playing", "rows": 2, "cols": 2, "cards": [null, null, null, null], "open": [],
            "turn": "alice", "deadline_ms": start + 20_000, "players": ["alice", "bob"],
            "scores": {"alice": 0, "bob": 0}, "winners": null})
    );
    let (a, b) = cards(&room, false);
    assert_eq!(flip(&mut room, "alice", a).kinds(), ["flipped"]);
    assert_eq!(flip(&mut room, "alice", b).kinds(), ["flipped"]);
    assert_eq!(
        pass(&mut room, 1_000).all(),
        [
            json!({"kind": "hidden", "cards": [a, b]}),
            json!({"kind": "turn", "player": "bob", "deadline_ms": start + 21_000})
        ]
    );
    let (a, b) = cards(&room, true);
    flip(&mut room, "bob", a);
    pass(&mut room, 5);
    let matched = flip(&mut room, "bob", b);
    assert_eq!(
        matched.all()[1..],
        [
            json!({"kind": "matched", "cards": [a, b], "by": "bob", "scores": {"alice": 0, "bob": 1}}),
            json!({"kind": "turn", "player": "bob", "deadline_ms": start + 21_005})
        ]
    );
    let (a, b) = cards(&room, true);
    flip(&mut room, "bob", a);
    let over = flip(&mut room, "bob", b).emits(
        "results",
        &[json!({"players": [{"player": "alice", "score": 0, "won": false}, {"player": "bob", "score": 2, "won": true}]})],
    );
    assert_eq!(
        over.all()[2..],
        [json!({"kind": "over", "scores": {"alice": 0, "bob": 2}, "winners": ["bob"]})]
    );
    assert!(room.is_finished() && room.timers().next().is_none());
    assert_eq!(flip(&mut room, "bob", 0).code(), Some("finished"));
}

#[test]
fn an_illegal_input_is_rejected_and_changes_nothing() {
    let mut room = room(&json!({}), 1);
    room.join("alice");
    assert_eq!(flip(&mut room, "alice", 0).code(), Some("not_started"));
    room.join("bob");
    assert_eq!(room.join("carol").code(), Some("room_full"));
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
        assert!(outcome.all().is_empty());
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
    let mut room = two(&json!({}));
    flip(&mut room, "alice", 3);
    assert_eq!(pass(&mut room, 20_000).kinds(), ["hidden", "turn"]);
    assert_eq!(room.view(Lane::Spectators)["turn"], "bob");
}

#[test]
fn a_dropped_player_may_return_before_and_during_the_pause() {
    let mut room = two(&json!({}));
    room.lose("bob");
    pass(&mut room, 29_999);
    assert_eq!(room.view(Lane::Players)["phase"], "playing");
    assert!(room.join("bob").all().is_empty());
    room.lose("bob");
    let kinds = pass(&mut room, 30_000);
    assert_eq!(kinds.all().last().unwrap()["kind"], "paused");
    assert_eq!(
        room.view(Lane::Players)["deadline_ms"],
        room.now_ms() + 120_000
    );
    let turn = room.view(Lane::Players)["turn"].clone();
    assert_eq!(flip(&mut room, "alice", 0).code(), Some("paused"));
    assert!(pass(&mut room, 119_000).all().is_empty());
    assert_eq!(room.join("bob").kinds(), ["resumed", "turn"]);
    assert_eq!(room.view(Lane::Players)["turn"], turn);
    assert_eq!(
        room.view(Lane::Players)["deadline_ms"],
        room.now_ms() + 20_000
    );
}

#[test]
fn the_computer_takes_over_and_plays_to_the_end() {
    let mut room = two(&json!({}));
    room.lose("bob");
    let kinds = pass(&mut room, 150_000);
    assert_eq!(
        kinds.kinds()[kinds.all().len() - 3..],
        ["replaced", "resumed", "turn"]
    );
    assert!(room.join("bob").all().is_empty());
    assert!(matches!(flip(&mut room, "bob", 0).code(), Some("replaced")));
    for _ in 0..10_000 {
        if room.is_finished() {
            break;
        }
        room.pass(room.next_timer().unwrap());
    }
    assert_eq!(room.view(Lane::Players)["phase"], "over");
    assert_eq!(room.view(Lane::Players)["winners"], json!(["bob"]));
}

#[test]
fn an_abandoned_game_is_won_by_the_others() {
    let mut room = two(&json!({"on_drop": "abandon"}));
    flip(&mut room, "alice", 0);
    room.lose("alice");
    let kinds = pass(&mut room, 150_000);
    assert_eq!(kinds.all().last().unwrap()["winners"], json!(["bob"]));
    assert!(room.is_finished() && room.timers().next().is_none());

    let mut room = two(&json!({"on_drop": "abandon"}));
    flip(&mut room, "alice", 0);
    assert_eq!(room.leave("bob").kinds(), ["hidden", "over"]);
    assert_eq!(room.view(Lane::Players)["winners"], json!(["alice"]));
}

#[test]
fn a_player_who_leaves_for_good_is_replaced_at_once() {
    let mut room = two(&json!({}));
    assert_eq!(room.leave("alice").kinds(), ["replaced"]);
    assert_eq!(pass(&mut room, 800).kinds(), ["flipped"]);
    assert_eq!(room.join("alice").code(), None);
    assert_eq!(flip(&mut room, "alice", 0).code(), Some("replaced"));
    assert_eq!(room.leave("bob").kinds(), ["replaced", "hidden", "over"]);
}

#[test]
fn each_of_two_dropped_players_has_a_grace_period() {
    let mut room = two(&json!({}));
    room.lose("alice");
    pass(&mut room, 10_000);
    room.lose("bob");
    pass(&mut room, 20_000);
    let first = room.now_ms() + 120_000;
    assert_eq!(room.view(Lane::Players)["deadline_ms"], first);
    pass(&mut room, 10_000);
    assert_eq!(room.view(Lane::Players)["deadline_ms"], first);
    assert_eq!(room.join("alice").kinds(), ["paused"]);
    assert_eq!(room.view(Lane::Players)["deadline_ms"], first + 10_000);
    assert_eq!(
        pass(&mut room, 120_000).kinds()[..2],
        ["replaced", "resumed"]
    );
}

#[test]
fn cards_that_are_open_when_the_game_pauses_are_hidden_in_time() {
    let paused = || {
        let mut room = two(&json!({"grace_ms": 500, "hide_ms": 1_000}));
        room.lose("bob");
        let (a, b) = cards(&room, false);
        flip(&mut room, "alice", a);
        flip(&mut room, "alice", b);
        let hide = room.now_ms() + 1_000;
        assert_eq!(pass(&mut room, 500).kinds(), ["paused"]);
        (room, hide)
    };
    let (mut room, hide) = paused();
    assert_eq!(room.join("bob").kinds(), ["resumed", "turn"]);
    assert_eq!(room.view(Lane::Players)["deadline_ms"], hide);
    let (mut room, _) = paused();
    assert_eq!(pass(&mut room, 500).kinds(), ["hidden", "turn"]);
    assert_eq!(room.view(Lane::Players)["turn"], "bob");
    assert_eq!(room.view(Lane::Players)["phase"], "paused");
}

#[test]
fn a_player_who_comes_back_too_late_for_a_place_does_not_play() {
    let mut room = room(&json!({}), 1);
    room.join("carol");
    room.lose("carol");
    pass(&mut room, 30_000);
    room.join("alice");
    room.join("bob");
    assert!(room.join("carol").all().is_empty());
    assert_eq!(flip(&mut room, "carol", 0).code(), Some("not_playing"));
}

#[test]
fn before_the_start_an_absent_player_frees_a_place() {
    let mut room = room(&json!({}), 1);
    room.join("alice");
    assert_eq!(room.leave("alice").kinds(), ["waiting"]);
    assert_eq!(room.view(Lane::Players)["players"], json!([]));
    room.join("bob");
    room.lose("bob");
    assert_eq!(pass(&mut room, 30_000).kinds(), ["waiting"]);
    assert_eq!(room.join("bob").kinds(), ["waiting"]);
    room.leave("bob");
    assert_eq!(pass(&mut room, 120_000).kinds(), ["over"]);
    assert!(room.is_finished());
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
        let reject = Room::seeded(&params, 1).err().unwrap();
        assert_eq!(reject.code, "bad_params");
        assert!(reject.message.contains(word), "{}", reject.message);
    }
}

#[test]
fn the_same_seed_is_the_same_deck_and_another_is_another() {
    let (a, b, c) = (
        room(&json!({}), 1),
        room(&json!({}), 1),
        room(&json!({}), 2),
    );
    assert_eq!(deck(&a), deck(&b));
    assert_ne!(deck(&a), deck(&c));
    let mut faces = deck(&a);
    faces.sort_unstable();
    assert_eq!(faces, (0..16).map(|card| card / 2).collect::<Vec<u64>>());
}

#[test]
fn a_player_plays_against_bots() {
    let params = json!({"players": 3, "bots": 2, "rows": 2, "cols": 2});
    let mut room = room(&params, 1);
    let joined = room.join("alice");
    assert_eq!(joined.kinds(), ["started"]);
    assert_eq!(
        joined.all()[0]["players"],
        json!(["alice", "bot-1", "bot-2"])
    );
    assert_eq!(room.join("bot-1").code(), Some("name_taken"));
    let (a, b) = cards(&room, false);
    flip(&mut room, "alice", a);
    flip(&mut room, "alice", b);
    let played = pass(&mut room, 1_900);
    assert_eq!(played.kinds(), ["hidden", "turn", "flipped"]);
    assert_eq!(played.all()[2]["by"], "bot-1");
    // The bots end the game, because Alice does nothing.
    let players = json!([{"player": "alice", "score": 0, "won": false}]);
    pass(&mut room, 2_000_000).emits("results", &[json!({"players": players})]);
    assert!(room.is_finished());
    assert!(Room::seeded(&json!({"bots": 2}), 1).is_err());
}

#[test]
fn a_room_with_bots_ends_when_its_players_have_left() {
    let mut room = room(&json!({"players": 3, "bots": 1}), 1);
    room.join("alice");
    room.join("bob");
    room.leave("alice");
    assert!(!room.is_finished());
    assert_eq!(room.leave("bob").kinds(), ["replaced", "over"]);
}

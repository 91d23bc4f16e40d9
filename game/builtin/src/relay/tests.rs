use grandstand_game::LiveTo;
use grandstand_game::testing::TestRoom;

use super::*;

type Room = TestRoom<Relay>;

fn room(params: Value, names: &[&str]) -> Room {
    let mut room = Room::new(params);
    room.reducer(reduce);
    for name in names {
        room.join(name).accepted();
    }
    room
}

/// Applies an update to a view, as the module's documentation says.
fn reduce(view: &mut Value, update: &Value) {
    if let Some(players_only) = update.get("players_only") {
        view["players_only"] = players_only.clone();
    } else if let Some(key) = update.get("key").and_then(Value::as_str) {
        view["values"][key] = update["value"].clone();
    } else {
        view["count"] = json!(view["count"].as_u64().unwrap() + 1);
    }
}

fn config(on: Value) -> Value {
    json!({"op": "config", "players_only": on})
}

fn put(key: &str, value: u64) -> Value {
    json!({"op": "put", "key": key, "value": value})
}

#[test]
fn messages_go_to_everybody_in_the_room() {
    let mut room = room(json!({}), &["al\"ice", "bob"]);
    let update = json!({"from": "al\"ice", "data": {"x": [1.0, "config"]}});
    let said = room.input("al\"ice", json!({"x": [1.0, "config"]}));
    said.updates(Lane::Players, std::slice::from_ref(&update))
        .updates(Lane::Spectators, &[update]);
    let update = json!({"from": "bob", "data_b64": "AP8="});
    room.input_bytes("bob", &[0, 255])
        .updates(Lane::Spectators, &[update]);
    for lane in Lane::ALL {
        assert_eq!(*room.view(lane), json!({"count": 2, "players_only": false}));
    }
}

#[test]
fn json_is_copied_as_it_was_sent() {
    let player: PlayerId = "alice".parse().unwrap();
    let data = Data::Json(r#"{ "x": [1.0] }"#.into());
    let expected = Data::Json(r#"{"from":"alice","data":{ "x": [1.0] }}"#.into());
    assert_eq!(message(&player, &data), expected);
}

#[test]
fn the_first_player_may_hide_messages_from_spectators() {
    let mut room = room(json!({}), &["alice", "bob"]);
    room.input("bob", config(json!(true))).rejected("forbidden");
    room.input("alice", config(json!(1))).rejected("bad_input");
    let change = json!({"players_only": true});
    room.input("alice", config(json!(true)))
        .updates(Lane::Spectators, &[change]);
    let said = room.input("bob", 7);
    assert_eq!(said.lane(Lane::Players).len(), 1);
    said.updates(Lane::Spectators, &[]);
    let seen = |count: u64| json!({"count": count, "players_only": true});
    assert_eq!(*room.view(Lane::Players), seen(1));
    assert_eq!(*room.view(Lane::Spectators), seen(0));
    room.leave("alice");
    let change = json!({"players_only": false});
    room.input("bob", config(json!(false)))
        .updates(Lane::Players, &[change]);
}

#[test]
fn a_room_without_connected_players_ends() {
    let hour = Duration::from_secs(3600);
    let mut room = room(json!({}), &["alice", "bob"]);
    room.leave("alice");
    room.pass(hour);
    room.lose("bob");
    room.pass(hour - Duration::from_millis(1));
    room.join("bob");
    room.pass(hour);
    assert!(!room.is_finished());
    room.lose("bob");
    room.pass(hour);
    assert!(room.is_finished());
}

#[test]
fn bad_params_are_rejected() {
    for params in [json!({"idle_ms": 1}), json!({"idle_ms": "x"}), json!(7)] {
        let reject = Room::seeded(&params, 1).unwrap_err();
        assert_eq!(reject.code, "bad_params");
    }
}

#[test]
fn spectators_see_live_messages_only_while_they_see_the_others() {
    let mut room = room(json!({}), &["alice", "bob"]);
    let player = |name: &str| name.parse::<PlayerId>().unwrap();
    let live = |room: &Room| {
        let mut effects = LiveEffects::default();
        let data = Data::json(&1).unwrap();
        room.game().live(&player("alice"), data, &mut effects);
        effects.into_list()
    };
    assert!(matches!(&live(&room)[..], [(LiveTo::Others(_), _)]));
    room.input("alice", config(json!(true)));
    assert!(matches!(&live(&room)[..], [(LiveTo::Player(to), _)] if *to == player("bob")));
}

#[test]
fn a_value_replaces_the_earlier_one_of_its_key() {
    let mut room = room(json!({}), &["alice"]);
    room.input("alice", put("score", 1)).accepted();
    let update = json!({"from": "alice", "key": "score", "value": 2});
    room.input("alice", put("score", 2))
        .updates(Lane::Spectators, &[update]);
    let expected = json!({"count": 0, "players_only": false, "values": {"score": 2}});
    assert_eq!(*room.view(Lane::Spectators), expected);
    room.input("alice", put("", 2)).rejected("bad_input");
    for i in 1..256 {
        room.input("alice", put(&format!("k{i}"), 0)).accepted();
    }
    room.input("alice", put("one too many", 0))
        .rejected("bad_input");
}

#[test]
fn params_say_how_spectators_are_served() {
    let room = Room::new(json!({"max_rate_hz": 5, "delay_ms": 2000}));
    let expected = Spectating {
        max_rate_hz: 5,
        delay_ms: 2000,
    };
    assert_eq!(room.game().spectating(), expected);
    let room = Room::new(json!({}));
    assert_eq!(room.game().spectating(), Spectating::default());
    let reject = Room::seeded(&json!({"delay_ms": 3_600_001}), 1).unwrap_err();
    assert_eq!(reject.code, "bad_params");
    // A room that an earlier build stored.
    let stored = r#"{"counts":[1,1],"players_only":false,"players":[],"idle_ms":100}"#;
    let room: Relay = serde_json::from_str(stored).unwrap();
    assert_eq!(room.spectating(), Spectating::default());
}

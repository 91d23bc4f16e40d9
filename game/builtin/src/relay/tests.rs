use grandstand_game::{Effect, LiveTo};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

use super::*;

fn relay(params: &Value) -> Result<Relay, Reject> {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    Relay::create(&mut Setup {
        params,
        rng,
        now_ms: 0,
    })
}

fn apply(relay: &mut Relay, kind: EventKind<'_>) -> (Vec<Effect>, Option<Reject>) {
    let mut effects = Effects::new(1_000, ChaCha8Rng::seed_from_u64(1));
    let event = Event {
        now_ms: 1_000,
        kind,
    };
    relay.apply(&event, &mut effects);
    effects.into_parts()
}

fn room(names: &[&str]) -> (Relay, Vec<PlayerId>) {
    let mut room = relay(&json!({})).unwrap();
    let players: Vec<PlayerId> = names.iter().map(|name| name.parse().unwrap()).collect();
    for player in &players {
        let options = &Value::Null;
        apply(&mut room, EventKind::Joined { player, options });
    }
    (room, players)
}

fn say(room: &mut Relay, player: &PlayerId, data: Data) -> (Vec<Effect>, Option<Reject>) {
    let data = &data;
    apply(room, EventKind::Input { player, data })
}

fn view(room: &Relay, lane: Lane) -> Value {
    serde_json::from_slice(room.view(lane).bytes()).unwrap()
}

fn only_update(effects: &[Effect]) -> (Option<Lane>, Value) {
    match effects {
        [Effect::Update { lane, data, .. }] => {
            (*lane, serde_json::from_slice(data.bytes()).unwrap())
        }
        other => panic!("not one update: {other:?}"),
    }
}

#[test]
fn messages_go_to_everybody_in_the_room() {
    let (mut room, players) = room(&["al\"ice", "bob"]);
    let data = Data::Json(r#"{"x": [1.0, "config"]}"#.into());
    let (effects, _) = say(&mut room, &players[0], data);
    let update = json!({"from": "al\"ice", "data": {"x": [1.0, "config"]}});
    assert_eq!(only_update(&effects), (None, update));
    let (effects, _) = say(&mut room, &players[1], Data::Binary(vec![0, 255].into()));
    let update = json!({"from": "bob", "data_b64": "AP8="});
    assert_eq!(only_update(&effects), (None, update));
    for lane in Lane::ALL {
        assert_eq!(
            view(&room, lane),
            json!({"count": 2, "players_only": false})
        );
    }
}

#[test]
fn the_first_player_may_hide_messages_from_spectators() {
    let (mut room, players) = room(&["alice", "bob"]);
    let config = |on: Value| Data::json(&json!({"op": "config", "players_only": on})).unwrap();
    let (effects, reject) = say(&mut room, &players[1], config(json!(true)));
    assert_eq!(
        (effects, reject.unwrap().code.as_str()),
        (vec![], "forbidden")
    );
    let (_, reject) = say(&mut room, &players[0], config(json!(1)));
    assert_eq!(reject.unwrap().code, "bad_input");
    let (effects, _) = say(&mut room, &players[0], config(json!(true)));
    assert_eq!(only_update(&effects), (None, json!({"players_only": true})));
    let (effects, _) = say(&mut room, &players[1], Data::Json("7".into()));
    assert_eq!(only_update(&effects).0, Some(Lane::Players));
    let seen = |count: u64| json!({"count": count, "players_only": true});
    assert_eq!(view(&room, Lane::Players), seen(1));
    assert_eq!(view(&room, Lane::Spectators), seen(0));

    apply(
        &mut room,
        EventKind::Left {
            player: &players[0],
        },
    );
    let (effects, _) = say(&mut room, &players[1], config(json!(false)));
    assert_eq!(
        only_update(&effects),
        (None, json!({"players_only": false}))
    );
}

#[test]
fn a_room_that_all_have_left_ends() {
    let (mut room, players) = room(&["alice", "bob"]);
    let (effects, _) = apply(
        &mut room,
        EventKind::Left {
            player: &players[0],
        },
    );
    assert!(effects.is_empty());
    let (effects, _) = apply(
        &mut room,
        EventKind::Lost {
            player: &players[1],
        },
    );
    let idle = Effect::SetTimer {
        name: IDLE.to_owned(),
        due_ms: 3_601_000,
    };
    assert_eq!(effects, [idle]);
    let (effects, _) = apply(
        &mut room,
        EventKind::Returned {
            player: &players[1],
        },
    );
    let name = IDLE.to_owned();
    assert_eq!(effects, [Effect::ClearTimer { name }]);
    let (effects, _) = apply(&mut room, EventKind::Timer { name: IDLE });
    assert_eq!(effects, [Effect::Finish]);
}

#[test]
fn bad_params_are_rejected() {
    for params in [json!({"idle_ms": 1}), json!({"idle_ms": "x"}), json!(7)] {
        assert_eq!(relay(&params).unwrap_err().code, "bad_params");
    }
}

#[test]
fn spectators_see_live_messages_only_while_they_see_the_others() {
    let (mut room, players) = room(&["alice", "bob"]);
    let live = |room: &Relay| {
        let mut effects = LiveEffects::default();
        let data = Data::json(&1).unwrap();
        room.live(&mut (), &players[0], data, &mut effects);
        effects.into_list()
    };
    assert!(matches!(&live(&room)[..], [(LiveTo::Others(_), _)]));
    room.players_only = true;
    assert!(matches!(&live(&room)[..], [(LiveTo::Player(to), _)] if *to == players[1]));
}

#[test]
fn a_value_replaces_the_earlier_one_of_its_key() {
    let (mut room, players) = room(&["alice"]);
    let put = |value| Data::json(&json!({"op": "put", "key": "score", "value": value})).unwrap();
    say(&mut room, &players[0], put(1));
    let (effects, reject) = say(&mut room, &players[0], put(2));
    assert!(reject.is_none());
    let [
        Effect::Update {
            key,
            data,
            lane: None,
        },
    ] = &effects[..]
    else {
        panic!("not one update for all: {effects:?}");
    };
    assert_eq!(key.as_deref(), Some("score"));
    let update: Value = serde_json::from_slice(data.bytes()).unwrap();
    assert_eq!(update, json!({"from": "alice", "key": "score", "value": 2}));
    let expected = json!({"count": 0, "players_only": false, "values": {"score": 2}});
    assert_eq!(view(&room, Lane::Spectators), expected);
    let (_, reject) = say(
        &mut room,
        &players[0],
        Data::json(&json!({"op": "put", "key": "", "value": 2})).unwrap(),
    );
    assert_eq!(reject.unwrap().code, "bad_input");
    for i in 1..256 {
        let data = Data::json(&json!({"op": "put", "key": format!("k{i}")})).unwrap();
        assert!(say(&mut room, &players[0], data).1.is_none());
    }
    let data = Data::json(&json!({"op": "put", "key": "one too many"})).unwrap();
    assert_eq!(
        say(&mut room, &players[0], data).1.unwrap().code,
        "bad_input"
    );
}

#[test]
fn params_say_how_spectators_are_served() {
    let room = relay(&json!({"max_rate_hz": 5, "delay_ms": 2000})).unwrap();
    let expected = Spectating {
        max_rate_hz: 5,
        delay_ms: 2000,
    };
    assert_eq!(room.spectating(), expected);
    assert_eq!(
        relay(&json!({})).unwrap().spectating(),
        Spectating::default()
    );
    let reject = relay(&json!({"delay_ms": 3_600_001})).unwrap_err();
    assert_eq!(reject.code, "bad_params");
    // A room that an earlier build stored.
    let stored = r#"{"counts":[1,1],"players_only":false,"players":[],"idle_ms":100}"#;
    let room: Relay = serde_json::from_str(stored).unwrap();
    assert_eq!(room.spectating(), Spectating::default());
}

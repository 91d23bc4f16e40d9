use grandstand_game::Lane;
use grandstand_game::testing::TestRoom;
use serde_json::{Value, json};

use super::*;

fn room(players: usize) -> TestRoom<Arena> {
    let mut room = TestRoom::<Arena>::realtime(json!({}));
    for n in 0..players {
        room.join(&format!("player-{n:02}")).accepted();
    }
    room
}

fn discs(frame: &Value) -> Vec<(f64, f64)> {
    let discs = frame["discs"].as_object().unwrap().values();
    discs
        .map(|at| (at[0].as_f64().unwrap(), at[1].as_f64().unwrap()))
        .collect()
}

#[test]
fn a_disc_rolls_where_its_player_wants_and_stays_on_the_field() {
    let mut room = room(1);
    room.ticks(1);
    let before = discs(room.frame(Lane::Players).unwrap())[0];
    room.control("player-00", json!({"x": 1, "y": 0}));
    room.ticks(30);
    let after = discs(room.frame(Lane::Players).unwrap())[0];
    assert!(after.0 > before.0, "{before:?} {after:?}");
    room.ticks(300);
    let at_wall = discs(room.frame(Lane::Players).unwrap())[0];
    assert!(at_wall.0 > 1560.0 && at_wall.0 <= 1568.0, "{at_wall:?}");
    assert!((at_wall.1 - before.1).abs() < 2.0, "{at_wall:?}");
}

#[test]
fn sixteen_discs_do_not_overlap_for_long() {
    let mut room = room(16);
    assert!(room.join("late").reject().is_some());
    for n in 0..16 {
        // All want to the middle of the right wall.
        room.control(&format!("player-{n:02}"), json!({"x": 1, "y": 0}));
    }
    room.ticks(300);
    for n in 0..16 {
        room.control(&format!("player-{n:02}"), json!({"x": 0, "y": 0}));
    }
    room.ticks(120);
    let all = discs(room.frame(Lane::Spectators).unwrap());
    assert_eq!(all.len(), 16);
    for (n, one) in all.iter().enumerate() {
        for other in &all[n + 1..] {
            let distance = (one.0 - other.0).hypot(one.1 - other.1);
            assert!(distance > 60.0, "{one:?} {other:?}");
        }
    }
}

#[test]
fn coins_are_points_and_their_number_stays() {
    let mut room = room(2);
    for round in 0..40 {
        let (x, y) = [(1, 0), (0, 1), (-1, 0), (0, -1)][round % 4];
        room.control("player-00", json!({"x": x, "y": y}));
        room.control("player-01", json!({"x": -x, "y": y}));
        room.ticks(15 + round as u32);
    }
    let frame = room.frame(Lane::Players).unwrap();
    assert_eq!(frame["coins"].as_array().unwrap().len(), 12);
    let scores = room.view(Lane::Players)["scores"].as_object().unwrap();
    let points: u64 = scores.values().map(|score| score.as_u64().unwrap()).sum();
    assert!(points > 0, "{scores:?}");
    let before = room.view(Lane::Players).clone();
    room.crash();
    assert_eq!(*room.view(Lane::Players), before);
}

#[test]
fn players_who_leave_take_their_discs_and_points_with_them() {
    let mut room = room(2);
    room.ticks(1);
    room.leave("player-00");
    room.ticks(1);
    assert_eq!(discs(room.frame(Lane::Players).unwrap()).len(), 1);
    assert_eq!(room.view(Lane::Players)["scores"], json!({"player-01": 0}));
    assert_eq!(room.listing(), Some(Listing::of_seats(1, 16)));
}

#[test]
fn params_controls_and_inputs_that_are_wrong_are_refused() {
    assert!(TestRoom::<Arena>::seeded(&json!({"coins": 0}), 1).is_err());
    assert!(TestRoom::<Arena>::seeded(&json!({"coins": "x"}), 1).is_err());
    let mut room = room(1);
    assert!(room.try_control("player-00", json!("left")).is_err());
    assert!(room.try_control("player-00", json!({"x": 1})).is_err());
    room.input("player-00", json!({"x": 1, "y": 0}))
        .rejected("no_inputs");
    room.control("player-00", json!({"x": 1e30, "y": -7}));
    room.ticks(100);
    let at = discs(room.frame(Lane::Players).unwrap())[0];
    assert!(at.0 <= WIDTH.into() && at.1 >= 0.0, "{at:?}");
}

//! Random games of `memory` by seed: an independent reducer's views match the game's views, and no view reveals a
//! hidden face.

use grandstand_game::{Game, Lane};
use grandstand_games::memory::Memory;
use grandstand_harness::memory;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::solo::{Outcome, Solo};

type Room = Solo<Memory>;

/// An update names a face only when a card is opened. A view shows it only while the card is open or after it was
/// matched.
fn check_faces(room: &Room, outcome: &Outcome, seed: u64) {
    for update in &outcome.updates {
        let shows = update.get("face").is_some();
        assert_eq!(shows, update["kind"] == "flipped", "seed {seed}: {update}");
    }
    let state = serde_json::to_value(&room.game).unwrap();
    for lane in Lane::ALL {
        let view: Value = serde_json::from_slice(room.game.view(lane).bytes()).unwrap();
        let keys = view.as_object().unwrap().len();
        assert_eq!(keys, 10, "seed {seed}: {view}");
        for (card, face) in view["cards"].as_array().unwrap().iter().enumerate() {
            let open = view["open"].as_array().unwrap().contains(&json!(card));
            let matched = state["matched"][card] == true;
            assert_eq!(face.is_null(), !open && !matched, "seed {seed}: {view}");
        }
        for name in ["p0", "p1", "p2", "p3"] {
            assert_eq!(room.game.private(&name.parse().unwrap()), None);
        }
    }
}

/// The displayed deadline is the due time of a timer, except for the second in which two cards are shown.
fn check_deadlines(room: &Room, seed: u64) {
    let view = &room.views[0];
    let deadline = view["deadline_ms"].as_u64();
    let open = view["open"].as_array().unwrap().len();
    match view["phase"].as_str().unwrap() {
        "playing" if open == 2 => assert!(room.timers.contains_key("hide"), "seed {seed}"),
        "playing" => assert_eq!(room.timers.get("turn").copied(), deadline, "seed {seed}"),
        "paused" => {
            let away = room
                .timers
                .iter()
                .filter(|(name, _)| name.starts_with("away:"));
            assert!(away.map(|(_, due)| *due).any(|due| Some(due) == deadline));
            assert!(!room.timers.contains_key("turn"), "seed {seed}");
        }
        _ => assert_eq!(deadline, None, "seed {seed}"),
    }
}

#[test]
fn views_of_random_games_match_the_state_and_hide_faces() {
    let mut ends = 0;
    for seed in 0..400 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let players = rng.random_range(2..=4);
        let (rows, cols) = [(2, 2), (2, 3), (4, 4), (1, 2)][rng.random_range(0..4)];
        let params = json!({"players": players, "rows": rows, "cols": cols,
            "on_drop": if rng.random_bool(0.7) { "computer" } else { "abandon" }});
        let mut room = Room::new(&params, seed, memory::apply).unwrap();
        // The state of each player as the room's log has it: connected, dropped or not in the room.
        let mut states = [0_u8; 5];
        for step in 0..600 {
            let player = rng.random_range(0..states.len());
            let name = format!("p{player}");
            let outcome = match rng.random_range(0..100) {
                0..10 => match states[player] {
                    0 => {
                        let outcome = room.join(&name);
                        states[player] = u8::from(outcome.reject.is_none());
                        outcome
                    }
                    1 if rng.random_bool(0.3) => {
                        states[player] = 2;
                        room.lost(&name)
                    }
                    2 => {
                        states[player] = 1;
                        room.returned(&name)
                    }
                    _ => continue,
                },
                10 if step > 50 && states[player] != 0 => {
                    states[player] = 0;
                    room.left(&name)
                }
                11..40 => match room.fire() {
                    Some((_, outcome)) => outcome,
                    None => continue,
                },
                _ if states[player] == 1 => {
                    let next = room.next_due().unwrap_or(u64::MAX);
                    room.now_ms = next.min(room.now_ms + rng.random_range(0..2_000));
                    let name = match room.views[0]["turn"].as_str() {
                        Some(turn) if rng.random_bool(0.8) => turn.to_owned(),
                        _ => name,
                    };
                    let card = rng.random_range(0..=rows * cols);
                    room.input(&name, &json!({"op": "flip", "card": card}))
                }
                _ => continue,
            };
            check_faces(&room, &outcome, seed);
            check_deadlines(&room, seed);
            if room.finished {
                ends += 1;
                assert!(room.timers.is_empty(), "seed {seed}");
                break;
            }
        }
    }
    assert!(ends > 200, "only {ends} games ended");
}

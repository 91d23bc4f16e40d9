//! Random games of `memory` by seed: an independent reducer's views match the game's views, and no view reveals a
//! hidden face.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_game::testing::Step;
use grandstand_game::{Game, Lane};
use grandstand_harness::memory;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::{Room, StepExt as _};

/// An update names a face only when a card is opened. A view shows it only while the card is open or after it was
/// matched.
fn check_faces(room: &Room, step: &Step, seed: u64) {
    for update in step.all() {
        let shows = update.get("face").is_some();
        assert_eq!(shows, update["kind"] == "flipped", "seed {seed}: {update}");
    }
    let state = serde_json::to_value(room.game()).unwrap();
    for lane in Lane::ALL {
        let view = room.view(lane);
        let keys = view.as_object().unwrap().len();
        assert_eq!(keys, 10, "seed {seed}: {view}");
        for (card, face) in view["cards"].as_array().unwrap().iter().enumerate() {
            let open = view["open"].as_array().unwrap().contains(&json!(card));
            let matched = state["matched"][card] == true;
            assert_eq!(face.is_null(), !open && !matched, "seed {seed}: {view}");
        }
        for name in ["p0", "p1", "p2", "p3"] {
            assert!(room.game().private(&name.parse().unwrap()).is_none());
        }
    }
}

/// The displayed deadline is the due time of a timer, except for the second in which two cards are shown.
fn check_deadlines(room: &Room, seed: u64) {
    let view = room.view(Lane::Players);
    let timers: BTreeMap<_, _> = room.timers().collect();
    let deadline = view["deadline_ms"].as_u64();
    let open = view["open"].as_array().unwrap().len();
    match view["phase"].as_str().unwrap() {
        "playing" if open == 2 => assert!(timers.contains_key("hide"), "seed {seed}"),
        "playing" => assert_eq!(timers.get("turn").copied(), deadline, "seed {seed}"),
        "paused" => {
            let away = timers.iter().filter(|(name, _)| name.starts_with("away:"));
            assert!(away.map(|(_, due)| *due).any(|due| Some(due) == deadline));
            assert!(!timers.contains_key("turn"), "seed {seed}");
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
        let mut room = Room::seeded(&params, seed).unwrap();
        room.reducer(memory::apply);
        // The state of each player as the room's log has it: connected, dropped or not in the room.
        let mut states = [0_u8; 5];
        for step in 0..600 {
            let player = rng.random_range(0..states.len());
            let name = format!("p{player}");
            let step = match rng.random_range(0..100) {
                0..10 => match states[player] {
                    1 if rng.random_bool(0.3) => {
                        states[player] = 2;
                        room.lose(&name)
                    }
                    1 => continue,
                    _ => {
                        let step = room.join(&name);
                        states[player] = u8::from(step.reject().is_none());
                        step
                    }
                },
                10 if step > 50 && states[player] != 0 => {
                    states[player] = 0;
                    room.leave(&name)
                }
                11..40 => match room.next_timer() {
                    Some(time) => room.pass(time),
                    None => continue,
                },
                _ if states[player] == 1 => {
                    let next = room.next_timer().unwrap_or(Duration::MAX);
                    room.pass(next.min(Duration::from_millis(rng.random_range(0..2_000))));
                    let name = match room.view(Lane::Players)["turn"].as_str() {
                        Some(turn) if is_here(&room, turn) && rng.random_bool(0.8) => {
                            turn.to_owned()
                        }
                        _ => name,
                    };
                    let card = rng.random_range(0..=rows * cols);
                    room.input(&name, json!({"op": "flip", "card": card}))
                }
                _ => continue,
            };
            check_faces(&room, &step, seed);
            check_deadlines(&room, seed);
            if room.is_finished() {
                ends += 1;
                assert!(room.timers().next().is_none(), "seed {seed}");
                break;
            }
        }
    }
    assert!(ends > 200, "only {ends} games ended");
}

fn is_here(room: &Room, player: &str) -> bool {
    let mut here = room.players().filter(|(_, is_here)| *is_here);
    here.any(|(id, _)| id.as_str() == player)
}

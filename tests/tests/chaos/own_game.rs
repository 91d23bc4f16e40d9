//! Chaos with the games of a program that is not `grandstand`.

use std::time::Duration;

use grandstand_harness::nats::{TempDir, program};
use grandstand_harness::process::{Output, Start};
use serde_json::Value;

/// The most time for a run.
const PATIENCE: Duration = Duration::from_secs(180);

/// A few seconds in which workers and edges die.
fn chaos(game: &str) -> Start {
    Start::program("grandstand-versions")
        .arg("chaos")
        .env("GRANDSTAND_NATS_SERVER", program().display())
        .flag("--game", game)
        .flag("--minutes", 0.15)
        .flag("--seed", 3)
        .flag("--rooms", 6)
        .flag("--workers", 2)
        .flag("--edges", 2)
        .flag("--pace-ms", 150)
        .flag("--kinds", "worker-kill,edge-kill")
}

async fn run(start: Start) -> Output {
    start.try_output(PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_game_that_stores_its_state_survives() {
    let dir = TempDir::new("own-game");
    let file = dir.path().join("report.json");
    let done = run(chaos("steady").flag("--report", file.display())).await;
    assert_eq!(done.code, Some(0), "{}", done.text);
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(report["game"], "steady");
    let clients = &report["clients"];
    assert!(clients["inputs_acked"].as_u64().unwrap() > 100, "{report}");
    assert_eq!(clients["inputs_acked"], clients["inputs_sent"]);
    assert_ne!(clients["inputs_rejected"], 0);
    assert_ne!(clients["games_over"], 0, "{report}");
    assert!(report["replayed"].as_u64().unwrap() >= 6, "{report}");
    assert!(!report["events"].as_object().unwrap().is_empty());
}

/// Clients see another view of the same version once another worker has the room, and so does a replay.
#[tokio::test]
async fn a_game_with_state_that_is_not_stored_is_found() {
    let done = run(chaos("leaky")).await;
    assert_eq!(done.code, Some(1), "{}", done.text);
    for rule in ["Views  room leaky-", "Replay  room leaky-"] {
        assert!(done.text.contains(rule), "{rule}: {}", done.text);
    }
    assert!(!done.text.contains("Lost"), "{}", done.text);
}

#[tokio::test]
async fn only_games_that_can_be_played_are() {
    let none = run(chaos("chess")).await;
    assert_eq!(none.code, Some(64), "{}", none.text);
    assert!(none.text.contains("no game chess"), "{}", none.text);
    assert!(none.text.contains("leaky, steady"), "{}", none.text);
    let unscripted = run(chaos("caller")).await;
    assert_eq!(unscripted.code, Some(64), "{}", unscripted.text);
    assert!(
        unscripted.text.contains(".played_by(play)"),
        "{}",
        unscripted.text
    );
    let params = run(chaos("steady").flag("--params", "[1]")).await;
    assert_eq!(params.code, Some(64), "{}", params.text);
    let without = Start::program("grandstand-versions").arg("chaos");
    let players = run(without.clone().flag("--players", 3)).await;
    assert_eq!(players.code, Some(64), "{}", players.text);
    let built_in = run(without).await;
    assert!(
        built_in.text.contains("the game relay"),
        "{}",
        built_in.text
    );
}

#[tokio::test]
async fn a_game_that_refuses_the_players_is_named() {
    let done = run(chaos("steady").flag("--players", 3)).await;
    assert_eq!(done.code, Some(64), "{}", done.text);
    assert!(done.text.contains("room_full"), "{}", done.text);
    assert!(done.text.contains("--players"), "{}", done.text);
}

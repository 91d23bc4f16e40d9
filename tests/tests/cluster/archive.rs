//! `grandstand archive` as a process, and those who ask it.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::Bus;
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardRequest, Measure};
use grandstand_harness::postgres::PostgresServer;
use grandstand_harness::process::{PATIENCE, Process, Start};
use grandstand_harness::rig::{Plan, Rig};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const STORED: &str = "grandstand_archive_results_total{outcome=\"stored\"}";

async fn emit(bus: &Bus, id: &str, players: Value) {
    let body = json!({
        "id": id, "room": "memory-1", "game": "memory", "topic": "results", "at_ms": 1_767_225_600_000_u64,
        "data": {"players": players},
    });
    let topic = "results".parse().unwrap();
    let body = Bytes::from(body.to_string());
    bus.emit(&topic, id, body).await.unwrap().await.unwrap();
}

/// Waits until a metric has this value.
async fn until(process: &Process, metric: &str, value: f64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = process.metric(metric).await;
        if found == Some(value) {
            return;
        }
        assert!(Instant::now() < deadline, "{metric}: {found:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn leaderboard(rig: &Rig, arguments: &[&str]) -> Start {
    let start = Start::grandstand("leaderboard");
    let start = arguments.iter().fold(start, |start, text| start.arg(text));
    start.flag("--nats", rig.nats.url())
}

#[tokio::test]
async fn results_are_stored_across_restarts_and_asked_for_on_the_bus() {
    let plan = Plan {
        workers: 1,
        edges: 0,
        partitions: 8,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let bus = rig.bus().await.unwrap();
    let mut postgres = PostgresServer::start().await;
    let nobody = leaderboard(&rig, &["top", "--board", "memory"])
        .output()
        .await;
    assert_eq!(nobody.code, Some(69), "{}", nobody.text);
    assert!(
        nobody.text.contains("grandstand archive"),
        "{}",
        nobody.text
    );
    let start = Start::grandstand("archive")
        .flag("--nats", rig.nats.url())
        .flag("--postgres", postgres.url());
    let mut archive = Process::start(start, false).await;
    let two = json!([{"player": "alice", "score": 3, "won": true}, {"player": "bob", "score": 1}]);
    emit(&bus, "a.1", two).await;
    until(&archive, STORED, 1.0).await;
    let top = leaderboard(&rig, &["top", "--board", "memory"])
        .output()
        .await;
    assert_eq!(top.code, Some(0), "{}", top.text);
    assert!(
        top.text.contains("alice") && top.text.contains("players: 2"),
        "{}",
        top.text
    );
    let request = LeaderboardRequest {
        board: "memory".parse().unwrap(),
        season: None,
        by: Measure::Total,
        limit: 1,
        around: Some("bob".parse().unwrap()),
        after: None,
    };
    let LeaderboardAnswer::Page(page) = request.ask(&bus, PATIENCE).await.unwrap() else {
        panic!("there is a page");
    };
    let ranks: Vec<_> = page
        .rows
        .iter()
        .map(|row| (row.rank, row.player.as_str()))
        .collect();
    assert_eq!(ranks, [(1, "alice"), (2, "bob")]);
    let eve = leaderboard(&rig, &["around", "--board", "memory", "--player", "eve"]);
    let eve = eve.output().await;
    assert_eq!(eve.code, Some(66), "{}", eve.text);

    archive.term();
    assert_eq!(archive.ended().await.code(), Some(0));
    emit(&bus, "a.2", json!([{"player": "alice", "score": 1}])).await;
    archive.restart().await;
    until(&archive, STORED, 1.0).await;

    postgres.stop().await;
    emit(&bus, "a.3", json!([{"player": "alice", "score": 1}])).await;
    until(&archive, "grandstand_archive_database_up", 0.0).await;
    assert!(!archive.is_ready().await);
    rig.nats.restart().await;
    postgres.restart().await;
    until(&archive, STORED, 2.0).await;
    let direct = Start::grandstand("leaderboard")
        .arg("top")
        .flag("--board", "memory")
        .flag("--by", "total")
        .arg("--json")
        .flag("--postgres", postgres.url());
    let direct = direct.output().await;
    let page: Value = serde_json::from_str(direct.text.trim()).unwrap();
    assert_eq!(page["rows"][0]["score"], 5, "{page}");
    assert_eq!(page["rows"][0]["games"], 3, "{page}");
    archive.term();
    assert_eq!(
        archive.ended().await.code(),
        Some(0),
        "{}",
        archive.log_tail()
    );
    let log = archive.log_text();
    let down = log
        .matches("results are not stored and wait in the stream")
        .count();
    assert_eq!(down, 1, "{log}");
}

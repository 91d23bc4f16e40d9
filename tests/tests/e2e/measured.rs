//! The metrics of real processes: they measure what was played, and the documentation has each of them.

use std::time::Duration;

use grandstand_harness::process::{PATIENCE, Process, get};
use grandstand_harness::site::Site;
use serde_json::json;
use tokio::time::{Instant, sleep};

on! {
    on_nats: a_game_is_measured_at_each_edge_and_at_its_worker;
}

const ROOM: &str = "relay-1";

/// Waits until a metric has this value.
async fn until_is(process: &Process, name: &str, value: f64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = process.metric(name).await;
        if found == Some(value) {
            return;
        }
        assert!(Instant::now() < deadline, "{name}: {found:?}, not {value}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Panics if a family of metrics of a process is missing in the documentation.
async fn is_documented(process: &Process) {
    let documented = include_str!("../../../docs/metrics.md");
    let (_, text) = get(process.admin(), "/metrics").await.unwrap();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for family in families {
        let (name, kind) = family.split_once(' ').unwrap();
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let row = format!("| `{name}{suffix}` | {kind} |");
        assert!(documented.contains(&row), "{row} is not in docs/metrics.md");
    }
}

async fn a_game_is_measured_at_each_edge_and_at_its_worker(site: Site) {
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    let mut emil = site.client(1, "emil").await;
    emil.join(ROOM, json!({"role": "spectator"})).await;
    for text in ["a", "b", "c"] {
        alice.input(ROOM, json!({"say": text})).await;
    }
    alice.until_answered(ROOM).await;
    emil.until("3 updates show", |c| c.rooms[ROOM].view["count"] == 3)
        .await;

    let [played, watched] = [&site.edges[0], &site.edges[1]];
    let latency =
        |lane| format!("grandstand_room_latency_seconds_count{{game=\"relay\",lane=\"{lane}\"}}");
    until_is(played, &latency("players"), 3.0).await;
    until_is(watched, &latency("spectators"), 3.0).await;
    let nobody = played.metric(&latency("spectators")).await;
    assert_eq!(nobody, Some(0.0), "no spectator is on this edge");
    until_is(played, "grandstand_edge_input_latency_seconds_count", 3.0).await;
    let appends = "grandstand_edge_log_append_duration_seconds_count";
    assert!(played.metric(appends).await.unwrap() >= 4.0);
    for (edge, players, viewers) in [(played, 1.0, 0.0), (watched, 0.0, 1.0)] {
        until_is(edge, "grandstand_edge_players", players).await;
        until_is(edge, "grandstand_edge_viewers", viewers).await;
        let kind = "grandstand_edge_clients{transport=\"ws\",encoding=\"json\"}";
        until_is(edge, kind, 1.0).await;
        until_is(edge, "grandstand_edge_bus_connected", 1.0).await;
        let took = edge.metric("grandstand_edge_bus_round_trip_seconds").await;
        assert!(took.unwrap() > 0.0);
    }
    let worker = site.worker.as_ref().unwrap();
    let rooms = "grandstand_worker_games_in_progress{game=\"relay\"}";
    until_is(worker, rooms, 1.0).await;
    until_is(worker, "grandstand_worker_viewers{game=\"relay\"}", 1.0).await;
    let takeovers = "grandstand_worker_takeover_duration_seconds_count";
    assert!(worker.metric(takeovers).await.unwrap() >= 1.0);
    for process in [played, watched, worker] {
        let cpu = process.metric("process_cpu_seconds_total").await;
        assert!(cpu.is_some_and(|seconds| seconds > 0.0));
        is_documented(process).await;
    }
}

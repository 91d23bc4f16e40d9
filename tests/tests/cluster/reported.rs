//! Reports of a real server outside of answers: it is about to end, or a limit is exceeded.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::process::{PATIENCE, Process, get};
use grandstand_harness::rig::{Plan, Rig};
use serde_json::json;
use tokio::time::{Instant, sleep};

fn plan(nats_config: &str) -> Plan {
    Plan {
        workers: 1,
        edges: 1,
        partitions: 8,
        nats_config: Some(nats_config.to_owned()),
        ..Plan::default()
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until `/ready` has this status, and this part in its text.
async fn ready(process: &Process, status: u16, part: &str) {
    until(part, async || {
        let answer = get(process.admin(), "/ready?format=text").await;
        answer.is_some_and(|(found, text)| found == status && text.contains(part))
    })
    .await;
}

/// The number of times that these words are in the log of a process.
fn said(process: &Process, words: &str) -> usize {
    process.log_text().matches(words).count()
}

#[tokio::test]
async fn d31_a_server_in_lame_duck_mode_is_said_once_and_counted() {
    let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"20s\"\n";
    let mut rig = Rig::start(plan(config)).await.unwrap();
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    rig.nats.lame_duck();
    let words = "a NATS server is about to end";
    for process in rig.workers.iter().chain(&rig.edges) {
        until(words, async || said(process, words) > 0).await;
        // The connections are still there.
        ready(process, 200, "").await;
    }
    // The worker has several connections, of which each was told.
    let worker = &rig.workers[0];
    until("each connection counts", async || {
        let counted = worker.metric("grandstand_worker_bus_errors_total").await;
        counted >= Some(2.0)
    })
    .await;
    rig.nats.kill9();
    alice
        .until("the notice of the loss", |c| c.has_notice("degraded"))
        .await;
    rig.nats.restart().await;
    for process in rig.workers.iter().chain(&rig.edges) {
        ready(process, 200, "").await;
    }
    alice.input("relay-1", json!("one")).await;
    alice.until_answered("relay-1").await;
    for process in rig.workers.iter().chain(&rig.edges) {
        assert_eq!(said(process, words), 1, "{}", process.log_text());
    }
}

#[tokio::test]
async fn d31_a_limit_of_connections_is_said_once_and_makes_the_process_unready() {
    let rig = Rig::start(plan("max_connections: 100\n")).await.unwrap();
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    // A worker has more than one connection, so that it must lack one.
    rig.nats.reload("max_connections: 1\n").await;
    let worker = &rig.workers[0];
    ready(worker, 503, "maximum connections exceeded").await;
    let refused = worker.metric("grandstand_worker_bus_refused").await;
    assert!(refused.is_some(), "the gauge is there");
    let counted = worker.metric("grandstand_worker_bus_errors_total").await;
    assert!(counted >= Some(1.0), "{counted:?}");
    rig.nats.reload("max_connections: 100\n").await;
    for process in rig.workers.iter().chain(&rig.edges) {
        ready(process, 200, "").await;
        assert!(
            said(process, "kind=\"limit\"") <= 1,
            "{}",
            process.log_text()
        );
    }
    alice.input("relay-1", json!("one")).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].view["count"], 1);
}

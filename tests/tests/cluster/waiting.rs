//! Processes that start before NATS (D31).

use std::time::Duration;

use grandstand_harness::nats::NatsServer;
use grandstand_harness::nats_cluster::NatsCluster;
use grandstand_harness::process::{PATIENCE, Process, get};
use grandstand_harness::rig::Plan;
use tokio::time::{Instant, sleep};

/// A server that has ended, and whose port nobody else takes.
async fn ended() -> NatsServer {
    let mut nats = NatsServer::start().await;
    nats.kill9();
    nats
}

/// A worker and an edge.
fn launch(plan: &Plan, url: &str) -> [Process; 2] {
    [
        Process::launch(plan.worker(url, "worker-0"), false).unwrap(),
        Process::launch(plan.edge(url, "edge-0"), true).unwrap(),
    ]
}

/// Waits until `/ready` says all of these words; `/health` answers meanwhile.
async fn says(process: &mut Process, words: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = get(process.admin(), "/ready?format=text").await;
        if let Some((503, text)) = &ready
            && words.iter().all(|word| text.contains(word))
        {
            break;
        }
        assert_eq!(process.status(), None, "{}", process.log_text());
        assert!(Instant::now() < deadline, "{ready:?}");
        sleep(Duration::from_millis(20)).await;
    }
    let health = get(process.admin(), "/health").await;
    assert_eq!(health.map(|(status, _)| status), Some(200));
}

#[tokio::test]
async fn d31_a_start_waits_for_nats_and_says_so() {
    let mut nats = ended().await;
    let url = nats.url();
    let mut processes = launch(&Plan::default(), &url);
    for process in &mut processes {
        says(process, &["nats: starting (waiting: ", &url]).await;
    }
    let lines = |process: &Process| process.log_text().matches("waiting for NATS").count();
    let deadline = Instant::now() + PATIENCE;
    while processes.iter().any(|process| lines(process) == 0) {
        assert!(Instant::now() < deadline, "no line in the log");
        sleep(Duration::from_millis(20)).await;
    }
    let refused = tokio::net::TcpStream::connect(processes[1].address()).await;
    assert!(refused.is_err(), "the edge does not listen yet");
    nats.restart().await;
    for process in &mut processes {
        process.try_ready(PATIENCE).await.unwrap();
        assert!(lines(process) <= 2, "{}", process.log_text());
        let log = process.log_text();
        assert!(log.contains("NATS is available"), "{log}");
    }
}

#[tokio::test]
async fn d31_the_wait_for_nats_ends_with_term_at_once_and_with_its_deadline() {
    let nats = ended().await;
    let forever = Plan::default()
        .env("GRANDSTAND_WORKER_CLUSTER_CONNECT_TIMEOUT_S", 0)
        .env("GRANDSTAND_EDGE_CLUSTER_CONNECT_TIMEOUT_S", 0);
    for mut process in launch(&forever, &nats.url()) {
        says(&mut process, &["waiting"]).await;
        process.term();
        let status = process.ended().await;
        assert_eq!(status.code(), Some(0), "{}", process.log_text());
    }
    let short = Plan::default()
        .env("GRANDSTAND_WORKER_CLUSTER_CONNECT_TIMEOUT_S", 2)
        .env("GRANDSTAND_EDGE_CLUSTER_CONNECT_TIMEOUT_S", 2);
    for mut process in launch(&short, &nats.url()) {
        let status = process.ended().await;
        let log = process.log_text();
        assert_eq!(status.code(), Some(69), "{log}");
        let last = log.lines().last().unwrap();
        assert!(
            last.contains(&nats.url()) && last.contains("waited 2 s"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn d31_a_start_waits_for_a_quorum_of_jetstream() {
    let mut nats = NatsCluster::start().await.unwrap();
    let plan = Plan {
        partitions: 4,
        ..Plan::default()
    };
    let plan = ["WORKER", "EDGE"].into_iter().fold(plan, |plan, program| {
        let name = |key: &str| format!("GRANDSTAND_{program}_CLUSTER_{key}");
        plan.env(&name("REPLICAS"), 3)
            .env(&name("STREAMS"), 1)
            .env(&name("CONNECT_TIMEOUT_S"), 0)
    });
    // The streams exist before: NATS creates none with three replicas while a server is away.
    let mut processes = launch(&plan, &nats.urls(0));
    for process in &mut processes {
        process.try_ready(PATIENCE).await.unwrap();
    }
    for mut process in processes {
        process.term();
        process.ended().await;
    }
    nats.kill9(1);
    nats.kill9(2);
    let mut processes = launch(&plan, &nats.urls(0));
    for process in &mut processes {
        says(process, &["nats: starting (waiting: "]).await;
    }
    nats.restart(1).await.unwrap();
    for process in &mut processes {
        process.try_ready(4 * PATIENCE).await.unwrap();
    }
}

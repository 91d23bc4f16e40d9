//! Revocations, when NATS has lost them and when the clock of an edge is wrong.

use grandstand_harness::admin::ask;
use grandstand_harness::client::Client;
use grandstand_harness::process::{PATIENCE, Process};
use grandstand_harness::rig::{Plan, Rig};
use grandstand_harness::wall_clock::WallClock;
use serde_json::json;
use tokio::time::{Instant, sleep};

async fn revoke(edge: &Process, player: &str) -> String {
    let body = json!({"player": player, "for_s": 3_600});
    let (status, revoked) = ask(edge.admin(), "POST /v1/revocations", "", Some(body)).await;
    assert_eq!(status, 201, "{revoked}");
    revoked["key"].as_str().unwrap().to_owned()
}

/// The keys of the revocations that an edge has.
async fn keys(edge: &Process) -> Vec<String> {
    let (_, listed) = ask(edge.admin(), "GET /v1/revocations", "", None).await;
    let listed = listed["revocations"].as_array().unwrap().iter();
    listed
        .map(|found| found["key"].as_str().unwrap().to_owned())
        .collect()
}

async fn until_keys(edge: &Process, wanted: &[&String]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = keys(edge).await;
        if found.len() == wanted.len() && wanted.iter().all(|key| found.contains(key)) {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} instead of {wanted:?}");
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn plan() -> Plan {
    Plan {
        workers: 1,
        edges: 2,
        partitions: 8,
        ..Plan::default()
    }
}

/// NATS comes back without a revocation that it had acked, and later without the bucket. An operator's removal stays.
#[tokio::test]
async fn d23_revocations_that_nats_has_lost_stay_in_force() {
    let mut rig = Rig::start(plan()).await.unwrap();
    let removed = revoke(&rig.edges[0], "removed").await;
    until_keys(&rig.edges[1], &[&removed]).await;
    let path = format!("/v1/revocations/{removed}");
    let request = format!("DELETE {path}");
    let (status, _) = ask(rig.edges[0].admin(), &request, "", None).await;
    assert_eq!(status, 204);
    let backup = rig.nats.backup();
    let lost = revoke(&rig.edges[0], "lost").await;
    for edge in &rig.edges {
        until_keys(edge, &[&lost]).await;
    }
    rig.nats.restart_from(&backup).await;
    // An edge that starts now has it from the bucket.
    let start = rig.plan().edge(&rig.nats.url(), "edge-2");
    rig.edges.push(Process::start(start, true).await);
    for edge in &rig.edges {
        until_keys(edge, &[&lost]).await;
    }
    let bus = rig.bus().await.unwrap();
    let wait = std::time::Duration::from_secs(10);
    let subject = "$JS.API.STREAM.DELETE.KV_revocations".to_owned();
    bus.request(subject, "{}".into(), wait).await.unwrap();
    let start = rig.plan().edge(&rig.nats.url(), "edge-3");
    rig.edges.push(Process::start(start, true).await);
    for edge in &rig.edges {
        until_keys(edge, &[&lost]).await;
    }
    let mut mallory = Client::connect(rig.client_options(3, "lost")).await;
    mallory.expect("error", json!({"code": "revoked"})).await;
    assert_eq!(mallory.until_closed().await, 4003);
    // The first edge that sees it stores it again, so that others miss nothing.
    let said = rig.edges.iter().map(|edge| edge.log_text());
    let missed = said.filter(|said| said.contains("without revocations that it had stored"));
    assert!(missed.count() > 0);
}

/// An edge whose clock is an hour behind revokes the tokens of the present, and one whose clock is ahead no later ones.
#[tokio::test]
async fn d24_edges_with_wrong_clocks_revoke_by_the_time_of_nats() {
    for ahead in [-3_600, 1_800] {
        let mut rig = Rig::start(Plan { edges: 1, ..plan() }).await.unwrap();
        let clock = WallClock::ahead(ahead).unwrap();
        let start = clock.on(rig.plan().edge(&rig.nats.url(), "edge-1"));
        rig.edges.push(Process::start(start, true).await);
        let mut mallory = Client::connect(rig.client_options(0, "mallory")).await;
        let admin = rig.edges[1].admin();
        let body = json!({"player": "mallory"});
        let (status, revoked) = ask(admin, "POST /v1/revocations", "", Some(body)).await;
        assert_eq!(status, 201, "{revoked}");
        let at_ms = revoked["at_ms"].as_u64().unwrap();
        let now_ms = grandstand_common::clock::unix_ms();
        assert!(at_ms.abs_diff(now_ms) < 600_000, "{revoked}");
        mallory.expect("error", json!({"code": "revoked"})).await;
        assert_eq!(mallory.until_closed().await, 4003);
    }
}

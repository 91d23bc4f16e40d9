//! Buckets that refuse what is written to them, or that are deleted while everything runs.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions};
use grandstand_common::record::ClusterRecord;
use grandstand_harness::admin::until_ready_is;
use grandstand_harness::client::Client;
use grandstand_harness::process::{PATIENCE, Process};
use grandstand_harness::rig::{Plan, Rig};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

fn plan() -> Plan {
    let plan = Plan {
        workers: 1,
        edges: 1,
        partitions: 8,
        ..Plan::default()
    };
    plan.env("GRANDSTAND_WORKER_ROOMS_SNAPSHOT_ENTRIES", 1)
}

/// Sends a request about a stream to JetStream.
async fn ask(bus: &Bus, verb: &str, stream: &str, request: Value) -> Value {
    let subject = format!("$JS.API.STREAM.{verb}.{stream}");
    let wait = Duration::from_secs(10);
    let answer = bus.request(subject, request.to_string().into(), wait).await;
    serde_json::from_slice(&answer.unwrap()).unwrap()
}

/// Limits the bytes of a stream.
async fn limit(bus: &Bus, stream: &str, bytes: i64) {
    let mut config = ask(bus, "INFO", stream, json!({})).await["config"].take();
    config["max_bytes"] = json!(bytes);
    let answer = ask(bus, "UPDATE", stream, config).await;
    assert_eq!(answer["error"], Value::Null, "{answer}");
}

/// Rooms go on in memory and in the log while their bucket stores nothing, and the worker says why it does not.
#[tokio::test]
async fn d27_a_bucket_that_refuses_writes_is_named_in_the_words_of_nats() {
    let rig = Rig::start(plan()).await.unwrap();
    let bus = rig.bus().await.unwrap();
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    let worker = &rig.workers[0];
    for stream in 0..4 {
        limit(&bus, &format!("KV_rooms_{stream}"), 1).await;
    }
    alice.input("relay-1", json!("one")).await;
    alice.until_answered("relay-1").await;
    let text = until_ready_is(worker, 503).await;
    assert!(text.contains("KV_rooms_"), "{text}");
    assert!(text.contains("maximum bytes exceeded"), "{text}");
    let said = worker.log_text();
    let said = said.matches("NATS does not store").count();
    assert!((1..=4).contains(&said), "each stream is said once: {said}");
    for stream in 0..4 {
        limit(&bus, &format!("KV_rooms_{stream}"), -1).await;
    }
    until_ready_is(worker, 200).await;
    alice.input("relay-1", json!("two")).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].view["count"], 2);
    assert_eq!(alice.closed, None);
    // Without its record the worker cannot act.
    limit(&bus, "KV_workers", 1).await;
    let text = until_ready_is(worker, 503).await;
    assert!(text.contains("KV_workers: maximum bytes"), "{text}");
    limit(&bus, "KV_workers", -1).await;
    until_ready_is(worker, 200).await;
    alice.input("relay-1", json!("three")).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].view["count"], 3);
}

/// Deletes one stream after the other, while a player plays and others come back to rooms at rest. Acked inputs are
/// lost only with the log, and only from rooms that are in no bucket.
#[tokio::test]
async fn d23_streams_that_are_deleted_while_everything_runs_are_created_again() {
    let rig = &mut Rig::start(plan()).await.unwrap();
    let bus = Bus::inspect_nats(&rig.nats.url(), &BusOptions::default())
        .await
        .unwrap();
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    let mut count = 0;
    for stream in [
        "KV_cluster",
        "KV_workers",
        "KV_leases",
        "KV_quarantine",
        "KV_revocations",
        "KV_worlds",
        "KV_listings",
        "KV_rooms_0",
        "KV_rooms_1",
        "KV_rooms_2",
        "KV_rooms_3",
        "IN_0",
        "IN_1",
        "IN_2",
        "IN_3",
    ] {
        let deleted = ask(&bus, "DELETE", stream, json!({})).await;
        assert_eq!(deleted["success"], true, "{stream}: {deleted}");
        let deadline = Instant::now() + PATIENCE;
        while ask(&bus, "INFO", stream, json!({})).await["error"] != Value::Null {
            assert!(Instant::now() < deadline, "{stream} is created again");
            alice.input("relay-1", json!(stream)).await;
            alice.until_answered("relay-1").await;
            count += 1;
            sleep(Duration::from_millis(50)).await;
        }
        alice.input("relay-1", json!(stream)).await;
        alice.until_answered("relay-1").await;
        count += 1;
        until_ready_is(&rig.workers[0], 200).await;
        assert_eq!(alice.rooms["relay-1"].view["count"], count, "{stream}");
        assert_eq!(alice.rooms["relay-1"].rolled_back, None, "{stream}");
    }
    // The leases are there for an edge that starts now, and the layout is that of the cluster.
    let start = rig.plan().edge(&rig.nats.url(), "edge-9");
    rig.edges.push(Process::start(start, true).await);
    let mut bob = Client::connect(rig.client_options(1, "bob")).await;
    bob.join("relay-1", json!({})).await;
    bob.until("the room shows", |c| {
        c.rooms["relay-1"].view["count"] == count
    })
    .await;
    let record = bus.get(Bucket::Cluster, "settings").await.unwrap().unwrap();
    let record: ClusterRecord = serde_json::from_slice(&record.value.unwrap()).unwrap();
    assert_eq!(record.layout.partitions, 8);
    for process in rig.workers.iter_mut().chain(&mut rig.edges) {
        assert!(process.status().is_none(), "no process ended");
    }
}

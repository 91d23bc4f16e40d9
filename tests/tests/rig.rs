//! A cluster of several workers and edges that can die and come back.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use grandstand_common::id::RoomId;
use grandstand_harness::client::{Client, PATIENCE};
use grandstand_harness::rig::Rig;
use serde_json::json;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn processes_of_a_cluster_die_and_come_back() {
    let mut rig = Rig::three_workers().await;
    let bus = rig.bus().await.unwrap();
    let (name, room): (_, RoomId) = ("relay-1", "relay-1".parse().unwrap());
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join(name, json!({})).await;
    let first = rig.owner_of(&bus, &room).await.unwrap().unwrap();

    rig.workers[first].kill9();
    assert!(rig.workers[first].status().is_some());
    alice.input(name, json!("one")).await;
    alice.until_answered(name).await;
    let second = rig.owner_of(&bus, &room).await.unwrap().unwrap();
    assert_ne!(first, second, "another worker owns the room");

    rig.workers[second].try_term().unwrap();
    let ended = rig.workers[second].try_ended(PATIENCE).await;
    assert!(ended.unwrap().success());
    rig.workers[first].restart().await;
    rig.nats.restart().await;
    rig.edges[1].pause();
    alice.input(name, json!("two")).await;
    alice.until_answered(name).await;
    let deadline = Instant::now() + PATIENCE;
    while rig.edges[1]
        .metric("grandstand_edge_connections")
        .await
        .is_some()
    {
        // The process answered before the signal reached it.
        assert!(Instant::now() < deadline);
    }
    rig.edges[1].resume();
    while !rig.edges[1].is_ready().await {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10)).await;
    }
    rig.workers[second].restart().await;
    let mut bob = Client::connect(rig.client_options(1, "bob")).await;
    bob.join(name, json!({})).await;
    assert_eq!(bob.rooms[name].view["count"], 2);
}

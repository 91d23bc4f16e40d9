//! NATS returns with an older state than what it had acked (D23).

use std::time::Duration;

use grandstand_common::bus::{Bucket, Read};
use grandstand_harness::client::Client;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::json;

const ROOMS: [&str; 4] = ["relay-1", "relay-2", "relay-3", "relay-4"];
/// A room without inputs between the backup and its return.
const QUIET: &str = "relay-quiet";

/// Restores the whole of NATS from a backup while everything runs. Rooms go on from the backup without a restart of
/// workers or edges, each client is told which of its acked inputs are lost, and inputs are applied again.
#[tokio::test]
async fn d23_a_restored_backup_is_taken_and_lost_inputs_are_reported() {
    let plan = Plan {
        workers: 2,
        edges: 2,
        partitions: 8,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let mut clients = Vec::new();
    for (edge, name) in ["alice", "bob"].into_iter().enumerate() {
        let mut client = Client::connect(rig.client_options(edge, name)).await;
        for room in ROOMS.into_iter().chain([QUIET]) {
            client.join(room, json!({})).await;
            client.input(room, json!("kept")).await;
            client.until_answered(room).await;
        }
        clients.push(client);
    }
    let mut viewer = Client::connect(rig.client_options(0, "viewer")).await;
    viewer.join(ROOMS[0], json!({"role": "spectator"})).await;
    let backup = rig.nats.backup();
    for client in &mut clients {
        for room in ROOMS {
            for _ in 0..3 {
                client.input(room, json!("lost")).await;
            }
            client.until_answered(room).await;
        }
    }
    // The workers renew their records several times, so that the revisions of that bucket go back as well.
    let bus = rig.bus().await.unwrap();
    let mut records = bus.watch(Bucket::Workers, "").await.unwrap();
    let mut renewals = 0;
    while renewals < 10 {
        let read = tokio::time::timeout(Duration::from_secs(30), records.next()).await;
        renewals += u32::from(matches!(read.expect("renewals"), Read::Item(..)));
    }
    drop((records, bus));
    rig.nats.restart_from(&backup).await;
    for client in &mut clients {
        for room in ROOMS {
            client
                .until("the client is told what is lost", |c| {
                    c.rooms[room].rolled_back.is_some()
                })
                .await;
            assert_eq!(client.rooms[room].rolled_back, Some(1));
            client.join(room, json!({})).await;
            assert_eq!(client.input(room, json!("again")).await, 2);
            client.until_answered(room).await;
        }
        assert_eq!(client.rooms[QUIET].rolled_back, None);
        client.input(QUIET, json!("on")).await;
        client.until_answered(QUIET).await;
        assert_eq!(client.closed, None);
    }
    for client in &mut clients {
        for room in ROOMS.into_iter().chain([QUIET]) {
            client
                .until("each room has two inputs of each player", |c| {
                    c.rooms[room].view["count"] == 4
                })
                .await;
        }
    }
    viewer
        .until("the spectator sees the room as it is", |c| {
            c.rooms[ROOMS[0]].view["count"] == 4
        })
        .await;
    for process in rig.workers.iter_mut().chain(&mut rig.edges) {
        assert!(process.status().is_none(), "no process ended");
    }
}

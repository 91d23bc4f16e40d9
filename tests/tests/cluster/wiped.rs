//! NATS returns without its data.

use std::time::Duration;

use grandstand_common::bus::Bucket;
use grandstand_harness::client::Client;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::json;

/// Lost rooms begin again and clients are notified. Edges and workers recover by themselves.
#[tokio::test]
async fn nats_is_wiped_and_rooms_begin_again() {
    let plan = Plan {
        workers: 2,
        edges: 2,
        partitions: 8,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let rooms = ["relay-1", "relay-2", "relay-3"];
    let mut clients = Vec::new();
    for (edge, name) in ["alice", "bob"].into_iter().enumerate() {
        let mut client = Client::connect(rig.client_options(edge, name)).await;
        for room in rooms {
            client.join(room, json!({})).await;
            client.input(room, json!("before")).await;
            client.until_answered(room).await;
        }
        clients.push(client);
    }
    let before = clients[0].rooms[rooms[0]].instance.clone();
    rig.nats.kill9();
    for client in &mut clients {
        client
            .until("clients are notified of the outage", |c| {
                c.has_notice("degraded")
            })
            .await;
    }
    rig.nats.restart_wiped().await;
    for client in &mut clients {
        client
            .until("clients are notified of the recovery", |c| {
                c.has_notice("recovered")
            })
            .await;
    }
    for client in &mut clients {
        for room in rooms {
            // The room is gone: its clients are told and may create it again.
            client.input(room, json!("lost")).await;
            client
                .until("the client has left the room", |c| {
                    c.rooms[room].left.is_some()
                })
                .await;
        }
        assert_eq!(client.closed, None);
    }
    for client in &mut clients {
        for room in rooms {
            client.join(room, json!({})).await;
            let seq = client.input(room, json!("after")).await;
            assert_eq!(seq, 1, "the new instance numbers inputs from 1");
            client.until_answered(room).await;
        }
    }
    for client in &mut clients {
        for room in rooms {
            client
                .until("only inputs after the loss show", |c| {
                    c.rooms[room].view["count"] == 2
                })
                .await;
            assert_ne!(client.rooms[room].instance, before);
        }
        assert_eq!(client.closed, None);
    }
    let bus = rig.bus().await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let record = bus.get(Bucket::Cluster, "settings").await.unwrap();
        if record.is_some() {
            break;
        }
        let late = tokio::time::Instant::now() >= deadline;
        assert!(!late, "the cluster's settings are stored again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for process in rig.workers.iter_mut().chain(&mut rig.edges) {
        assert!(process.status().is_none(), "no process ended");
    }
}

/// A player's input waits at its edge while NATS is away and loses its data. Another player has created the room again
/// before that edge returns: the input is named as failed, and the player joins the new room.
#[tokio::test]
async fn d31_an_input_of_a_room_that_was_created_again_is_named_as_failed() {
    const ROOM: &str = "relay-1";
    let plan = Plan {
        workers: 1,
        edges: 2,
        partitions: 8,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join(ROOM, json!({})).await;
    alice.input(ROOM, json!("before")).await;
    alice.until_answered(ROOM).await;
    let mut bob = Client::connect(rig.client_options(1, "bob")).await;
    rig.nats.kill9();
    for client in [&mut alice, &mut bob] {
        client
            .until("clients are notified of the outage", |c| {
                c.has_notice("degraded")
            })
            .await;
    }
    let lost = alice.input(ROOM, json!("lost")).await;
    // The edge has taken the input and cannot append it.
    alice.settle().await;
    rig.edges[0].pause();
    rig.nats.restart_wiped().await;
    bob.until("clients are notified of the recovery", |c| {
        c.has_notice("recovered")
    })
    .await;
    bob.join(ROOM, json!({})).await;
    bob.input(ROOM, json!("after")).await;
    bob.until_answered(ROOM).await;
    rig.edges[0].resume();
    let failed = json!({"code": "room_restarted", "room": ROOM, "seq": lost});
    alice.expect("error", failed).await;
    alice
        .until("the player has left the former room", |c| {
            c.rooms[ROOM].left.is_some()
        })
        .await;
    alice.join(ROOM, json!({})).await;
    assert_eq!(alice.rooms[ROOM].instance, bob.rooms[ROOM].instance);
    let seq = alice.input(ROOM, json!("again")).await;
    assert_eq!(seq, 1, "the new room numbers the player's inputs from 1");
    alice.until_answered(ROOM).await;
    bob.until("the lost input was applied to no room", |c| {
        c.rooms[ROOM].view["count"] == 2
    })
    .await;
    assert_eq!((alice.closed, bob.closed), (None, None));
}

//! Edges die, and their players return at other edges.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::process::Process;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::json;
use tokio::time::Instant;

const PARTITIONS: u16 = 8;
const WAIT: Duration = Duration::from_secs(1);

fn is(player: &'static str, state: &'static str, room: &str) -> impl FnMut(&Client) -> bool {
    let room = room.to_owned();
    move |client| {
        let players = client.presence(&room).and_then(|p| p.as_array());
        players.is_some_and(|p| p.contains(&json!({"id": player, "state": state})))
    }
}

#[tokio::test]
async fn players_of_a_dead_edge_are_lost_until_they_return_elsewhere() {
    let plan = Plan {
        workers: 2,
        edges: 2,
        partitions: PARTITIONS,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let rooms = ["relay-1", "relay-2", "relay-3", "relay-4"];
    let mut bob = Client::connect(rig.client_options(0, "bob")).await;
    for room in rooms {
        bob.join(room, json!({})).await;
    }
    let mut took = Vec::new();
    for round in 0..3 {
        // A new edge for each round, so that workers learn of the edge with its first player.
        let name = format!("edge-{}", rig.edges.len());
        let start = rig.plan().edge(&rig.nats.url(), &name);
        rig.edges.push(Process::start(start, true).await);
        let edge = rig.edges.len() - 1;
        let mut alice = Client::connect(rig.client_options(edge, "alice")).await;
        for room in rooms {
            alice.join(room, json!({})).await;
            alice.input(room, json!(round)).await;
            alice.until_answered(room).await;
            bob.until("alice is connected", is("alice", "connected", room))
                .await;
        }
        tokio::time::sleep(WAIT * round).await;
        let killed = Instant::now();
        rig.edges[edge].kill9();
        for room in rooms {
            bob.until("alice is lost", is("alice", "lost", room)).await;
        }
        took.push(killed.elapsed());
        alice.until_closed().await;
        alice.reconnect(rig.address(1)).await;
        for room in rooms {
            alice
                .until("alice is in the room again", |c| c.rooms[room].is_shown())
                .await;
            alice.input(room, json!("back")).await;
            alice.until_answered(room).await;
            bob.until("alice is connected again", is("alice", "connected", room))
                .await;
        }
    }
    println!("kill -9 of an edge: its players are lost after {took:?}");
}

#[tokio::test]
async fn the_newer_of_two_connections_wins_on_any_edge() {
    let plan = Plan {
        workers: 2,
        edges: 2,
        partitions: PARTITIONS,
        ..Plan::default()
    };
    let rig = Rig::start(plan).await.unwrap();
    let mut first = Client::connect(rig.client_options(0, "alice")).await;
    for room in ["relay-1", "relay-2"] {
        first.join(room, json!({})).await;
        first.input(room, json!("a")).await;
    }
    first.until_answered("relay-1").await;
    first.until_answered("relay-2").await;
    let mut second = Client::connect(rig.client_options(1, "alice")).await;
    second.join("relay-1", json!({})).await;
    let replaced = |room: &str| json!({"room": room, "code": "replaced"});
    first.expect("left", replaced("relay-1")).await;
    // The connection is in another room, so it stays open and plays there.
    first.input("relay-2", json!("b")).await;
    first.until_answered("relay-2").await;
    second.input("relay-1", json!("c")).await;
    second.until_answered("relay-1").await;
    assert_eq!(
        second.rooms["relay-1"].acked, 2,
        "sequence numbers continue"
    );
    second.join("relay-2", json!({})).await;
    first.expect("left", replaced("relay-2")).await;
    assert_eq!(first.until_closed().await, 4009);
    // The first client reconnects with the same page and is now the newer one.
    first.reconnect(rig.address(0)).await;
    second
        .until("the client has left both rooms, in any order", |c| {
            let replaced = Some("replaced".to_owned());
            c.rooms.values().all(|room| room.left == replaced)
        })
        .await;
    assert_eq!(second.until_closed().await, 4009);
}

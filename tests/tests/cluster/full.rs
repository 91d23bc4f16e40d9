//! A stream of the log is full.

use std::time::Duration;

use grandstand_common::bus::Bus;
use grandstand_harness::client::Client;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::{Value, json};

const STREAMS: u16 = 4;
/// Size of an input in bytes. A stream holds a few dozen.
const INPUT: usize = 4096;
const LIMIT: u64 = 256 * 1024;

async fn limit_all(bus: &Bus, bytes: i64) {
    for stream in 0..STREAMS {
        let ask = async |verb: &str, request: Value| {
            let subject = format!("$JS.API.STREAM.{verb}.IN_{stream}");
            let wait = Duration::from_secs(10);
            let answer = bus.request(subject, request.to_string().into(), wait).await;
            let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
            assert_eq!(answer["error"], Value::Null, "{answer}");
            answer
        };
        let mut config = ask("INFO", json!({})).await["config"].take();
        config["max_bytes"] = json!(bytes);
        ask("UPDATE", config).await;
    }
}

/// Inputs that do not fit are neither acked nor lost. Clients are notified, and the inputs are stored once there is
/// space.
#[tokio::test]
async fn a_full_log_is_reported_and_loses_nothing() {
    let mut plan = Plan {
        workers: 1,
        edges: 2,
        partitions: 8,
        ..Plan::default()
    };
    for program in ["WORKER", "EDGE"] {
        let name = format!("GRANDSTAND_{program}_CLUSTER_LOG_MAX_BYTES");
        plan = plan.env(&name, LIMIT);
    }
    let rig = Rig::start(plan).await.unwrap();
    let bus = rig.bus().await.unwrap();
    let room = "relay-1";
    let mut alice = Client::connect(rig.door(0, "alice")).await;
    let mut sue = Client::connect(rig.door(1, "sue")).await;
    alice.join(room, json!({})).await;
    sue.join(room, json!({"role": "spectator"})).await;
    let text = "x".repeat(INPUT);
    let mut sent = 0;
    while !alice.has_notice("degraded") {
        if alice.rooms[room].unanswered() < 8 {
            sent += 1;
            assert!(
                sent * INPUT as u64 <= 2 * LIMIT,
                "the stream never becomes full"
            );
            alice.input(room, json!([sent, text])).await;
        } else {
            alice.next().await.unwrap();
        }
    }
    let acked = alice.rooms[room].acked;
    assert!(acked > 0 && acked < sent, "{acked} of {sent}");
    limit_all(&bus, -1).await;
    alice
        .until("the client is notified of the recovery", |c| {
            c.has_notice("recovered")
        })
        .await;
    alice.until_answered(room).await;
    assert_eq!(alice.rooms[room].acked, sent);
    for client in [&mut alice, &mut sue] {
        client
            .until("all inputs show", |c| c.rooms[room].view["count"] == sent)
            .await;
        let updates = client.rooms[room].updates.iter();
        let numbers: Vec<_> = updates.map(|u| u["data"][0].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(client.closed, None);
    }
}

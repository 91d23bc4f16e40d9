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

/// Inputs that do not fit are refused as `busy`, and those that were taken before are stored once there is space.
/// Meanwhile rooms are readable, and the worker keeps its leases.
#[tokio::test]
async fn d26_a_full_log_refuses_inputs_and_loses_nothing() {
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
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    let mut sue = Client::connect(rig.client_options(1, "sue")).await;
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
    // An input that comes now is refused.
    sent += 1;
    alice.input(room, json!([sent, text])).await;
    let busy = json!({"code": "busy", "room": room, "seq": sent});
    let busy = alice.expect("error", busy).await;
    assert!(busy["retry_after_ms"].is_u64(), "{busy}");
    // The room is readable, also for a spectator who comes now, and after the time in which a worker without renewals
    // loses its leases.
    let mut tim = Client::connect(rig.client_options(1, "tim")).await;
    tim.join(room, json!({"role": "spectator"})).await;
    tim.until("the whole room shows", |c| {
        c.rooms[room].view["count"] == acked
    })
    .await;
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        let pause = busy["retry_after_ms"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        alice.send_again(room).await;
        let again = json!({"code": "busy", "seq": sent});
        alice.expect("error", again).await;
    }
    let mut tom = Client::connect(rig.client_options(1, "tom")).await;
    tom.join(room, json!({"role": "spectator"})).await;
    tom.until("the whole room shows", |c| {
        c.rooms[room].view["count"] == acked
    })
    .await;
    assert_eq!(
        tom.rooms[room].epoch, tim.rooms[room].epoch,
        "the owner has stayed"
    );
    limit_all(&bus, -1).await;
    alice
        .until("the client is notified of the recovery", |c| {
            c.has_notice("recovered")
        })
        .await;
    // The input that was refused is sent again, and is no longer refused.
    alice.send_again(room).await;
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

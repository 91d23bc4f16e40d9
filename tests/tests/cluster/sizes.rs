//! NATS takes smaller messages than Grandstand is configured for (D27), and its storage is shared with the buckets (D26).

use std::time::Duration;

use grandstand_common::bus::{Bus, BusOptions, ConnectError};
use grandstand_harness::client::Client;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::PATIENCE;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::{Value, json};

fn config(max_payload: u32) -> String {
    format!("max_payload: {max_payload}\n")
}

async fn info(bus: &Bus, stream: u16) -> Value {
    let subject = format!("$JS.API.STREAM.INFO.IN_{stream}");
    let wait = Duration::from_secs(10);
    let answer = bus.request(subject, "{}".into(), wait).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

/// Joins two players of different rooms on one edge.
async fn two_players(rig: &Rig) -> [Client; 2] {
    let mut both = Vec::new();
    for (player, room) in [("alice", "relay-1"), ("bob", "relay-2")] {
        let mut client = Client::connect(rig.client_options(0, player)).await;
        client.join(room, json!({})).await;
        both.push(client);
    }
    both.try_into().unwrap()
}

/// One worker and one edge, and a NATS that accepts messages of `max_payload` bytes.
async fn started(max_payload: u32) -> Rig {
    let plan = Plan {
        workers: 1,
        edges: 1,
        partitions: 8,
        nats_config: Some(config(max_payload)),
        ..Plan::default()
    };
    Rig::start(plan).await.unwrap()
}

fn notices(client: &Client) -> usize {
    let log = client.log.iter();
    log.filter(|m| m["type"] == "notice").count()
}

#[tokio::test]
async fn d27_the_limit_in_welcome_is_what_nats_accepts() {
    let rig = started(32 * 1024).await;
    let [mut alice, mut bob] = two_players(&rig).await;
    let limit = alice.log[0]["limits"]["message_bytes"].as_u64().unwrap();
    assert_eq!(limit, 30 * 1024);
    // The largest message that is allowed is stored.
    let text = "x".repeat(limit as usize - 200);
    alice.input("relay-1", json!(text)).await;
    alice.until_answered("relay-1").await;
    // A larger one concerns its sender only.
    alice.input("relay-1", json!("x".repeat(50_000))).await;
    alice.input("relay-1", json!("after")).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].rejected[&2], "too_big");
    assert_eq!(alice.rooms["relay-1"].acked, 3);
    bob.input("relay-2", json!(1)).await;
    bob.until_answered("relay-2").await;
    assert_eq!((notices(&alice), notices(&bob)), (0, 0));
}

#[tokio::test]
async fn d27_a_max_payload_that_becomes_smaller_is_followed() {
    let rig = started(1024 * 1024).await;
    let [mut alice, mut bob] = two_players(&rig).await;
    rig.nats.reload(&config(32 * 1024)).await;
    let big = "x".repeat(50_000);
    // The server closes the connection of who sends the first message above the new limit.
    let mut rejected = 0;
    while rejected < 3 {
        alice.input("relay-1", json!(big)).await;
        alice.until_answered("relay-1").await;
        rejected = alice.rooms["relay-1"].rejected.len();
    }
    assert!(
        alice.rooms["relay-1"]
            .rejected
            .values()
            .all(|code| code == "too_big")
    );
    // The server closed the connection for it, which was back before any client had to know.
    let told = 0;
    for n in 0..20 {
        alice
            .input(
                "relay-1",
                json!(if n % 2 == 0 { big.as_str() } else { "small" }),
            )
            .await;
        bob.input("relay-2", json!(n)).await;
        alice.until_answered("relay-1").await;
        bob.until_answered("relay-2").await;
    }
    assert_eq!(notices(&bob), told, "clients of other rooms are not told");
    let carol = Client::connect(rig.client_options(0, "carol")).await;
    let mut carol = carol;
    carol.join("relay-2", json!({"role": "spectator"})).await;
    assert_eq!(carol.log[0]["limits"]["message_bytes"], 30 * 1024);
}

#[tokio::test]
async fn d27_an_update_above_a_lowered_max_payload_is_replaced_by_a_snapshot() {
    let rig = started(1024 * 1024).await;
    let [mut alice, mut bob] = two_players(&rig).await;
    let bus = rig.bus().await.unwrap();
    // The input is in the log before the limit becomes lower, and its update is sent after that.
    rig.workers[0].pause();
    let mut stored = 0;
    for stream in 0..4 {
        stored += info(&bus, stream).await["state"]["messages"]
            .as_u64()
            .unwrap();
    }
    alice.input("relay-1", json!("x".repeat(50_000))).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut now = 0;
        for stream in 0..4 {
            now += info(&bus, stream).await["state"]["messages"]
                .as_u64()
                .unwrap();
        }
        if now > stored {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the input is stored"
        );
    }
    rig.nats.reload(&config(32 * 1024)).await;
    rig.workers[0].resume();
    let dropped = "grandstand_worker_items_not_taken_total";
    while rig.workers[0].metric(dropped).await.unwrap_or(0.0) < 1.0 {
        assert!(tokio::time::Instant::now() < deadline, "{dropped}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let shown = |c: &Client| c.rooms["relay-1"].view["count"] == 1;
    alice.until("a snapshot with the input", shown).await;
    alice.until_answered("relay-1").await;
    alice.input("relay-1", json!("after")).await;
    alice.until_answered("relay-1").await;
    bob.input("relay-2", json!(1)).await;
    bob.until_answered("relay-2").await;
    let room = &alice.rooms["relay-1"];
    assert_eq!((room.acked, &room.view["count"]), (2, &json!(2)));
    assert_eq!((alice.closed, bob.closed), (None, None));
}

#[tokio::test]
async fn d27_a_stream_s_max_msg_size_limits_messages_too() {
    let nats = NatsServer::start().await;
    let options = BusOptions::default();
    let bus = Bus::connect_nats(&nats.url(), &options).await.unwrap();
    assert_eq!(bus.max_entry(), bus.max_payload());
    for (stream, bytes) in [("IN_1", 40_000), ("KV_rooms_0", 50_000)] {
        let wait = Duration::from_secs(10);
        let subject = |verb| format!("$JS.API.STREAM.{verb}.{stream}");
        let found = bus
            .request(subject("INFO"), "{}".into(), wait)
            .await
            .unwrap();
        let mut config = serde_json::from_slice::<Value>(&found).unwrap()["config"].take();
        config["max_msg_size"] = json!(bytes);
        let config = config.to_string().into();
        let done = bus.request(subject("UPDATE"), config, wait).await.unwrap();
        assert!(
            !String::from_utf8_lossy(&done).contains("error"),
            "{done:?}"
        );
    }
    let bus = Bus::connect_nats(&nats.url(), &options).await.unwrap();
    assert_eq!((bus.max_entry(), bus.max_value()), (40_000, 50_000));
    assert_eq!(bus.max_payload(), 1024 * 1024);
}

#[tokio::test]
async fn d27_a_max_payload_that_is_unusable_is_refused_at_start() {
    let nats = NatsServer::start_configured(&config(4096)).await;
    let refused = Bus::connect_nats(&nats.url(), &BusOptions::default()).await;
    let Err(ConnectError::PayloadTooSmall { max, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(max, 4096);
}

#[tokio::test]
async fn d26_the_log_takes_at_most_half_of_the_storage_of_nats() {
    let storage: i64 = 256 << 20;
    let nats =
        NatsServer::start_configured(&format!("jetstream {{ max_file: {storage} }}\n")).await;
    let options = BusOptions::default();
    let bus = Bus::connect_nats(&nats.url(), &options).await.unwrap();
    let mut sum = 0;
    for stream in 0..options.streams {
        let bytes = info(&bus, stream).await["config"]["max_bytes"]
            .as_i64()
            .unwrap();
        assert!(bytes >= 1 << 20, "{bytes}");
        sum += bytes;
    }
    assert!(sum > storage / 8 && sum <= storage / 2, "{sum}");
    // Another process takes the streams as they are.
    Bus::connect_nats(&nats.url(), &options).await.unwrap();
}

//! Several clusters on one NATS, and edges that start before there is a cluster.

use std::time::Duration;

use grandstand_common::bus::{Bus, BusOptions};
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{PATIENCE, Process, Start, get};
use grandstand_harness::rig::Plan;
use grandstand_harness::site::{everywhere, token};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

fn plan(cluster: &str) -> Plan {
    let plan = Plan {
        partitions: 8,
        ..Plan::default()
    };
    plan.env("GRANDSTAND_WORKER_CLUSTER_NAME", cluster)
        .env("GRANDSTAND_EDGE_CLUSTER_NAME", cluster)
}

async fn cluster(nats: &NatsServer, name: &str) -> [Process; 2] {
    [
        Process::start(plan(name).worker(&nats.url(), "worker-0"), false).await,
        Process::start(plan(name).edge(&nats.url(), "edge-0"), true).await,
    ]
}

async fn join(edge: &Process, player: &str) -> Client {
    let token = token(player, 3600, &everywhere());
    let mut client = Client::connect(ClientOptions::new(edge.address()).token(&token)).await;
    client.join("relay-1", json!({})).await;
    client
}

/// The names of all streams, and their subjects.
async fn streams(nats: &NatsServer) -> Vec<(String, Vec<String>)> {
    let options = BusOptions {
        cluster: "looks".to_owned(),
        ..BusOptions::default()
    };
    let bus = Bus::connect_nats(&nats.url(), &options).await.unwrap();
    let subject = "$JS.API.STREAM.LIST".to_owned();
    let answer = bus.request(subject, "{}".into(), Duration::from_secs(10));
    let list: Value = serde_json::from_slice(&answer.await.unwrap()).unwrap();
    let all = list["streams"].as_array().unwrap().iter();
    let config = all.map(|stream| &stream["config"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    config
        .map(|config| {
            let subjects = config["subjects"].as_array().unwrap().iter();
            (text(&config["name"]), subjects.map(text).collect())
        })
        .collect()
}

#[tokio::test]
async fn clusters_with_different_names_share_nats_and_nothing_else() {
    let nats = NatsServer::start().await;
    let plain = cluster(&nats, "").await;
    let blue = cluster(&nats, "blue").await;
    let mut alice = join(&plain[1], "alice").await;
    let mut bob = join(&blue[1], "bob").await;
    for n in 1..=3 {
        alice.input("relay-1", json!(n)).await;
    }
    bob.input("relay-1", json!("other")).await;
    alice.until_answered("relay-1").await;
    bob.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].view["count"], 3);
    assert_eq!(bob.rooms["relay-1"].view["count"], 1);
    let streams = streams(&nats).await;
    let of = |name: &str| streams.iter().filter(|(n, _)| n.contains(name)).count();
    assert_eq!(of("blue_"), streams.len() / 3, "{streams:?}");
    for (name, subjects) in &streams {
        let named = |cluster: &str| {
            let subjects = subjects.iter();
            let prefixes = [format!("{cluster}.in."), format!("$KV.{cluster}_")];
            subjects
                .filter(|s| prefixes.iter().any(|prefix| s.starts_with(prefix)))
                .count()
        };
        for cluster in ["blue", "looks"] {
            let is_named = name.starts_with(&format!("{cluster}_IN_"))
                || name.starts_with(&format!("KV_{cluster}_"));
            let all = if is_named { subjects.len() } else { 0 };
            assert_eq!(named(cluster), all, "{name}: {subjects:?}");
        }
    }
}

#[tokio::test]
async fn an_edge_waits_until_a_worker_has_created_the_cluster() {
    let nats = NatsServer::start().await;
    let edge = Process::launch(plan("").edge(&nats.url(), "edge-0"), true).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let waits = loop {
        match get(edge.admin(), "/ready?format=text").await {
            Some((503, text)) if text.contains("waiting: ") => break text,
            found => assert!(Instant::now() < deadline, "{found:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    assert!(
        waits.contains("KV_cluster does not exist yet: a worker"),
        "{waits}"
    );
    let worker = Process::start(plan("").worker(&nats.url(), "worker-0"), false).await;
    let mut edge = edge;
    edge.try_ready(PATIENCE).await.unwrap();
    drop(worker);
}

#[tokio::test]
async fn dev_on_a_new_nats_creates_the_cluster_of_its_name() {
    let nats = NatsServer::start().await;
    let dev = Start::grandstand("dev")
        .flag("--nats", nats.url())
        .env("GRANDSTAND_EDGE_CLUSTER_NAME", "mine");
    let dev = Process::start(dev, true).await;
    let options = ClientOptions {
        query: "user=alice".to_owned(),
        ..ClientOptions::new(dev.address())
    };
    let mut client = Client::connect(options).await;
    client.join("relay-1", json!({})).await;
    client.input("relay-1", json!(1)).await;
    client.until_answered("relay-1").await;
    let streams = streams(&nats).await;
    assert!(
        streams.iter().any(|(name, _)| name == "KV_mine_leases"),
        "{streams:?}"
    );
}

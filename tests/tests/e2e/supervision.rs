//! Parts of a process that die, and loops that hang (D28). The faults are injected over the admin port, which only programs
//! with the feature `faults` allow.

use std::time::Duration;

use grandstand_common::id::RoomId;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{PATIENCE, Process, Start};
use grandstand_harness::site::{SECRET, Site, edge};
use serde_json::json;

const ROOM: &str = "relay-part";

/// The default number of partitions.
const PARTITIONS: u16 = 64;

fn dev() -> Start {
    Start::grandstand("dev")
        .flag("--shards", 2)
        .flag("--secret", SECRET)
        .env("GRANDSTAND_FAULTS", 1)
}

/// Connects clients, so that each of two shards has some.
async fn clients(site: &Site) -> Vec<Client> {
    let mut clients = Vec::new();
    for index in 0..6 {
        let mut client = site.client(0, &format!("player-{index}")).await;
        client.join(ROOM, json!({})).await;
        clients.push(client);
    }
    clients
}

/// Waits for the process to end because of the part, and for its clients to be told.
async fn ends(process: &mut Process, clients: Vec<Client>, part: &str) {
    for mut client in clients {
        let code = client.until_closed().await;
        assert_eq!(code, 1012, "{part}");
    }
    let status = process.ended().await;
    let log = process.log_text();
    assert_eq!(status.code(), Some(70), "{part}: {log}");
    assert!(log.contains(&format!("the part `{part}` ")), "{log}");
}

async fn dies_in_dev(how: &str, part: &str) {
    let process = Process::start(dev(), true).await;
    let mut site = Site::new(vec![process], None, None);
    let clients = clients(&site).await;
    site.edges[0].inject(how, part).await;
    ends(&mut site.edges[0], clients, part).await;
}

#[tokio::test]
async fn d28_a_part_of_a_shard_that_panics_ends_dev() {
    for part in ["connections", "batches", "commands", "flush", "timers"] {
        dies_in_dev("panic", &format!("edge-0/{part}")).await;
    }
}

#[tokio::test]
async fn d28_a_part_that_returns_ends_dev() {
    for part in ["edge-1/accept", "edge-1/leases", "edge-1/heartbeats"] {
        dies_in_dev("return", part).await;
    }
}

#[tokio::test]
async fn d28_a_part_of_the_process_or_its_worker_that_panics_ends_dev() {
    for part in [
        "edge/leases",
        "edge/alive",
        "worker/loop",
        "worker/alive",
        "rooms-0/loop",
        "rooms-0/listen",
    ] {
        dies_in_dev("panic", part).await;
    }
}

#[tokio::test]
async fn d28_a_dead_part_ends_edges_and_workers_and_play_goes_on_without_them() {
    let nats = NatsServer::start().await;
    let worker = || {
        let worker = Start::worker().flag("--nats", nats.url());
        worker.env("GRANDSTAND_FAULTS", 1)
    };
    let edge = || edge(&nats.url()).env("GRANDSTAND_FAULTS", 1);
    let (mut worker_1, edge_1, edge_2) = tokio::join!(
        Process::start(worker(), false),
        Process::start(edge(), true),
        Process::start(edge(), true)
    );
    let mut site = Site::new(vec![edge_1, edge_2], None, None);
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    alice.input(ROOM, json!({"say": 1})).await;
    alice.until_answered(ROOM).await;

    site.edges[0].inject("panic", "edge-0/batches").await;
    assert_eq!(alice.until_closed().await, 1012);
    assert_eq!(site.edges[0].ended().await.code(), Some(70));
    alice.reconnect(site.address(1)).await;
    alice.input(ROOM, json!({"say": 2})).await;
    alice.until_answered(ROOM).await;

    let mut worker_2 = Process::start(worker(), false).await;
    for (process, part) in [
        (&mut worker_1, "worker/alive"),
        (&mut worker_2, "worker/loop"),
    ] {
        process.inject("panic", part).await;
        assert_eq!(process.ended().await.code(), Some(70), "{part}");
        let log = process.log_text();
        assert!(
            log.contains(&format!("the part `{part}` panicked: injected")),
            "{log}"
        );
        if part == "worker/alive" {
            alice.input(ROOM, json!({"say": 3})).await;
            alice.until_answered(ROOM).await;
        }
    }
    let _third = Process::start(worker(), false).await;
    alice.input(ROOM, json!({"say": 4})).await;
    alice.until_answered(ROOM).await;
    alice
        .until("every input is there once", |c| {
            c.rooms[ROOM].view["count"] == 4
        })
        .await;

    site.edges[1].inject("return", "edge/leases").await;
    assert_eq!(alice.until_closed().await, 1012);
    assert_eq!(site.edges[1].ended().await.code(), Some(70));
}

/// Waits until `/health` says 503 and names the loop.
async fn is_unhealthy(process: &Process, name: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        assert!(tokio::time::Instant::now() < deadline, "{name} hangs");
        let (status, text) = process.health().await.unwrap();
        if status == 503 {
            assert!(text.contains(name), "{text}");
            return;
        }
        assert_eq!(text, "alive\n");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn d28_a_loop_that_hangs_makes_the_process_unhealthy() {
    for (part, name) in [
        ("edge-1/batches", "edge-1"),
        ("edge-0/connections", "edge-0"),
        ("worker/loop", "worker"),
        ("rooms-0/loop", "rooms-0"),
    ] {
        let dev = dev().env("GRANDSTAND_EDGE_EDGE_LIVENESS_MS", 500);
        let process = Process::start(dev, true).await;
        assert_eq!(process.health().await, Some((200, "alive\n".to_owned())));
        process.inject("hang", part).await;
        is_unhealthy(&process, name).await;
    }
}

/// The worker has two loops. One hangs; the other one does not notice.
#[tokio::test]
async fn d28_a_hanging_room_loop_is_replaced_and_does_not_delay_the_end_of_its_worker() {
    let nats = NatsServer::start().await;
    let worker = Start::worker()
        .flag("--nats", nats.url())
        .env("GRANDSTAND_FAULTS", 1)
        .env("GRANDSTAND_WORKER_WORKER_LOOPS", 2)
        .env("GRANDSTAND_WORKER_WORKER_LIVENESS_MS", 500);
    let (mut worker, edge) = tokio::join!(
        Process::start(worker, false),
        Process::start(edge(&nats.url()), true)
    );
    let site = Site::new(vec![edge], None, None);
    let on_loop = |index: u16| {
        let rooms = (0..).map(|n| format!("relay-{n}"));
        let of = |room: &str| room.parse::<RoomId>().unwrap().partition(PARTITIONS).0 % 2;
        rooms.into_iter().find(|room| of(room) == index).unwrap()
    };
    let (hanging, turning) = (on_loop(0), on_loop(1));
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(0, "bob"));
    for (client, room) in [(&mut alice, &hanging), (&mut bob, &turning)] {
        client.join(room, json!({})).await;
        client.input(room, json!({"say": 1})).await;
        client.until_answered(room).await;
    }
    worker.inject("hang", "rooms-0/loop").await;
    is_unhealthy(&worker, "rooms-0").await;
    bob.input(&turning, json!({"say": 2})).await;
    bob.until_answered(&turning).await;
    alice.input(&hanging, json!({"say": 2})).await;
    alice.until_answered(&hanging).await;
    let is_there = |c: &Client| c.rooms[&hanging].view["count"] == 2;
    alice.until("each input is there once", is_there).await;
    let stuck = worker.metric("grandstand_worker_loops_stuck_total").await;
    assert_eq!(stuck, Some(1.0));
    worker.term();
    assert_eq!(worker.ended().await.code(), Some(0));
}

#[tokio::test]
async fn d28_a_process_that_stood_still_is_healthy_when_it_goes_on() {
    let dev = dev().env("GRANDSTAND_EDGE_EDGE_LIVENESS_MS", 500);
    let process = Process::start(dev, true).await;
    process.pause();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    process.resume();
    for _ in 0..20 {
        assert_eq!(process.health().await, Some((200, "alive\n".to_owned())));
    }
}

#[tokio::test]
async fn faults_need_their_variable() {
    let dev = Start::grandstand("dev").flag("--secret", SECRET);
    let process = Process::start(dev, true).await;
    let url = "/fault/panic/edge-0/batches";
    let answer = grandstand_harness::process::get(process.admin(), url).await;
    assert_eq!(answer.unwrap().0, 503);
    let mut client = Client::connect(ClientOptions::new(process.address()).token(
        &grandstand_harness::site::token("alice", 60, &grandstand_harness::site::everywhere()),
    ))
    .await;
    client.settle().await;
}

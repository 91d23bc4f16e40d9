//! A room that many edges watch: the worker publishes room-wide messages once.

use std::collections::BTreeSet;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusOptions, Subscription};
use grandstand_common::wire::{Batch, Interest, ItemKind};
use grandstand_harness::client::Client;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{Process, Start, get};
use grandstand_harness::site::{SECRET, Site};
use prost::Message;
use serde_json::json;
use tokio::time::Instant;

const SHARDS: usize = 20;
const ROOM: &str = "relay-hot";

/// Starts NATS, a worker for which a room with more than ten edges is hot, and an edge process with 20 shards. Each
/// shard counts as an edge.
async fn hot_site() -> Site {
    let nats = NatsServer::start().await;
    let worker = Start::worker()
        .flag("--nats", nats.url())
        .env("GRANDSTAND_WORKER_ROOMS_HOT_EDGES", 10)
        .env("GRANDSTAND_WORKER_ROOMS_COLD_EDGES", 10)
        .env("GRANDSTAND_WORKER_ROOMS_COLD_AFTER_MS", 500);
    let edge = Start::edge()
        .flag("--nats", nats.url())
        .flag("--shards", SHARDS)
        .env("GRANDSTAND_EDGE_AUTH_SECRET", SECRET)
        .env("GRANDSTAND_EDGE_ROOMS_LINGER_MS", 500);
    let (worker, edge) = tokio::join!(Process::start(worker, false), Process::start(edge, true));
    Site::new(vec![edge], Some(worker), Some(nats))
}

/// Counts the room's updates in the messages received so far, and those messages.
fn updates(from: &mut Subscription) -> (usize, usize) {
    let (mut updates, mut messages) = (0, 0);
    while let Some(message) = from.try_next() {
        messages += 1;
        let Ok(batch) = Batch::decode(message.payload) else {
            continue;
        };
        let items = batch.rooms.iter().filter(|room| room.room == ROOM);
        let items = items.flat_map(|room| &room.items);
        updates += items
            .filter(|item| matches!(item.kind, Some(ItemKind::Update(_))))
            .count();
    }
    (updates, messages)
}

/// Counts updates like [`updates`], once there are `count` of them, because the observer may lag behind the edges.
async fn updates_of(from: &mut Subscription, count: usize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut got = 0;
    while got < count {
        assert!(
            Instant::now() < deadline,
            "only {got} of {count} updates came"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
        got += updates(from).0;
    }
    got
}

/// Collects the edges that have confirmed the room's subject.
fn confirmed(asked: &mut Subscription, edges: &mut BTreeSet<String>) {
    while let Some(message) = asked.try_next() {
        let Ok(interest) = Interest::decode(message.payload) else {
            continue;
        };
        let mut rooms = interest.rooms.iter();
        if rooms.any(|room| room.room == ROOM && room.hot > 0) {
            edges.insert(interest.edge);
        }
    }
}

async fn taken(site: &Site) -> u64 {
    let (_, text) = get(site.edges[0].admin(), "/metrics")
        .await
        .expect("the edge answers");
    let line = text
        .lines()
        .find(|line| line.starts_with("grandstand_edge_updates_total"));
    line.and_then(|line| line.split(' ').next_back()?.parse().ok())
        .expect("a counter")
}

/// The number of updates that the edge has taken, once it stays the same for two seconds: shards publish their counts once a
/// second, or later if the machine is busy.
async fn settled(site: &Site) -> u64 {
    let (mut last, mut same) = (taken(site).await, 0);
    while same < 10 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = taken(site).await;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

async fn until_count(client: &mut Client, count: u64) {
    client
        .until("all updates show", |c| c.rooms[ROOM].view["count"] == count)
        .await;
}

#[tokio::test]
async fn a_hot_room_is_published_once_and_reaches_every_edge_once() {
    let site = hot_site().await;
    let url = site.nats.as_ref().unwrap().url();
    let observer = Bus::connect_nats(&url, &BusOptions::default())
        .await
        .unwrap();
    let mut hot = observer.subscribe("hot.*", 65_536).await.unwrap();
    let mut direct = observer.subscribe("edge.*", 65_536).await.unwrap();
    let mut asked = observer.subscribe("ctl.*", 65_536).await.unwrap();

    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    let (mut viewers, mut edges) = (Vec::new(), BTreeSet::new());
    while edges.len() < SHARDS {
        assert!(
            viewers.len() < 2_000,
            "only {} shards: {edges:?}",
            edges.len()
        );
        let mut viewer = site.client(0, &format!("v{}", viewers.len())).await;
        viewer.join(ROOM, json!({"role": "spectator"})).await;
        viewers.push(viewer);
        confirmed(&mut asked, &mut edges);
        if viewers.len() >= 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // Until the worker has all confirmations it also sends directly.
    let mut count = 0;
    loop {
        alice.input(ROOM, json!({"say": count})).await;
        alice.until_answered(ROOM).await;
        count += 1;
        until_count(&mut viewers[0], count).await;
        updates_of(&mut hot, 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if updates(&mut direct).0 == 0 {
            break;
        }
    }
    let before = settled(&site).await;
    updates(&mut hot);
    updates(&mut direct);
    for _ in 0..10 {
        alice.input(ROOM, json!({"say": count})).await;
        count += 1;
    }
    alice.until_answered(ROOM).await;
    for viewer in &mut viewers {
        until_count(viewer, count).await;
        assert_eq!(viewer.rooms[ROOM].snapshots, 1, "nothing was lost");
    }
    let mut published = updates_of(&mut hot, 10).await;
    let each = settled(&site).await - before;
    published += updates(&mut hot).0;
    assert_eq!(
        published, 10,
        "the worker publishes each update once to the room"
    );
    assert_eq!(
        updates(&mut direct).0,
        0,
        "the worker sends no update to a single edge"
    );
    // Alice's shard shows both lanes.
    assert_eq!(
        each,
        10 * (SHARDS as u64 + 1),
        "each edge applies each update once"
    );

    // Most viewers leave. The room is cold again and continues without a gap.
    viewers.truncate(1);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        alice.input(ROOM, json!({"say": count})).await;
        alice.until_answered(ROOM).await;
        count += 1;
        until_count(&mut viewers[0], count).await;
        let (by_hot, by_link) = (updates(&mut hot).0, updates(&mut direct).0);
        if by_hot == 0 && by_link > 0 {
            break;
        }
    }
    assert_eq!(viewers[0].rooms[ROOM].snapshots, 1, "nothing was lost");
}

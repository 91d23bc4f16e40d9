//! Spectators with a reduced rate and with a delay.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::site::Site;
use serde_json::json;
use tokio::time::Instant;

on! {
    embedded: spectators_get_the_latest_of_each_key, spectators_see_nothing_before_its_time;
    on_nats: spectators_get_the_latest_of_each_key, spectators_see_nothing_before_its_time;
}

async fn watcher(site: &Site, edge: usize, name: &str, room: &str) -> Client {
    let mut watcher = site.client(edge, name).await;
    watcher.join(room, json!({"role": "spectator"})).await;
    watcher
}

async fn spectators_get_the_latest_of_each_key(site: Site) {
    let room = "relay-rate";
    let mut alice = site.client(0, "alice").await;
    alice
        .join(room, json!({"params": {"max_rate_hz": 2}}))
        .await;
    let mut early = watcher(&site, 1, "emil", room).await;
    let seen = |value: u32| {
        move |c: &Client| {
            let view = &c.rooms[room].view;
            view["values"]["at"] == value && view["count"] == value / 10
        }
    };
    for value in 1..=60 {
        alice
            .input(room, json!({"op": "put", "key": "at", "value": value}))
            .await;
        if value % 10 == 0 {
            alice.input(room, json!({"say": value})).await;
            alice.until_answered(room).await;
        }
    }
    early.until("the last value", seen(60)).await;
    let mut late = watcher(&site, 1, "lily", room).await;
    late.until("the last value", seen(60)).await;
    alice.until("the last value", seen(60)).await;
    for watcher in [&early, &late] {
        assert_eq!(watcher.rooms[room].view, alice.rooms[room].view);
    }
    let values = early.rooms[room].updates.iter();
    let values = values.filter(|update| update["key"] == "at").count();
    assert!(values < 60, "{values}: outdated values are skipped");
    assert_eq!(
        early.rooms[room].view["count"], 6,
        "updates without a key are not skipped"
    );
}

async fn spectators_see_nothing_before_its_time(site: Site) {
    let (room, delay) = ("relay-delay", Duration::from_millis(1_500));
    let mut alice = site.client(0, "alice").await;
    let created = Instant::now();
    alice
        .join(room, json!({"params": {"delay_ms": 1500}}))
        .await;
    let mut first = site.client(1, "emil").await;
    first.start_join(room, json!({"role": "spectator"})).await;
    first
        .until("the spectator has joined", |c| c.has("joined", room))
        .await;
    let joined = first.log.iter().find(|m| m["type"] == "joined");
    assert!(
        joined.is_some_and(|m| m.get("instance").is_none()),
        "{joined:?}"
    );
    first
        .until("the room is shown", |c| c.has("snapshot", room))
        .await;
    assert!(created.elapsed() >= delay);
    for value in 1..=3 {
        let sent = Instant::now();
        alice.input(room, json!({"say": value})).await;
        alice.until_answered(room).await;
        first
            .until("the update shows", |c| c.rooms[room].view["count"] == value)
            .await;
        assert!(sent.elapsed() >= delay, "{:?}", sent.elapsed());
    }
    // A late spectator sees what the others see.
    let sent = Instant::now();
    alice.input(room, json!({"say": 4})).await;
    alice.until_answered(room).await;
    let mut late = watcher(&site, 1, "lily", room).await;
    late.until("the update shows", |c| c.rooms[room].view["count"] == 4)
        .await;
    assert!(sent.elapsed() >= delay);
}

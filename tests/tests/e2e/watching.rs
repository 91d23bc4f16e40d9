//! An edge serves spectators from its cache, and a returning client gets what it missed.

use grandstand_harness::client::Client;
use grandstand_harness::site::Site;
use serde_json::json;

on! {
    one_shard: a_returning_client_gets_what_it_missed;
    on_nats: a_returning_client_gets_what_it_missed, a_late_spectator_needs_no_worker;
}

const ROOM: &str = "relay-1";

async fn say(client: &mut Client, texts: &[&str]) {
    for text in texts {
        client.input(ROOM, json!({"say": text})).await;
    }
    client.until_answered(ROOM).await;
}

async fn until_count(client: &mut Client, count: u64) {
    client
        .until(&format!("{count} updates show"), |c| {
            c.rooms[ROOM].view["count"] == count
        })
        .await;
}

async fn a_late_spectator_needs_no_worker(site: Site) {
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    let mut early = site.client(1, "emil").await;
    early.join(ROOM, json!({"role": "spectator"})).await;
    say(&mut alice, &["a", "b", "c"]).await;
    until_count(&mut early, 3).await;

    let worker = site.worker.as_ref().unwrap();
    worker.pause();
    let mut late = site.client(1, "lily").await;
    late.join(ROOM, json!({"role": "spectator"})).await;
    until_count(&mut late, 3).await;
    assert_eq!(late.rooms[ROOM].view, early.rooms[ROOM].view);
    assert_eq!(late.rooms[ROOM].epoch, early.rooms[ROOM].epoch);
    worker.resume();

    say(&mut alice, &["d"]).await;
    until_count(&mut late, 4).await;
}

async fn a_returning_client_gets_what_it_missed(site: Site) {
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    let mut bob = site.client(1, "bob").await;
    bob.join(ROOM, json!({})).await;
    let mut sue = site.client(1, "sue").await;
    sue.join(ROOM, json!({"role": "spectator"})).await;
    let mut otto = site.client(1, "otto").await;
    otto.join(ROOM, json!({"role": "spectator"})).await;
    say(&mut alice, &["a", "b"]).await;
    until_count(&mut bob, 2).await;
    until_count(&mut sue, 2).await;

    bob.drop_connection();
    sue.drop_connection();
    say(&mut alice, &["c", "d", "e"]).await;
    until_count(&mut otto, 5).await;
    for away in [&mut bob, &mut sue] {
        let before = away.rooms[ROOM].snapshots;
        away.reconnect(site.address(1)).await;
        until_count(away, 5).await;
        away.settle().await;
        let room = &away.rooms[ROOM];
        assert_eq!(
            room.snapshots, before,
            "only missed updates are sent: {room:?}"
        );
        let texts: Vec<_> = room
            .updates
            .iter()
            .map(|u| u["data"]["say"].clone())
            .collect();
        assert_eq!(texts, ["a", "b", "c", "d", "e"]);
    }

    // The version of another epoch is not comparable.
    sue.drop_connection();
    say(&mut alice, &["f"]).await;
    let mut other = site.client(1, "sue").await;
    let since = json!({"role": "spectator", "since": 2, "epoch": "another"});
    other.join(ROOM, since).await;
    until_count(&mut other, 6).await;
    assert_eq!(other.rooms[ROOM].snapshots, 1);
}

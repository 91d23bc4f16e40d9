//! The process that owns the rooms dies, or is ended, and comes again.

use std::collections::BTreeMap;

use grandstand_tests::client::Client;
use grandstand_tests::site::Site;
use serde_json::{Value, json};
use tokio::sync::watch;

on! {
    on_nats: inputs_survive_kill_9, inputs_survive_an_orderly_end, a_game_survives_kill_9;
    on_disk: inputs_survive_kill_9, inputs_survive_an_orderly_end, a_game_survives_kill_9;
}

const ROOM: &str = "relay-1";
/// Inputs of each player.
const INPUTS: u64 = 400;
/// Inputs that a player has under way.
const UNDER_WAY: usize = 16;

/// Sends numbered inputs until all are acked; `sent` tells how far it is. Connects anew whenever that is needed and
/// `up` says that it can be.
async fn number(
    mut client: Client,
    sent: watch::Sender<u64>,
    mut up: watch::Receiver<bool>,
) -> Client {
    let mut next = 1;
    loop {
        let room = &client.rooms[ROOM];
        if next > INPUTS && room.unanswered() == 0 {
            return client;
        }
        if next <= INPUTS && room.is_shown() && room.unanswered() < UNDER_WAY {
            client.input(ROOM, json!({"number": next})).await;
            sent.send_replace(next);
            next += 1;
            continue;
        }
        if client.next().await.is_none() {
            up.wait_for(|up| *up).await.unwrap();
            client.reconnect_here().await;
        }
    }
}

/// Watches until `count` inputs were shown.
async fn watch_all(mut client: Client, mut up: watch::Receiver<bool>) -> Client {
    while client.rooms[ROOM].view["count"] != json!(2 * INPUTS) {
        if client.next().await.is_none() {
            up.wait_for(|up| *up).await.unwrap();
            client.reconnect_here().await;
        }
    }
    client
}

/// What each player's updates say, in order.
fn numbers(client: &Client) -> BTreeMap<String, Vec<u64>> {
    let mut numbers = BTreeMap::<_, Vec<_>>::new();
    for update in &client.rooms[ROOM].updates {
        let from = update["from"].as_str().unwrap().to_owned();
        let number = update["data"]["number"].as_u64().unwrap();
        numbers.entry(from).or_default().push(number);
    }
    numbers
}

enum How {
    Kill,
    Term,
}

async fn inputs_survive_kill_9(site: Site) {
    inputs_survive(site, How::Kill).await;
}

async fn inputs_survive_an_orderly_end(site: Site) {
    inputs_survive(site, How::Term).await;
}

async fn inputs_survive(mut site: Site, how: How) {
    let (up, is_up) = watch::channel(true);
    let spectator = json!({"role": "spectator"});
    let mut players = Vec::new();
    for (edge, name) in ["alice", "bob"].into_iter().enumerate() {
        let mut player = site.client(edge, name).await;
        player.join(ROOM, json!({})).await;
        let mut viewer = site.client(edge, "sue").await;
        viewer.join(ROOM, spectator.clone()).await;
        let (sent, progress) = watch::channel(0);
        let player = tokio::spawn(number(player, sent, is_up.clone()));
        let viewer = tokio::spawn(watch_all(viewer, is_up.clone()));
        players.push((player, viewer, progress));
    }
    for part in 1..=2 {
        for (_, _, progress) in &mut players {
            let so_far = progress.wait_for(|&sent| sent >= part * INPUTS / 3).await;
            so_far.unwrap();
        }
        // Whoever loses its connection waits until it can be had again.
        up.send_replace(!site.is_one_process());
        match how {
            How::Kill => site.owner().kill9(),
            How::Term => {
                site.owner().term();
                assert!(site.owner().ended().await.success());
            }
        }
        site.owner().again().await;
        up.send_replace(true);
    }
    let mut clients = Vec::new();
    for (player, viewer, _) in players {
        let player = player.await.unwrap();
        assert_eq!(player.rooms[ROOM].acked, INPUTS);
        assert_eq!(player.rooms[ROOM].rejected, BTreeMap::new());
        clients.extend([player, viewer.await.unwrap()]);
    }
    let total = json!({"count": 2 * INPUTS, "players_only": false});
    for client in &mut clients {
        client
            .until("all inputs show", |c| c.rooms[ROOM].view == total)
            .await;
        // A snapshot may stand for some, but none comes twice, or before an earlier one.
        for (player, numbers) in numbers(client) {
            let ordered = numbers.is_sorted_by(|a, b| a < b);
            assert!(ordered, "{player}: {numbers:?}");
        }
    }
    // Nothing was lost for whoever comes later either.
    let mut late = site.client(1, "lily").await;
    late.join(ROOM, spectator).await;
    late.until("all inputs show", |c| c.rooms[ROOM].view == total)
        .await;
}

async fn a_game_survives_kill_9(mut site: Site) {
    let room = "memory-1";
    let names = ["alice", "bob"];
    let mut players = Vec::new();
    for (edge, name) in names.into_iter().enumerate() {
        let mut player = site.client(edge, name).await;
        player.join(room, json!({"params": {"hide_ms": 50}})).await;
        players.push(player);
    }
    let started = |c: &Client| c.rooms[room].view["turn"] == "alice";
    players[0].until("it is alice's turn", started).await;
    players[0]
        .input(room, json!({"op": "flip", "card": 5}))
        .await;
    players[0].until_answered(room).await;
    let open = |c: &Client| c.rooms[room].view["open"] == json!([5]);
    players[1].until("the card shows", open).await;
    let before = players[0].rooms[room].view["cards"].clone();

    site.owner().kill9();
    if site.is_one_process() {
        for player in &mut players {
            player.until_closed().await;
        }
    }
    site.owner().again().await;
    for (edge, player) in players.iter_mut().enumerate() {
        let epoch = player.rooms[room].epoch.clone();
        if site.is_one_process() {
            player.reconnect(site.address(edge)).await;
        }
        let anew = |c: &Client| c.rooms[room].epoch != epoch;
        player.until("a new owner shows the room", anew).await;
        assert_eq!(player.rooms[room].view["cards"], before);
        assert_eq!(player.rooms[room].view["open"], json!([5]));
    }
    let bob = players.pop().unwrap();
    let alice = players.pop().unwrap();
    let (alice, bob) = tokio::join!(
        super::game::play(alice, "alice", room),
        super::game::play(bob, "bob", room)
    );
    assert_eq!(alice.rooms[room].view, bob.rooms[room].view);
    assert_ne!(alice.rooms[room].view["winners"], Value::Null);
}

//! The owner of the rooms dies or ends, and is started again.

use std::collections::BTreeMap;

use grandstand_harness::client::Client;
use grandstand_harness::site::Site;
use grandstand_tests::play::play;
use serde_json::{Value, json};
use tokio::sync::watch;

on! {
    on_nats: inputs_survive_kill_9, inputs_survive_an_orderly_end, a_game_survives_kill_9,
        an_edge_dies_and_its_players_move;
    on_disk: inputs_survive_kill_9, inputs_survive_an_orderly_end, a_game_survives_kill_9;
}

const ROOM: &str = "relay-1";
/// Inputs of each player between two deaths.
const INPUTS_BETWEEN: u64 = 100;
/// A player's maximum number of unanswered inputs.
const MAX_UNANSWERED: usize = 16;

/// Signals to the tasks that play and watch.
#[derive(Clone)]
struct Signals {
    /// Whether clients without a connection may reconnect.
    up: watch::Receiver<bool>,
    /// Whether players must stop sending.
    stop: watch::Receiver<bool>,
    /// The final number of inputs.
    total: watch::Receiver<Option<u64>>,
}

impl Signals {
    async fn reconnect(&mut self, client: &mut Client) {
        self.up.wait_for(|up| *up).await.unwrap();
        client.reconnect_here().await;
    }
}

/// Sends numbered inputs until it is stopped and all are acked. `sent` is their number.
async fn number(mut client: Client, sent: watch::Sender<u64>, mut signals: Signals) -> Client {
    loop {
        let (room, so_far) = (&client.rooms[ROOM], *sent.borrow());
        let stop = *signals.stop.borrow();
        if stop && room.unanswered() == 0 {
            return client;
        }
        if !stop && room.is_shown() && room.unanswered() < MAX_UNANSWERED {
            sent.send_replace(so_far + 1);
            client.input(ROOM, json!({"number": so_far + 1})).await;
        } else if client.next().await.is_none() {
            signals.reconnect(&mut client).await;
        }
    }
}

/// Watches until all inputs show.
async fn watch_all(mut client: Client, mut signals: Signals) -> Client {
    loop {
        let total = *signals.total.borrow_and_update();
        if total.is_some_and(|total| client.rooms[ROOM].view["count"] == total) {
            return client;
        }
        let read = tokio::select! {
            read = client.next() => read,
            changed = signals.total.changed() => {
                changed.unwrap();
                continue;
            }
        };
        if read.is_none() {
            signals.reconnect(&mut client).await;
        }
    }
}

/// Returns the numbers in the updates by player, in order.
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
    let (stop, stopped) = watch::channel(false);
    let (total, is_total) = watch::channel(None);
    let signals = Signals {
        up: is_up,
        stop: stopped,
        total: is_total,
    };
    let (mut players, mut viewers) = (Vec::new(), Vec::new());
    for (edge, name) in ["alice", "bob"].into_iter().enumerate() {
        let mut player = site.client(edge, name).await;
        player.join(ROOM, json!({})).await;
        let mut viewer = site.client(edge, "sue").await;
        viewer.join(ROOM, json!({"role": "spectator"})).await;
        let (sent, progress) = watch::channel(0);
        players.push((
            tokio::spawn(number(player, sent, signals.clone())),
            progress,
        ));
        viewers.push(tokio::spawn(watch_all(viewer, signals.clone())));
    }
    for death in 0..=2 {
        for (_, progress) in &mut players {
            let now = *progress.borrow();
            let more = progress
                .wait_for(|&sent| sent >= now + INPUTS_BETWEEN)
                .await;
            more.unwrap();
        }
        if death == 2 {
            break;
        }
        // A client that loses its connection waits until the process is back.
        up.send_replace(!site.is_one_process());
        match how {
            How::Kill => site.owner().kill9(),
            How::Term => {
                site.owner().term();
                assert!(site.owner().ended().await.success());
            }
        }
        site.owner().restart().await;
        up.send_replace(true);
    }
    stop.send_replace(true);
    let (mut clients, mut sum) = (Vec::new(), 0);
    for (player, progress) in players {
        let player = player.await.unwrap();
        assert_eq!(player.rooms[ROOM].acked, *progress.borrow());
        assert_eq!(player.rooms[ROOM].rejected, BTreeMap::new());
        sum += *progress.borrow();
        clients.push(player);
    }
    total.send_replace(Some(sum));
    for viewer in viewers {
        clients.push(viewer.await.unwrap());
    }
    // A late client finds all inputs, too.
    let mut late = site.client(1, "lily").await;
    late.join(ROOM, json!({"role": "spectator"})).await;
    clients.push(late);
    for client in &mut clients {
        client
            .until("all inputs show", |c| c.rooms[ROOM].view["count"] == sum)
            .await;
        // A snapshot may cover several inputs, but no input comes twice or before an earlier one.
        for (player, numbers) in numbers(client) {
            let ordered = numbers.is_sorted_by(|a, b| a < b);
            assert!(ordered, "{player}: {numbers:?}");
        }
    }
}

/// Kills an edge. Its player continues at another edge and sends unacked inputs again.
async fn an_edge_dies_and_its_players_move(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    let mut bob = site.client(1, "bob").await;
    alice.join(ROOM, json!({})).await;
    bob.join(ROOM, json!({})).await;
    for number in 1..=20 {
        alice.input(ROOM, json!({"number": number})).await;
    }
    bob.until("some inputs show", |c| !c.rooms[ROOM].updates.is_empty())
        .await;
    site.edges[0].kill9();
    alice.until_closed().await;
    bob.until("alice is lost for bob", |c| {
        c.presence(ROOM)
            .is_some_and(|players| players[0] == json!({"id": "alice", "state": "lost"}))
    })
    .await;
    alice.reconnect(site.address(1)).await;
    alice
        .until("alice is in the room again", |c| c.rooms[ROOM].is_shown())
        .await;
    alice.input(ROOM, json!({"number": 21})).await;
    alice.until_answered(ROOM).await;
    bob.until("all inputs show and alice is connected", |c| {
        c.rooms[ROOM].view["count"] == 21
            && c.presence(ROOM)
                .is_some_and(|players| players[0] == json!({"id": "alice", "state": "connected"}))
    })
    .await;
    let all: Vec<_> = (1..=21).collect();
    assert_eq!(numbers(&bob)["alice"], all);
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
    players[1].until("the card is open", open).await;
    let before = players[0].rooms[room].view["cards"].clone();

    site.owner().kill9();
    if site.is_one_process() {
        for player in &mut players {
            player.until_closed().await;
        }
    }
    site.owner().restart().await;
    for (edge, player) in players.iter_mut().enumerate() {
        let epoch = player.rooms[room].epoch.clone();
        if site.is_one_process() {
            player.reconnect(site.address(edge)).await;
        }
        let new_owner = |c: &Client| c.rooms[room].epoch != epoch;
        player.until("a new owner shows the room", new_owner).await;
        assert_eq!(player.rooms[room].view["cards"], before);
        assert_eq!(player.rooms[room].view["open"], json!([5]));
    }
    let bob = players.pop().unwrap();
    let alice = players.pop().unwrap();
    let (alice, bob) = tokio::join!(play(alice, "alice", room), play(bob, "bob", room));
    assert_eq!(alice.rooms[room].view, bob.rooms[room].view);
    assert_ne!(alice.rooms[room].view["winners"], Value::Null);
}

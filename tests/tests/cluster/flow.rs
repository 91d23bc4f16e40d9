//! Players that send numbered inputs continuously, and checks of what the rooms show.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_harness::client::{Client, ClientOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A player's maximum number of unanswered inputs.
const MAX_UNANSWERED: usize = 4;
/// Pause between two inputs of a player.
const PAUSE: Duration = Duration::from_millis(15);
/// The most time for a step, including the election of new leaders.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rooms with a player and a spectator each, on different edges. Their connections must stay open.
pub(crate) struct Flow {
    rooms: Vec<Playing>,
    stop: watch::Sender<bool>,
}

struct Playing {
    name: String,
    player: JoinHandle<Client>,
    watcher: JoinHandle<Client>,
    acked: watch::Receiver<u64>,
    total: watch::Sender<Option<u64>>,
}

impl Flow {
    /// Starts clients in the rooms `relay-flow0` and so on. `options` returns the connection options of a named player at
    /// an edge with this index.
    pub(crate) async fn start(
        rooms: usize,
        options: impl Fn(usize, &str) -> ClientOptions,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut flow = Self {
            rooms: Vec::new(),
            stop,
        };
        for index in 0..rooms {
            let name = format!("relay-flow{index}");
            let mut player = Client::connect(options(index, "alice")).await;
            player.join(&name, json!({})).await;
            let mut watcher = Client::connect(options(index + 1, "sue")).await;
            watcher.join(&name, json!({"role": "spectator"})).await;
            let (ack, acked) = watch::channel(0);
            let (total, is_total) = watch::channel(None);
            let player = number(player, name.clone(), ack, stopped.clone());
            let watcher = count(watcher, name.clone(), is_total);
            flow.rooms.push(Playing {
                name,
                player: tokio::spawn(player),
                watcher: tokio::spawn(watcher),
                acked,
                total,
            });
        }
        flow
    }

    /// Waits until `more` inputs are acked in every room.
    pub(crate) async fn advance(&mut self, more: u64) {
        for room in &mut self.rooms {
            let now = *room.acked.borrow();
            let on = room.acked.wait_for(|acked| *acked >= now + more);
            let on = timeout(PATIENCE, on).await;
            assert!(
                matches!(on, Ok(Ok(_))),
                "{} gets no further acks: {on:?}",
                room.name
            );
        }
    }

    /// Stops the players and checks that every acked input shows once and in order, for spectators and for late
    /// clients. Returns players and spectators alternately.
    pub(crate) async fn end(self, late: ClientOptions) -> Vec<Client> {
        self.stop.send_replace(true);
        let mut late = Client::connect(late).await;
        let mut clients = Vec::new();
        for room in self.rooms {
            let name = room.name.as_str();
            let player = timeout(PATIENCE, room.player).await.unwrap().unwrap();
            let known = &player.rooms[name];
            assert_eq!(known.rejected, BTreeMap::new(), "{name}");
            let sent = known.acked;
            room.total.send_replace(Some(sent));
            let watcher = timeout(PATIENCE, room.watcher).await.unwrap().unwrap();
            late.join(name, json!({"role": "spectator"})).await;
            late.until("all inputs show", |c| c.rooms[name].view["count"] == sent)
                .await;
            for client in [player, watcher] {
                check_order(&client, name);
                check_epochs(&client, name);
                clients.push(client);
            }
        }
        clients
    }
}

/// A snapshot may cover several inputs, but no input comes twice or before an earlier one.
fn check_order(client: &Client, room: &str) {
    let updates = client.rooms[room].updates.iter();
    let numbers: Vec<_> = updates.map(|u| u["data"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{room}: {numbers:?}");
}

/// An epoch that was replaced does not come back (D15).
fn check_epochs(client: &Client, room: &str) {
    let epochs = epochs(client, room);
    let mut once = epochs.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), epochs.len(), "{room}: {epochs:?}");
}

/// The consecutive epochs of a client's connection.
pub(crate) fn epochs(client: &Client, room: &str) -> Vec<String> {
    let of_room = |m: &&Value| m["type"] == "snapshot" && m["room"] == room;
    let snapshots = client.log.iter().filter(of_room);
    let mut epochs: Vec<_> = snapshots
        .map(|m| m["epoch"].as_str().unwrap().to_owned())
        .collect();
    epochs.dedup();
    epochs
}

async fn number(
    mut client: Client,
    room: String,
    acked: watch::Sender<u64>,
    stop: watch::Receiver<bool>,
) -> Client {
    let mut sent = 0;
    loop {
        let known = &client.rooms[&room];
        acked.send_replace(known.acked);
        let stop = *stop.borrow();
        if stop && known.unanswered() == 0 {
            assert_eq!(known.acked, sent, "{room}");
            return client;
        }
        if !stop && known.is_shown() && known.unanswered() < MAX_UNANSWERED {
            sent += 1;
            client.input(&room, json!(sent)).await;
            sleep(PAUSE).await;
        } else if client.next_within(PATIENCE).await.is_none() {
            panic!("{room}: the connection was closed: {:?}", client.closed);
        }
    }
}

/// Watches until all inputs show.
async fn count(
    mut client: Client,
    room: String,
    mut total: watch::Receiver<Option<u64>>,
) -> Client {
    loop {
        let all = *total.borrow_and_update();
        if all.is_some_and(|all| client.rooms[&room].view["count"] == all) {
            return client;
        }
        let read = tokio::select! {
            read = client.next_within(PATIENCE) => read,
            changed = total.changed() => {
                changed.unwrap();
                continue;
            }
        };
        assert!(read.is_some(), "{room}: the connection was closed");
    }
}

//! A rolling deploy of a game whose state has changed, back to the earlier build, and forth again, while players play.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions, Read};
use grandstand_common::envelope::Role;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{PATIENCE, Process, Start};
use grandstand_harness::rig::Plan;
use grandstand_harness::site::token;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const ROOMS: usize = 12;
const WORKERS: usize = 2;
/// A player's most unanswered inputs.
const MAX_UNANSWERED: u64 = 4;
/// The pause between two inputs of a player.
const PAUSE: Duration = Duration::from_millis(10);
/// The pause before a player joins an unavailable room again.
const RETRY: Duration = Duration::from_millis(200);

/// NATS, an edge, and workers of one version of the game `ledger` that can be replaced by those of another.
struct Deployment {
    workers: Vec<Process>,
    edge: Process,
    plan: Plan,
    started: usize,
    nats: NatsServer,
}

impl Deployment {
    async fn start(version: u32) -> Self {
        let nats = NatsServer::start().await;
        let plan = Plan {
            partitions: 8,
            ..Plan::default()
        };
        let first = worker(&plan, &nats, 0, version).await;
        let edge = Process::start(plan.edge(&nats.url(), "edge"), true).await;
        let mut deployment = Self {
            workers: vec![first],
            edge,
            plan,
            started: 1,
            nats,
        };
        while deployment.workers.len() < WORKERS {
            deployment.add(version).await;
        }
        deployment
    }

    async fn add(&mut self, version: u32) {
        let worker = worker(&self.plan, &self.nats, self.started, version).await;
        self.started += 1;
        self.workers.push(worker);
    }

    /// Replaces the workers one after the other. `flow` goes on meanwhile, if it is given.
    async fn roll_to(&mut self, version: u32, mut flow: Option<&mut Flow>) {
        for _ in 0..WORKERS {
            self.add(version).await;
            if let Some(flow) = &mut flow {
                flow.advance(5).await;
            }
            self.expect_no_quarantine().await;
            let mut old = self.workers.remove(0);
            old.term();
            let log = old.log_text();
            assert!(old.ended().await.success(), "{log}");
        }
    }

    async fn sum(&self, metric: &str) -> f64 {
        let mut sum = 0.0;
        for worker in &self.workers {
            sum += worker.metric(metric).await.unwrap_or_default();
        }
        sum
    }

    async fn expect_no_quarantine(&self) {
        let quarantined = self.sum("grandstand_worker_quarantined_total").await;
        assert_eq!(quarantined, 0.0);
    }

    /// Waits until so many rooms are too new for the workers.
    async fn until_too_new(&self, rooms: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.sum("grandstand_worker_rooms_too_new").await != rooms as f64 {
            assert!(Instant::now() < deadline, "{}", self.workers[0].log_tail());
            sleep(RETRY).await;
        }
    }

    fn options(&self, player: &str) -> ClientOptions {
        let rooms = [("ledger-*", Role::Player)];
        ClientOptions::new(self.edge.address()).token(&token(player, 3600, &rooms))
    }

    /// The rooms that do not run, by their records.
    async fn records(&self) -> Vec<String> {
        let options = BusOptions {
            partitions: self.plan.partitions,
            ..BusOptions::default()
        };
        let bus = Bus::connect_nats(&self.nats.url(), &options).await.unwrap();
        let mut reader = bus.watch(Bucket::Quarantine, "").await.unwrap();
        let mut found = Vec::new();
        loop {
            match reader.next().await {
                Read::Item(entry, behind) => {
                    found.extend(entry.value.map(|_| entry.key));
                    if behind == 0 {
                        return found;
                    }
                }
                Read::Idle | Read::Lost => return found,
            }
        }
    }
}

async fn worker(plan: &Plan, nats: &NatsServer, number: usize, version: u32) -> Process {
    let start = Start::program("grandstand-versions")
        .arg("worker")
        .flag("--nats", nats.url())
        .flag("--name", format!("worker-{number}"))
        .flag("--log", "info")
        .env("GRANDSTAND_WORKER_CLUSTER_PARTITIONS", plan.partitions)
        .env("LEDGER_VERSION", version);
    Process::start(start, false).await
}

/// Players that number their inputs, one in each room. They come back to rooms that were unavailable.
struct Flow {
    players: Vec<JoinHandle<Client>>,
    acked: Vec<watch::Receiver<u64>>,
    stop: watch::Sender<bool>,
}

fn room(index: usize) -> String {
    format!("ledger-{index}")
}

impl Flow {
    fn start(options: &ClientOptions) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut flow = Self {
            players: Vec::new(),
            acked: Vec::new(),
            stop,
        };
        for index in 0..ROOMS {
            let (ack, acked) = watch::channel(0);
            let player = play(options.clone(), room(index), ack, stopped.clone());
            flow.players.push(tokio::spawn(player));
            flow.acked.push(acked);
        }
        flow
    }

    /// Waits until `more` inputs are acked in every room.
    async fn advance(&mut self, more: u64) {
        for (index, acked) in self.acked.iter_mut().enumerate() {
            let now = *acked.borrow();
            let on = acked.wait_for(|acked| *acked >= now + more);
            let on = timeout(PATIENCE, on).await;
            assert!(
                matches!(on, Ok(Ok(_))),
                "{} gets no acks: {on:?}",
                room(index)
            );
        }
    }

    /// Ends the players. Returns how many inputs of each are acked: all that it sent.
    async fn end(self) -> Vec<u64> {
        self.stop.send_replace(true);
        let mut sent = Vec::new();
        for (index, player) in self.players.into_iter().enumerate() {
            let player = timeout(PATIENCE, player).await.unwrap().unwrap();
            let known = &player.rooms[&room(index)];
            assert!(known.rejected.is_empty(), "{:?}", known.rejected);
            assert_eq!((known.rolled_back, known.busy), (None, 0));
            sent.push(known.acked);
        }
        sent
    }
}

async fn play(
    options: ClientOptions,
    room: String,
    acked: watch::Sender<u64>,
    stop: watch::Receiver<bool>,
) -> Client {
    let mut client = Client::connect(options).await;
    client.start_join(&room, json!({})).await;
    let mut sent = 0;
    loop {
        let known = &client.rooms[&room];
        acked.send_replace(known.acked);
        let is_shown = known.is_shown();
        if is_shown && known.unanswered() == 0 && *stop.borrow() {
            assert_eq!(known.acked, sent, "{room}");
            return client;
        }
        if is_shown && (known.unanswered() as u64) < MAX_UNANSWERED && !*stop.borrow() {
            sent += 1;
            client.input(&room, json!(sent)).await;
            sleep(PAUSE).await;
            continue;
        }
        let Some(message) = client.next().await else {
            client.reconnect_here().await;
            continue;
        };
        let is_end = message["type"] == "left" || message["type"] == "error";
        if is_end && message["room"] == room.as_str() {
            assert_eq!(message["code"], "room_unavailable", "{message}");
            sleep(RETRY).await;
            client.reconnect_here().await;
        }
    }
}

#[tokio::test]
async fn d34_a_game_whose_state_changes_is_deployed_back_and_forth_without_losing_a_room() {
    let mut site = Deployment::start(1).await;
    // A room that is left before the deployment.
    let mut kate = Client::connect(site.options("kate")).await;
    kate.join("ledger-early", json!({})).await;
    kate.input("ledger-early", json!(1)).await;
    kate.until_answered("ledger-early").await;

    let mut flow = Flow::start(&site.options("alice"));
    flow.advance(20).await;
    site.roll_to(2, Some(&mut flow)).await;
    flow.advance(20).await;
    kate.input("ledger-early", json!(2)).await;
    kate.until_answered("ledger-early").await;

    // Back: no worker can run these rooms any more, and none touches them.
    site.roll_to(1, None).await;
    site.until_too_new(ROOMS + 1).await;
    site.expect_no_quarantine().await;
    let mut sue = Client::connect(site.options("sue")).await;
    sue.join("ledger-late", json!({})).await;
    sue.input("ledger-late", json!(1)).await;
    sue.until_answered("ledger-late").await;
    assert_eq!(sue.rooms["ledger-late"].view["version"], 1);

    // Forth: all rooms go on where they were.
    site.roll_to(2, None).await;
    flow.advance(20).await;
    site.until_too_new(0).await;
    site.expect_no_quarantine().await;
    let sent = flow.end().await;
    let mut late = Client::connect(site.options("joe")).await;
    let rooms = sent.into_iter().enumerate();
    let rooms = rooms.map(|(index, sent)| (room(index), sent));
    let others = [("ledger-early", 2), ("ledger-late", 1)];
    let others = others.map(|(room, sent)| (room.to_owned(), sent));
    for (room, sent) in rooms.chain(others) {
        late.join(&room, json!({"role": "spectator"})).await;
        let view = &late.rooms[&room].view;
        assert_eq!(*view, json!({"count": sent, "version": 2}), "{room}");
    }
    let deadline = Instant::now() + PATIENCE;
    while !site.records().await.is_empty() {
        assert!(Instant::now() < deadline, "{:?}", site.records().await);
        sleep(RETRY).await;
    }
}

//! Workers whose wall clocks are wrong (D24). The time of a room is the time of NATS.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::bus::{Bus, LogEntry, Read};
use grandstand_common::clock::unix_ms;
use grandstand_common::id::RoomId;
use grandstand_common::wire::{Body, Entry};
use grandstand_harness::client::Client;
use grandstand_harness::process::{PATIENCE, Process};
use grandstand_harness::rig::{Plan, Rig};
use grandstand_harness::wall_clock::WallClock;
use prost::Message as _;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

const PARTITIONS: u16 = 8;
const HOUR_S: i64 = 3_600;

/// The time for which two different cards stay open.
const HIDE_MS: u64 = 1_500;

/// The timers of a room that the log names, with the time of each by the clock of NATS.
struct Log {
    room: RoomId,
    entries: Vec<(u64, Entry)>,
}

impl Log {
    /// Reads the log of a room up to its end.
    async fn read(bus: &Bus, room: &str) -> Self {
        let room: RoomId = room.parse().unwrap();
        let mut reader = bus.read_log(room.partition(PARTITIONS), 1).await.unwrap();
        let mut entries = Vec::new();
        let subject = grandstand_common::subject::log(room.partition(PARTITIONS), &room);
        loop {
            let read = timeout(PATIENCE, reader.next()).await.unwrap();
            let mut take = |stored: LogEntry| {
                if stored.subject == subject {
                    entries.push((stored.time_ms, Entry::decode(stored.payload).unwrap()));
                }
            };
            match read {
                Read::Item(stored, 0) => {
                    take(stored);
                    break;
                }
                Read::Item(stored, _) => take(stored),
                Read::Idle => break,
                Read::Lost => panic!("the log lost its place"),
            }
        }
        Self { room, entries }
    }

    /// The time from the last input before the last timer of this name to that timer, milliseconds.
    fn delay_of(&self, timer: &str) -> Option<u64> {
        let is_timer =
            |entry: &Entry| matches!(&entry.body, Some(Body::Timer(found)) if found.name == timer);
        let place = self
            .entries
            .iter()
            .rposition(|(_, entry)| is_timer(entry))?;
        let (fired, _) = self.entries[place];
        let before = self.entries[..place].iter().rev();
        let mut inputs = before.filter(|(_, entry)| matches!(entry.body, Some(Body::Input(_))));
        let (armed, _) = inputs.next().expect("an input armed the timer");
        println!(
            "{}: {timer} came {} ms after its input",
            self.room,
            fired - armed
        );
        Some(fired - armed)
    }
}

/// Starts a game of a worker in a room, and opens two different cards.
async fn open_two_cards(rig: &Rig, room: &str) -> Client {
    let slow = json!({"params": {"hide_ms": HIDE_MS, "turn_ms": 600_000}});
    let mut alice = Client::connect(rig.client_options(0, &format!("alice-{room}"))).await;
    alice.join(room, slow).await;
    let mut bob = Client::connect(rig.client_options(1, &format!("bob-{room}"))).await;
    bob.join(room, json!({})).await;
    alice
        .until("the game starts", |c| {
            c.rooms[room].view["phase"] == "playing"
        })
        .await;
    flip_two(&mut alice, room).await;
    // The other player stays connected for as long as the room is looked at.
    tokio::spawn(async move { while bob.next_within(4 * PATIENCE).await.is_some() {} });
    alice
}

/// Opens cards until two different ones are open.
async fn flip_two(client: &mut Client, room: &str) {
    for card in 0.. {
        client
            .input(room, json!({"op": "flip", "card": card}))
            .await;
        client.until_answered(room).await;
        if client.rooms[room].view["open"]
            .as_array()
            .is_some_and(|open| open.len() == 2)
        {
            return;
        }
    }
}

async fn hidden(client: &mut Client, room: &str) {
    client
        .until("the cards are hidden", |c| {
            c.rooms[room].view["open"]
                .as_array()
                .is_some_and(Vec::is_empty)
        })
        .await;
}

/// Returns a room of each worker.
async fn rooms(rig: &Rig, bus: &Bus, workers: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut found = BTreeMap::new();
    for number in (1..=64).cycle() {
        let name = format!("memory-{number}");
        if let Some(owner) = rig.owner_of(bus, &name.parse().unwrap()).await.unwrap() {
            found.insert(owner, name);
        }
        if found.len() == workers {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "each worker owns a partition: {found:?}"
        );
    }
    found.into_values().collect()
}

async fn until_skew(rig: &Rig, worker: usize, ahead: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let skew = rig.workers[worker]
            .metric("grandstand_worker_clock_skew_seconds")
            .await;
        if skew.is_some_and(|skew| (skew - ahead as f64).abs() < 60.0) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "worker {worker}: {skew:?} instead of {ahead}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// One worker is an hour ahead and one an hour behind. Timers of both fire when they are due, and the rooms' time is the
/// time of NATS.
#[tokio::test]
async fn d24_timers_of_workers_with_wrong_clocks_fire_in_time() {
    let plan = Plan {
        workers: 2,
        partitions: PARTITIONS,
        worker_clocks: vec![HOUR_S, -HOUR_S],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await.unwrap();
    let bus = rig.bus().await.unwrap();
    for room in rooms(&rig, &bus, 2).await {
        let mut alice = open_two_cards(&rig, &room).await;
        hidden(&mut alice, &room).await;
        let log = Log::read(&bus, &room).await;
        let delay = log.delay_of("hide").expect("the timer is in the log");
        assert!(delay >= HIDE_MS, "{room}: the timer fired after {delay} ms");
        let deadline_ms = alice.rooms[&room].view["deadline_ms"].as_u64().unwrap();
        let (last, _) = log.entries.last().unwrap();
        assert!(
            deadline_ms <= last + 600_000,
            "{room}: its time is ahead of the log's"
        );
        assert!(
            deadline_ms >= log.entries[0].0 + 600_000,
            "{room}: its time is behind the log's"
        );
    }
    for (worker, ahead) in [(0, HOUR_S), (1, -HOUR_S)] {
        until_skew(&rig, worker, ahead).await;
        let log = rig.workers[worker].log_text();
        let warnings = log.matches("differs from the clock of NATS").count();
        assert_eq!(warnings, 1, "{log}");
    }
}

/// The clock of a running worker jumps ahead, far back, and back to the truth, each time while a timer is armed.
#[tokio::test]
async fn d24_a_jump_of_a_running_worker_s_clock_moves_no_timer() {
    let plan = Plan {
        workers: 1,
        partitions: PARTITIONS,
        worker_clocks: vec![0],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await.unwrap();
    let bus = rig.bus().await.unwrap();
    for (number, ahead) in [HOUR_S, -30 * 24 * HOUR_S, 0].into_iter().enumerate() {
        let room = format!("memory-{number}");
        let mut alice = open_two_cards(&rig, &room).await;
        rig.worker_clocks[0].set_ahead(ahead).unwrap();
        hidden(&mut alice, &room).await;
        until_skew(&rig, 0, ahead).await;
        let log = Log::read(&bus, &room).await;
        let delay = log.delay_of("hide").expect("the timer is in the log");
        assert!(delay >= HIDE_MS, "the timer fired after {delay} ms");
    }
    let log = rig.workers[0].log_text();
    assert!(log.contains("agrees with the clock of NATS again"), "{log}");
}

/// An edge whose clock is an hour ahead tells clients the time of NATS.
#[tokio::test]
async fn d24_an_edge_with_a_wrong_clock_tells_the_time_of_the_log() {
    let plan = Plan {
        workers: 1,
        edges: 0,
        partitions: PARTITIONS,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let clock = WallClock::ahead(HOUR_S).unwrap();
    let start = clock.on(rig.plan().edge(&rig.nats.url(), "edge-0"));
    rig.edges.push(Process::start(start, true).await);
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.send(json!({"type": "ping", "id": 1})).await;
    let pong = alice.expect("pong", json!({"id": 1})).await;
    let time_ms = pong["time_ms"].as_u64().unwrap();
    assert!(time_ms.abs_diff(unix_ms()) < 600_000, "{pong}");
}

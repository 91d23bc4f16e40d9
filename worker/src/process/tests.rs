//! Tests of a worker on the embedded bus. The test takes the part of an edge.

use std::time::Duration;

use grandstand_common::bus::embedded::Faults;
use grandstand_common::bus::{BusOptions, Read, Subscription};
use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Partition, RoomId};
use grandstand_common::process::admin::Status;
use grandstand_common::record::Lease;
use grandstand_common::subject;
use grandstand_common::wire::{
    Batch, Body, Entry, Input, Interest, InterestReply, ItemKind, Joined, Known, RoomInterest,
};
use prost::Message as _;
use tokio::time::{Instant, timeout};

use super::*;

mod stuck;

const PARTITIONS: u16 = 4;
const WAIT: Duration = Duration::from_secs(20);

fn bus() -> Bus {
    Bus::embedded(&BusOptions {
        partitions: PARTITIONS,
        streams: 2,
        ..BusOptions::default()
    })
    .unwrap()
}

fn two_loops(settings: WorkerSettings) -> WorkerSettings {
    WorkerSettings {
        loops: 2,
        ..settings
    }
}

/// Runs a worker with two room loops beside `body`, then lets it leave.
async fn with_worker<T>(bus: &Bus, body: impl Future<Output = T>) -> T {
    let (signal, watch) = drain::channel();
    let status = Status::new();
    let settings = two_loops(WorkerSettings::new("worker", bus));
    let worker = run(
        bus.clone(),
        grandstand_games::all(),
        settings,
        watch,
        status.component("worker"),
    );
    tokio::pin!(worker);
    let result = tokio::select! {
        ended = &mut worker => panic!("the worker ended: {ended:?}"),
        result = timeout(WAIT, body) => result.expect("the body ends in time"),
    };
    signal.start(Instant::now() + WAIT);
    timeout(WAIT, worker).await.unwrap().unwrap();
    result
}

/// The edge that the test plays.
struct Edge {
    bus: Bus,
    id: EdgeId,
    inbox: Subscription,
    alive: Subscription,
    room: RoomId,
    n: u64,
}

impl Edge {
    async fn new(bus: &Bus, room: &str) -> Self {
        let id: EdgeId = "edge-0-test".parse().unwrap();
        Self {
            inbox: bus.subscribe(&subject::edge(&id), 64).await.unwrap(),
            alive: {
                let alive = subject::process_alive(&id.process());
                bus.subscribe(&alive, 64).await.unwrap()
            },
            bus: bus.clone(),
            id,
            room: room.parse().unwrap(),
            n: 0,
        }
    }

    fn partition(&self) -> Partition {
        self.room.partition(PARTITIONS)
    }

    async fn append(&mut self, body: Body) {
        let entry = Entry {
            player: "alice".to_owned(),
            session: 77,
            n: self.n,
            round: 0,
            edge: self.id.to_string(),
            logged_ms: 0,
            body: Some(body),
        };
        self.n += 1;
        let subject = subject::log(self.partition(), &self.room);
        let receipt = self.bus.append(subject, entry.encode_to_vec().into()).await;
        receipt.unwrap().await.unwrap();
    }

    async fn join(&mut self) {
        self.append(Body::Joined(Joined {
            seed: vec![7; 32].into(),
            ..Joined::default()
        }))
        .await;
    }

    async fn say(&mut self, seq: u64, json: impl Into<bytes::Bytes>) {
        self.append(Body::Input(Input {
            seq,
            data: Some(Data::Json(json.into())),
            ..Input::default()
        }))
        .await;
    }

    /// Requests both lanes, again until there is an answer.
    async fn watch(&mut self) -> InterestReply {
        let interest = Interest {
            edge: self.id.to_string(),
            digest: false,
            rooms: vec![RoomInterest {
                room: self.room.to_string(),
                players: Some(Known::default()),
                spectators: Some(Known::default()),
                viewers: 1,
                sessions: vec![77],
                sync: true,
                ..RoomInterest::default()
            }],
        };
        let payload = interest.encode_to_vec();
        loop {
            let subject = subject::ctl(self.partition());
            let wait = Duration::from_millis(500);
            match self
                .bus
                .request(subject, payload.clone().into(), wait)
                .await
            {
                Ok(reply) => return InterestReply::decode(reply).unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Receives batches until one has a wanted item, and answers probes meanwhile.
    async fn until(&mut self, mut wanted: impl FnMut(&ItemKind) -> bool) -> Batch {
        loop {
            let message = tokio::select! {
                message = self.inbox.next() => message.unwrap(),
                asked = self.alive.next() => {
                    let reply = asked.unwrap().reply.unwrap();
                    self.bus.publish(reply, bytes::Bytes::new()).await.unwrap();
                    continue;
                }
            };
            let batch = Batch::decode(message.payload).unwrap();
            let mut items = batch.rooms.iter().flat_map(|room| &room.items);
            if items.any(|item| item.kind.as_ref().is_some_and(&mut wanted)) {
                return batch;
            }
        }
    }
}

fn processed(n: u64) -> impl FnMut(&ItemKind) -> bool {
    move |kind| matches!(kind, ItemKind::Processed(processed) if processed.n >= n)
}

fn snapshot(json: &'static str) -> impl FnMut(&ItemKind) -> bool {
    move |kind| {
        let ItemKind::Snapshot(snapshot) = kind else {
            return false;
        };
        let data = snapshot.data.as_ref().unwrap();
        let value: serde_json::Value = serde_json::from_slice(data.bytes()).unwrap();
        value == serde_json::from_str::<serde_json::Value>(json).unwrap()
    }
}

/// All stored leases.
async fn leases(bus: &Bus) -> Vec<Lease> {
    let mut reader = bus
        .watch(grandstand_common::bus::Bucket::Leases, "")
        .await
        .unwrap();
    let mut all = std::collections::BTreeMap::new();
    while let Read::Item(entry, behind) = reader.next().await {
        let lease: Lease = serde_json::from_slice(&entry.value.unwrap()).unwrap();
        all.insert(entry.key, lease);
        if behind == 0 {
            break;
        }
    }
    all.into_values().collect()
}

#[tokio::test]
async fn an_entry_leads_to_a_batch_and_its_room_survives_a_restart() {
    let bus = bus();
    let mut edge = Edge::new(&bus, "relay-1").await;
    let first = with_worker(&bus, async {
        // Entries before the end of the takeover are not reported unless they are requested.
        edge.watch().await;
        edge.join().await;
        edge.until(processed(0)).await;
        let reply = edge.watch().await;
        edge.until(snapshot(r#"{"count":0,"players_only":false}"#))
            .await;
        edge.say(1, r#""hello""#).await;
        let update =
            |kind: &ItemKind| matches!(kind, ItemKind::Update(update) if update.players == 1);
        let batch = edge.until(update).await;
        assert_eq!(batch.rooms[0].epoch, reply.epoch);
        reply
    })
    .await;
    for lease in leases(&bus).await {
        assert_eq!((lease.worker, lease.ready), (None, false));
    }
    let second = with_worker(&bus, async {
        let reply = edge.watch().await;
        edge.until(snapshot(r#"{"count":1,"players_only":false}"#))
            .await;
        edge.say(2, "2").await;
        edge.until(processed(2)).await;
        reply
    })
    .await;
    assert!(second.epoch > first.epoch);
    assert_ne!(second.worker, first.worker);
}

#[tokio::test]
async fn a_successor_of_a_killed_worker_has_all_processed_entries() {
    let bus = bus();
    let mut edge = Edge::new(&bus, "relay-2").await;
    {
        let (_signal, watch) = drain::channel();
        let status = Status::new();
        let settings = two_loops(WorkerSettings::new("worker", &bus));
        let worker = run(
            bus.clone(),
            grandstand_games::all(),
            settings,
            watch,
            status.component("worker"),
        );
        let body = async {
            edge.watch().await;
            edge.join().await;
            for seq in 1..=40 {
                edge.say(seq, "1").await;
            }
            edge.until(processed(40)).await;
        };
        tokio::select! {
            _ = worker => panic!("the worker ended"),
            result = timeout(WAIT, body) => result.unwrap(),
        }
    }
    let left = leases(&bus).await;
    assert!(left.iter().all(|lease| lease.worker.is_some()));
    with_worker(&bus, async {
        edge.watch().await;
        edge.until(snapshot(r#"{"count":40,"players_only":false}"#))
            .await;
    })
    .await;
}

/// The virtual time until a worker owns all partitions of a killed one.
async fn owns_after_a_kill(alone: bool) -> Duration {
    let options = BusOptions {
        partitions: PARTITIONS,
        streams: 2,
        ..BusOptions::default()
    };
    let bus = Bus::simulated(&options, Faults::none(1)).unwrap();
    let status = Status::new();
    let start = |name: &str| {
        let (signal, watch) = drain::channel();
        let settings = WorkerSettings {
            alone,
            ..WorkerSettings::new(name, &bus)
        };
        let component = status.component("worker");
        let games = grandstand_games::all();
        let worker = run_on(Host::Tasks, bus.clone(), games, settings, watch, component);
        (signal, Box::pin(worker))
    };
    let all_of = async |name: &str| {
        let mine = |lease: &Lease| {
            let owner = lease.worker.as_ref();
            lease.ready && owner.is_some_and(|owner| owner.as_str().starts_with(name))
        };
        loop {
            let all = leases(&bus).await;
            if all.len() == usize::from(PARTITIONS) && all.iter().all(mine) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let (_first, first) = start("first");
    tokio::select! {
        _ = first => panic!("it ended"),
        owns = timeout(WAIT, all_of("first-")) => owns.expect("it takes all"),
    }
    // Dropping the worker is like killing it: its leases stay.
    let (_next, next) = start("next");
    let killed = Instant::now();
    tokio::select! {
        _ = next => panic!("it ended"),
        owns = timeout(WAIT, all_of("next-")) => owns.expect("it takes all"),
    }
    killed.elapsed()
}

#[tokio::test(start_paused = true)]
async fn d18_partitions_of_a_killed_process_are_free_at_once() {
    let took = owns_after_a_kill(true).await;
    assert!(took < Duration::from_millis(500), "it waited for {took:?}");
    // Where there may be other workers, their answers or their silence must be awaited.
    let took = owns_after_a_kill(false).await;
    assert!(took >= Duration::from_secs(1), "after {took:?}");
}

#[tokio::test]
async fn two_workers_share_the_partitions_and_the_survivor_takes_all() {
    let bus = bus();
    let settings = |name: &str| WorkerSettings {
        alone: false,
        ..WorkerSettings::new(name, &bus)
    };
    let status = Status::new();
    let start = |name: &str| {
        let (signal, watch) = drain::channel();
        let worker = run(
            bus.clone(),
            grandstand_games::all(),
            settings(name),
            watch,
            status.component("worker"),
        );
        (signal, Box::pin(worker))
    };
    let owners = |all: &[Lease]| {
        let owners = all.iter().filter(|lease| lease.ready);
        owners
            .filter_map(|lease| lease.worker.clone())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (_a, a) = start("a");
    let (_b, mut b) = start("b");
    let shared = async {
        loop {
            let all = leases(&bus).await;
            let ready = all.iter().filter(|lease| lease.ready).count();
            if ready == usize::from(PARTITIONS) && owners(&all).len() == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = a => panic!("a ended"),
        _ = &mut b => panic!("b ended"),
        // With some ids one worker has the highest weight for all partitions, which is no failure.
        _ = timeout(Duration::from_secs(3), shared) => {}
    }
    // Dropping a is like killing it.
    let alone = async {
        loop {
            let all = leases(&bus).await;
            let by_b = |lease: &Lease| {
                let owner = lease.worker.as_ref();
                lease.ready && owner.is_some_and(|owner| owner.as_str().starts_with("b-"))
            };
            if all.len() == usize::from(PARTITIONS) && all.iter().all(by_b) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = &mut b => panic!("b ended"),
        result = timeout(WAIT, alone) => result.expect("b takes all"),
    }
}

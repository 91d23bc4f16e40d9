//! Checks of rooms on an embedded bus.

mod worlds;

use std::collections::BTreeMap;

use grandstand_common::bus::{Bucket, Bus, BusOptions};
use grandstand_common::data::Data;
use grandstand_common::id::{Epoch, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, Input, Joined};
use grandstand_game::{
    Effects, Game, Games, Lane, NoParams, Outdated, PlayerId, Reject, Setup, Verdict, View,
};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;
use crate::room::{Creation, Logged, Opened, Room};
use crate::stored::head::SnapshotHead;
use crate::stored::snapshot::{SnapshotLimits, encode};

/// Version 1: the sum of all inputs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct First {
    sum: u64,
}

impl Game for First {
    const NAME: &'static str = "sum";
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, _: &PlayerId, add: u64, _: &mut Effects<u64>) -> Verdict {
        self.sum += add;
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.sum)
    }
}

/// Version 2. The sum tells which fault it has.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Second {
    total: u64,
    /// A key that JSON does not have.
    keys: BTreeMap<Option<u8>, u8>,
    /// The number of loads, which is not stored.
    #[serde(skip)]
    loads: u64,
}

impl Game for Second {
    const NAME: &'static str = "sum";
    const VERSION: u32 = 2;
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, _: &PlayerId, add: u64, _: &mut Effects<u64>) -> Verdict {
        // A rule that has changed.
        self.total += if add == 99 { 100 } else { add };
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        assert!(self.total != 13, "as told");
        View::of(&(self.total + self.loads))
    }

    fn migrate(_: u32, state: Value) -> Result<Self, Outdated> {
        let total = state["sum"].as_u64().unwrap_or_default();
        if total == 12 {
            return Err(Outdated::new("no twelves"));
        }
        Ok(Self {
            total,
            keys: (total == 14).then_some((None, 1)).into_iter().collect(),
            loads: u64::from(total == 15),
        })
    }
}

/// A bus with rooms of version 1.
struct Store(Bus);

impl Store {
    fn new() -> Self {
        let options = BusOptions {
            partitions: 4,
            streams: 2,
            ..BusOptions::default()
        };
        Self(Bus::embedded(&options).unwrap())
    }

    /// Plays a room in which Alice sends `inputs`, and stores it.
    async fn play<G: Game>(&self, room: &str, inputs: &[u64]) {
        let games = Games::new().with::<G>();
        let id: RoomId = room.parse().unwrap();
        let mut emits = Vec::new();
        let joined = Joined {
            seed: vec![7; 32].into(),
            ..Joined::default()
        };
        let first = self.append(&id, 0, Body::Joined(joined)).await;
        let Ok(Opened::Room(mut room)) = Room::open(
            &games,
            &id,
            &first,
            Creation::of(&first).unwrap(),
            &mut emits,
        ) else {
            panic!("no room");
        };
        for (n, add) in (1..).zip(inputs) {
            let input = Input {
                seq: n,
                data: Some(Data::json(add).unwrap()),
                ..Input::default()
            };
            let logged = self.append(&id, n, Body::Input(input)).await;
            room.handle(&logged, &mut emits).unwrap();
        }
        let place = SnapshotHead {
            epoch: Epoch(1),
            generation: 0,
            last: room.last(),
        };
        let value = encode(&room, &[], place, SnapshotLimits::NONE).unwrap();
        self.put(&id, value).await;
    }

    async fn append(&self, id: &RoomId, n: u64, body: Body) -> Logged {
        let entry = Entry {
            player: "alice".to_owned(),
            session: 10,
            n,
            round: 1,
            edge: "e1".to_owned(),
            logged_ms: 1_000 + n,
            body: Some(body),
        };
        let subject = subject::log(self.0.layout().partition_of(id), id);
        let sent = self.0.append(subject, entry.encode_to_vec().into()).await;
        let seq = sent.unwrap().await.unwrap();
        Logged::new(seq, 1_000 + n, entry)
    }

    async fn put(&self, id: &RoomId, value: bytes::Bytes) {
        let partition = self.0.layout().partition_of(id);
        let key = subject::room_key(partition, id);
        let put = self.0.put_if(Bucket::Rooms(partition), &key, value, 0);
        put.await.unwrap();
    }

    async fn check<G: Game>(&self, replays: usize) -> CheckReport {
        let games = Games::new().with::<G>();
        let request = CheckRequest { replays };
        let mut steps = Vec::new();
        let mut tell = |step| steps.push(step);
        let report = check(&self.0, &games, request, &mut tell).await.unwrap();
        assert!(!steps.is_empty());
        report
    }
}

#[tokio::test]
async fn d34_rooms_that_migrate_are_well() {
    let store = Store::new();
    for n in 0..20 {
        store.play::<First>(&format!("sum-{n}"), &[n, 1]).await;
    }
    for n in 20..25 {
        store.play::<Second>(&format!("sum-{n}"), &[100]).await;
    }
    let report = store.check::<Second>(1_000).await;
    // 11 + 1 and so on are faults.
    let faulty: Vec<_> = report.faults.iter().map(|f| f.room.as_str()).collect();
    assert_eq!(faulty.len(), 4, "{report}");
    let game = &report.games["sum"];
    assert_eq!((report.rooms, game.version), (25, 2));
    assert_eq!(game.stored, BTreeMap::from([(1, 20), (2, 5)]));
    assert_eq!(report.replayed, 21, "those that load");
    let text = report.to_string();
    assert!(
        text.contains("20 of sum 1, migrated to version 2"),
        "{text}"
    );
}

#[tokio::test]
async fn d34_each_fault_of_a_room_is_named() {
    let store = Store::new();
    for sum in 10..17 {
        store.play::<First>(&format!("sum-{sum}"), &[sum]).await;
    }
    store.put(&"sum-0".parse().unwrap(), "{".into()).await;
    let report = store.check::<Second>(0).await;
    let mut found: Vec<_> = report
        .faults
        .iter()
        .map(|f| (f.room.as_str(), f.kind))
        .collect();
    found.sort_by_key(|(room, _)| *room);
    assert_eq!(
        found,
        [
            ("sum-0", FaultKind::Unreadable),
            ("sum-12", FaultKind::NotMigrated),
            ("sum-13", FaultKind::Panics),
            ("sum-14", FaultKind::NotStored),
            ("sum-15", FaultKind::Differs),
        ]
    );
    assert_eq!(
        (report.rooms, report.faulty, report.is_well()),
        (7, 5, false)
    );
    assert!(report.to_string().contains("no twelves"), "{report}");
}

#[tokio::test]
async fn d34_rooms_of_a_later_version_or_of_another_game_are_too_new() {
    let store = Store::new();
    store.play::<Second>("sum-1", &[1]).await;
    let report = store.check::<First>(1).await;
    assert_eq!(report.faults[0].kind, FaultKind::TooNew);
    assert_eq!(report.replayed, 0);
    let games = Games::new();
    let request = CheckRequest::default();
    let report = check(&store.0, &games, request, &mut |_| {}).await;
    let report = report.unwrap();
    assert_eq!(report.faults[0].kind, FaultKind::TooNew);
    assert!(report.to_string().contains("does not have"), "{report}");
}

#[tokio::test]
async fn d34_a_log_that_leads_to_another_room_differs() {
    let store = Store::new();
    store.play::<First>("sum-1", &[99]).await;
    store.play::<First>("sum-2", &[98]).await;
    assert!(store.check::<Second>(0).await.is_well());
    let report = store.check::<Second>(2).await;
    let [fault] = &report.faults[..] else {
        panic!("{report}");
    };
    assert_eq!(
        (fault.room.as_str(), fault.kind),
        ("sum-1", FaultKind::Replay)
    );
    assert_eq!((report.replayed, report.faulty), (2, 1));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["faults"][0]["kind"], "replay");
    assert_eq!(json["games"]["sum"]["stored"]["1"], 2);
}

//! Checks of the worlds of rooms in real time.

use std::time::Duration;

use grandstand_game::{Auto, Realtime, Rng, Tick, TickEffects};

use super::*;
use crate::room::{StampedWorld, WorldText};
use crate::stored::world;

/// A game whose version decides what its world is: that of version 3 has no `x`, and reads that of version 2 only.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Rolls<const VERSION: u32>;

impl<const VERSION: u32> Game for Rolls<VERSION> {
    const NAME: &'static str = "rolls";
    const VERSION: u32 = VERSION;
    type Params = NoParams;
    type Input = u64;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self)
    }

    fn input(&mut self, _: &PlayerId, _: u64, _: &mut Effects<Auto>) -> Verdict {
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(self)
    }

    fn migrate(_: u32, _: Value) -> Result<Self, Outdated> {
        Ok(Self)
    }
}

impl<const VERSION: u32> Realtime for Rolls<VERSION> {
    const RATE_HZ: u32 = 30;
    const MOST_LOST: Option<Duration> = Some(Duration::from_secs(1));
    type World = u64;
    type Control = u64;
    type Commit = u64;

    fn world(&self, _: &mut Rng) -> u64 {
        0
    }

    fn tick(&self, _: &mut u64, _: Tick<'_, u64>, _: &mut TickEffects<u64>) {}

    fn commit(&mut self, _: u64, _: &mut Effects<Auto>) {}

    fn migrate_world(from: u32, world: Value) -> Option<u64> {
        (from == 2).then_some(world.as_u64()).flatten()
    }
}

/// Stores a world of a version beside a room that was played.
async fn store_world(store: &Store, room: &str, version: u32, text: &str) {
    let id: RoomId = room.parse().unwrap();
    let partition = store.0.layout().partition_of(&id);
    let key = subject::room_key(partition, &id);
    let found = store.0.get(Bucket::Rooms(partition), &key).await.unwrap();
    let found = found.unwrap();
    let mut games = Games::new();
    games.add_realtime::<Rolls<1>>();
    let loaded = room::load(&games, &id, found.value.as_ref().unwrap());
    let instance = loaded.unwrap().unwrap().instance();
    let stamped = StampedWorld {
        epoch: Epoch(1),
        tick: 7,
        version,
        text: WorldText(serde_json::from_str(text).unwrap()),
    };
    let value = world::encode(instance, stamped).unwrap();
    let key = subject::world_key(&id);
    store
        .0
        .put_if(Bucket::Worlds, &key, value, 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_room_whose_state_is_null_was_not_deleted() {
    let store = Store::new();
    store.play::<Rolls<1>>("rolls-1", &[]).await;
    let report = store.check::<Rolls<1>>(1).await;
    assert_eq!((report.rooms, report.replayed), (1, 1), "{report}");
    assert!(report.is_well(), "{report}");
}

#[tokio::test]
async fn worlds_that_this_build_cannot_use_are_found() {
    let store = Store::new();
    for (room, version, text) in [
        ("rolls-same", 3, "5"),
        ("rolls-migrated", 2, "5"),
        ("rolls-too-old", 1, "5"),
        ("rolls-other", 3, "\"five\""),
        ("rolls-newer", 4, "5"),
    ] {
        store.play::<Rolls<1>>(room, &[]).await;
        store_world(&store, room, version, text).await;
    }
    store.play::<Rolls<1>>("rolls-without", &[]).await;
    let mut games = Games::new();
    games.add_realtime::<Rolls<3>>();
    let request = CheckRequest { replays: 0 };
    let report = check(&store.0, &games, request, &mut |_| {}).await.unwrap();
    assert_eq!(report.rooms, 6);
    let mut faulty: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.room.as_str(), fault.kind))
        .collect();
    faulty.sort_unstable_by_key(|(room, _)| *room);
    assert_eq!(
        faulty,
        ["rolls-newer", "rolls-other", "rolls-too-old"].map(|room| (room, FaultKind::World))
    );
    let text = report.to_string();
    assert!(text.contains("not migrated to version 3"), "{text}");
}

//! Rooms in lobbies.

use std::cell::Cell;

use grandstand_common::bus::Bucket;
use grandstand_common::listing::Listing;
use grandstand_common::record::RoomListing;
use grandstand_common::subject;
use grandstand_game::{
    Auto, Effects, Game, Lane, NoParams, PlayerId, Reject, Setup, Verdict, View, ensure,
};
use serde::{Deserialize, Serialize};

use super::*;

/// A room with three seats. The input is the number of those that are taken; 9 ends the room.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Listed {
    taken: usize,
}

thread_local! {
    /// The calls of `listing`.
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

impl Game for Listed {
    const NAME: &'static str = "listed";
    type Params = NoParams;
    type Input = usize;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, _: &PlayerId, taken: usize, fx: &mut Effects<Auto>) -> Verdict {
        self.taken = taken;
        if taken == 9 {
            fx.finish();
        }
        ensure!(taken < 100, "too_many", "{taken}");
        Ok(())
    }

    fn listing(&self) -> Option<Listing> {
        ASKED.set(ASKED.get() + 1);
        match self.taken {
            0 => None,
            7 => panic!("as ordered"),
            8 => Some(Listing::of_seats(8, 3).with("text", "x".repeat(1_024))),
            taken => Some(Listing::of_seats(taken, 3)),
        }
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.taken)
    }
}

const ROOM: &str = "listed-1";
const ALICE: (&str, u64) = ("alice", 10);

fn rig() -> Rig {
    let mut rig = Rig::started();
    rig.join(ROOM, ALICE.0, ALICE.1);
    rig.advance(1_000);
    rig
}

/// The entry of the room in lobbies.
fn shown(rig: &Rig) -> Option<RoomListing> {
    let key = subject::listing_key(&room_id(ROOM));
    let entry = rig.get(Bucket::Listings, &key)?;
    Some(serde_json::from_slice(entry.value.as_ref()?).unwrap())
}

fn seats(rig: &Rig) -> Option<(u32, u32)> {
    shown(rig).map(|shown| shown.listing.seats)
}

fn stored(rig: &Rig) -> u64 {
    rig.owner.counts().listings_stored
}

#[test]
fn lobbies_show_what_the_game_says_and_who_is_there() {
    let mut rig = rig();
    assert_eq!(shown(&rig), None);
    rig.input(ROOM, ALICE, 1, "2");
    rig.advance(1_000);
    let first = shown(&rig).unwrap();
    assert_eq!(first.listing, Listing::of_seats(2, 3));
    assert_eq!((first.players, first.epoch), (1, rig.checkpoint().epoch));
    rig.input(ROOM, ALICE, 2, "3");
    rig.advance(1_000);
    assert!(!shown(&rig).unwrap().listing.open);
    rig.input(ROOM, ALICE, 3, "9");
    rig.advance(1_000);
    assert_eq!(shown(&rig), None, "the room is over");
}

#[test]
fn a_busy_room_is_written_once_a_second() {
    let mut rig = rig();
    ASKED.set(0);
    for n in 0..100 {
        let taken = (n % 6 + 1).to_string();
        rig.input(ROOM, ALICE, n + 1, &taken);
        rig.advance(50);
    }
    let most = 6;
    assert!((4..=most).contains(&stored(&rig)), "{}", stored(&rig));
    assert!(ASKED.get() <= most as u32, "{}", ASKED.get());
}

#[test]
fn a_room_at_rest_is_renewed_before_its_listing_is_removed() {
    let mut rig = rig();
    rig.input(ROOM, ALICE, 1, "2");
    rig.advance(1_000);
    let before = stored(&rig);
    for _ in 0..120 {
        rig.advance(1_000);
    }
    assert_eq!(stored(&rig) - before, 3);
}

#[test]
fn a_successor_shows_the_room_under_its_own_epoch() {
    let mut rig = rig();
    rig.input(ROOM, ALICE, 1, "2");
    rig.advance(1_000);
    let before = shown(&rig).unwrap().epoch;
    rig.restart();
    rig.input(ROOM, ALICE, 2, "1");
    rig.advance(3_000);
    rig.advance(3_000);
    let shown = shown(&rig).unwrap();
    assert_eq!(shown.listing.seats, (1, 3));
    assert!(shown.epoch > before);
}

#[test]
fn a_failed_write_is_repeated() {
    let mut rig = rig();
    rig.fail_writes = 1;
    rig.input(ROOM, ALICE, 1, "2");
    rig.advance(1_000);
    assert_eq!(seats(&rig), None);
    rig.advance(3_000);
    rig.advance(1_000);
    assert_eq!(seats(&rig), Some((2, 3)));
}

#[test]
fn a_listing_that_cannot_be_shown_costs_the_room_nothing() {
    let mut rig = rig();
    for (n, fault) in [(1, "7"), (3, "8")] {
        rig.input(ROOM, ALICE, n, fault);
        rig.advance(1_000);
        assert_eq!(seats(&rig), None);
        rig.input(ROOM, ALICE, n + 1, "2");
        rig.advance(2_000);
        rig.advance(1_000);
        assert_eq!(seats(&rig), Some((2, 3)));
    }
    assert_eq!(rig.owner.counts().listing_faults, 2);
}

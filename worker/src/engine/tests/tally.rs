//! A game with automatic updates, and its tests.

use grandstand_common::wire::{Interest, ItemKind, Known};
use grandstand_game::{Auto, Effects, Game, NoParams, PlayerId, Reject, Setup, Verdict, View};
use grandstand_game::{Lane, ensure};
use serde::{Deserialize, Serialize};

use super::*;

/// Counts the inputs of each player. A player's own count is private as well.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    counts: std::collections::BTreeMap<PlayerId, u64>,
    #[serde(default)]
    hidden: u64,
}

impl Game for Tally {
    const NAME: &'static str = "tally";
    const PRIVATE: bool = true;
    type Params = NoParams;
    type Input = u64;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, player: &PlayerId, add: u64, _: &mut Effects<Auto>) -> Verdict {
        ensure!(add != 7, "seven", "no sevens");
        *self.counts.entry(player.clone()).or_default() += add;
        self.hidden += 1;
        Ok(())
    }

    fn view(&self, lane: Lane) -> View {
        match lane {
            Lane::Players => View::of(&self.counts),
            Lane::Spectators => {
                View::of(&serde_json::json!({"players": self.counts.len(), "last": null}))
            }
        }
    }

    fn private(&self, player: &PlayerId) -> Option<View> {
        Some(View::of(self.counts.get(player)?))
    }
}

const ROOM: &str = "tally-1";

/// A rig in which e1 holds Alice's session.
fn rig() -> Rig {
    rig_and_instance().0
}

fn rig_and_instance() -> (Rig, u64) {
    let mut rig = Rig::started();
    let instance = rig.join(ROOM, "alice", 10);
    rig.input(ROOM, ("alice", 10), 1, "1");
    rig.received("e1", ROOM);
    (rig, instance)
}

fn updates(rig: &mut Rig, edge: &str) -> Vec<String> {
    let received = rig.received(edge, ROOM).into_iter();
    received
        .filter(|line| line.starts_with("update") || line.starts_with("snapshot"))
        .collect()
}

#[test]
fn a_watched_lane_is_sent_patches() {
    let mut rig = rig();
    rig.input(ROOM, ("alice", 10), 2, "2");
    assert_eq!(updates(&mut rig, "e1"), [r#"update 3/0 {"alice":3}"#]);
    rig.send_interest(interest("e2", &[ROOM], true));
    assert_eq!(
        updates(&mut rig, "e2"),
        [
            r#"snapshot 0 v3 {"alice":3}"#,
            r#"snapshot 1 v3 {"players":1}"#
        ]
    );
    rig.input(ROOM, ("alice", 10), 3, "2");
    assert_eq!(
        updates(&mut rig, "e2"),
        [r#"update 4/0 {"alice":5}"#, "update 0/4 {}"]
    );
}

#[test]
fn snapshots_say_that_updates_are_patches() {
    let mut rig = rig();
    rig.send_interest(interest("e2", &[ROOM], true));
    let items = rig.items("e2", ROOM);
    let snapshots = items.iter().filter_map(|item| match item {
        ItemKind::Snapshot(snapshot) => Some(snapshot.is_patched),
        _ => None,
    });
    assert_eq!(snapshots.collect::<Vec<_>>(), [true, true]);
}

#[test]
fn a_reject_changes_no_version() {
    let mut rig = rig();
    rig.input(ROOM, ("alice", 10), 2, "7");
    rig.input(ROOM, ("alice", 10), 3, r#""x""#);
    let received = rig.received("e1", ROOM);
    assert!(
        received.contains(&"rejected 10 2 seven".to_owned()),
        "{received:?}"
    );
    assert!(
        received.contains(&"rejected 10 3 bad_input".to_owned()),
        "{received:?}"
    );
    rig.input(ROOM, ("alice", 10), 4, "1");
    assert_eq!(updates(&mut rig, "e1"), [r#"update 3/0 {"alice":2}"#]);
}

/// Nobody saw the events between the two requests, so that no update leads over them.
#[test]
fn a_lane_that_was_not_watched_for_a_while_begins_with_a_snapshot() {
    let (mut rig, instance) = rig_and_instance();
    rig.send_interest(interest("e2", &[ROOM], true));
    rig.input(ROOM, ("alice", 10), 2, "1");
    rig.received("e2", ROOM);
    let none = Interest {
        edge: "e2".into(),
        digest: true,
        rooms: Vec::new(),
    };
    rig.send_interest(none);
    rig.input(ROOM, ("alice", 10), 3, "1");
    rig.input(ROOM, ("alice", 10), 4, "1");
    let mut again = interest("e2", &[ROOM], true);
    again.rooms[0].spectators = Some(Known {
        epoch: rig.owner.partitions().iter().next().unwrap().1.0,
        instance,
        version: 3,
    });
    rig.send_interest(again);
    let received = updates(&mut rig, "e2");
    assert!(
        received.contains(&r#"snapshot 1 v5 {"players":1}"#.to_owned()),
        "{received:?}"
    );
}

#[test]
fn a_room_that_another_worker_takes_over_goes_on_with_snapshots() {
    let mut rig = rig();
    rig.restart();
    rig.send_interest(interest("e2", &[ROOM], true));
    rig.received("e2", ROOM);
    rig.input(ROOM, ("alice", 10), 2, "1");
    assert_eq!(
        updates(&mut rig, "e2"),
        [r#"update 3/0 {"alice":2}"#, "update 0/3 {}"]
    );
}

#[test]
fn a_private_view_is_sent_again_when_it_changes() {
    let mut rig = rig();
    rig.join(ROOM, "bob", 20);
    rig.received("e2", ROOM);
    rig.input(ROOM, ("alice", 10), 2, "5");
    let directs = |received: Vec<String>| {
        let directs = received
            .into_iter()
            .filter(|line| line.starts_with("direct"));
        directs.collect::<Vec<_>>()
    };
    assert_eq!(directs(rig.received("e1", ROOM)), ["direct 10 6"]);
    assert!(directs(rig.received("e2", ROOM)).is_empty());
    rig.input(ROOM, ("alice", 10), 3, "0");
    assert!(directs(rig.received("e1", ROOM)).is_empty());
}

//! The measurements of an engine, and the arrivals that its updates carry.

use grandstand_common::by_name::ByName;
use grandstand_common::wire::{Arrival, Body, Entry, ItemKind, Known};

use super::watching::{known, spectators};
use super::*;
use crate::counts::GameCounts;

/// An input with an arrival.
fn arrived(sender: (&str, u64), n: u64, seq: u64, text: &str) -> Entry {
    let mut entry = input(sender, n, seq, text);
    if let Some(Body::Input(input)) = &mut entry.body {
        input.arrival = Some(Arrival {
            at_us: 1_000 + seq,
            traceparent: format!("trace-{seq}"),
        });
    }
    entry
}

fn arrivals(items: Vec<ItemKind>) -> Vec<Option<String>> {
    let updates = items.into_iter().filter_map(|item| match item {
        ItemKind::Update(update) => Some(update.arrival.map(|arrival| arrival.traceparent)),
        _ => None,
    });
    updates.collect()
}

#[test]
fn an_update_carries_the_arrival_of_its_input_but_not_if_it_is_sent_again() {
    let mut rig = Rig::started();
    let instance = rig.join("echo-1", "alice", 10);
    rig.send_interest(spectators("e5", Known::default(), false));
    rig.items("e5", "echo-1");
    rig.append("echo-1", arrived(("alice", 10), 1, 1, "a"));
    rig.append("echo-1", input(("alice", 10), 2, 2, "b"));
    rig.run();
    let first = Some("trace-1".to_owned());
    for edge in ["e1", "e5"] {
        let items = rig.items(edge, "echo-1");
        assert_eq!(arrivals(items), [first.clone(), None], "{edge}");
    }

    let wanted = known(&rig, 1, instance);
    rig.send_interest(spectators("e5", wanted, true));
    let again = rig.items("e5", "echo-1");
    assert_eq!(arrivals(again), [None, None]);
}

#[test]
fn an_arrival_does_not_change_the_room() {
    let states = [false, true].map(|has_arrival| {
        let mut rig = Rig::started();
        rig.join("echo-1", "alice", 10);
        for n in 1..=3 {
            let entry = if has_arrival {
                arrived(("alice", 10), n, n, "a")
            } else {
                input(("alice", 10), n, n, "a")
            };
            rig.append("echo-1", entry);
            rig.run();
        }
        rig.restart();
        rig.input("echo-1", ("alice", 10), 4, "b");
        rig.received("e1", "echo-1")
    });
    assert_eq!(states[0], states[1]);
}

#[test]
fn takeovers_ends_of_games_rejects_and_rooms_are_measured() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "reject");
    rig.input("echo-1", ("alice", 10), 2, "finish");
    let mut games = ByName::default();
    let unapplied = rig.owner.partitions().measure(&mut games);
    assert_eq!(unapplied, 0);
    let of: Vec<_> = games
        .iter()
        .map(|(game, of)| (game.to_owned(), *of))
        .collect();
    let expected = GameCounts {
        rooms: 1,
        viewers: 0,
    };
    assert_eq!(of, [("echo".to_owned(), expected)]);
    let tallies = rig.owner.tallies();
    assert_eq!(tallies.takeovers.count(), 1);
    assert_eq!(tallies.replay_entries.count(), 1);
    let (_, echo) = tallies.games.iter().next().unwrap();
    assert_eq!((echo.durations.count(), echo.inputs.count()), (1, 1));
    let rejects: u64 = echo.rejects.iter().map(|(_, count)| *count).sum();
    assert_eq!(rejects, 1);
}

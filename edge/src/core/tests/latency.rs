//! The stamps of inputs, from their arrival to the write of their updates.

use super::*;
use crate::codec::{ReceivedKind, SentKind};

const ARRIVED: u64 = 1_000_000_123;

/// An update of both lanes that an input with this arrival caused.
fn stamped(version: u64, at_us: u64) -> ItemKind {
    ItemKind::Update(Update {
        players: version,
        spectators: version,
        data: json(version),
        arrival: Some(Arrival {
            at_us,
            traceparent: String::new(),
        }),
        ..Update::default()
    })
}

fn stamps(bench: &mut Bench) -> Vec<(String, LaneId, u64)> {
    let mut all = Vec::new();
    let tallies = bench.core.tallies();
    tallies.take_stamps(|game, lane, at| all.push((game.to_owned(), lane, at)));
    assert!(!tallies.has_stamps());
    all
}

/// A room with a player and three spectators.
fn watched() -> Bench {
    let mut bench = Bench::new();
    bench.player(0, "ann");
    for index in 1..=3 {
        let conn = bench.open(index, "eve");
        bench.join(conn, "spectator");
    }
    bench.receive(vec![snapshot(1, 0)]);
    bench
}

#[test]
fn an_input_carries_the_time_of_its_arrival() {
    let mut bench = Bench::new();
    let (ann, _) = bench.player(0, "ann");
    bench.now.unix_us = ARRIVED;
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.send(ann, input);
    let Some(Body::Input(input)) = &bench.entries()[0].body else {
        panic!("an input is appended");
    };
    assert_eq!(input.arrival.as_ref().unwrap().at_us, ARRIVED);
}

#[test]
fn an_update_is_measured_once_for_each_lane_when_its_last_member_has_it() {
    let mut bench = watched();
    assert_eq!(stamps(&mut bench), []);
    bench.receive_slowly(vec![stamped(1, ARRIVED)]);
    let game = || "relay".to_owned();
    assert_eq!(stamps(&mut bench), [(game(), LaneId::Players, ARRIVED)]);
    bench.flush();
    assert_eq!(stamps(&mut bench), [(game(), LaneId::Spectators, ARRIVED)]);
    bench.flush();
    assert_eq!(stamps(&mut bench), []);
}

#[test]
fn an_update_without_an_arrival_or_without_members_is_not_measured() {
    let mut bench = watched();
    bench.receive(vec![update(1, 1)]);
    bench.receive(vec![ItemKind::Update(Update {
        arrival: None,
        ..match stamped(2, ARRIVED) {
            ItemKind::Update(update) => update,
            _ => Update::default(),
        }
    })]);
    assert_eq!(stamps(&mut bench), []);

    let mut alone = Bench::new();
    alone.player(0, "ann");
    alone.receive(vec![stamped(1, ARRIVED)]);
    let lanes: Vec<_> = stamps(&mut alone)
        .iter()
        .map(|(_, lane, _)| *lane)
        .collect();
    assert_eq!(lanes, [LaneId::Players]);
}

#[test]
fn stamps_that_nobody_takes_are_bounded() {
    let mut bench = watched();
    for version in 1..=10_000 {
        bench.receive(vec![stamped(version, version)]);
    }
    assert!(stamps(&mut bench).len() <= 2 * 4_096);
}

#[test]
fn inputs_are_measured_until_their_report_and_messages_are_counted_by_kind() {
    let mut bench = Bench::new();
    let (ann, session) = bench.player(0, "ann");
    for seq in 1..=2 {
        let input = serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1});
        bench.send(ann, input);
    }
    let before = bench.core.counts().clone();
    bench.advance(5);
    bench.receive(vec![processed(session, 1, 1)]);
    assert_eq!(bench.core.tallies().input_latency.count(), 1);
    bench.receive(vec![processed(session, 2, 2), update(1, 1)]);
    assert_eq!(bench.core.tallies().input_latency.count(), 2);
    let counts = bench.core.counts();
    assert_eq!(counts.received[ReceivedKind::Input as usize], 2);
    let sent = |kind| {
        let of = |counts: &Counts| counts.sent.get(kind) + counts.broadcast.get(kind);
        of(counts) - of(&before)
    };
    assert_eq!((sent(SentKind::Ack), sent(SentKind::Update)), (2, 1));
    assert_eq!(bench.core.lists().sizes(), (1, 1, [1, 0]));
}

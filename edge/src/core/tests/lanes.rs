//! Lanes with a maximum rate or a delay.

use super::*;

fn snapshot_with(version: u64, (max_rate_hz, delay_ms): (u32, u32)) -> ItemKind {
    ItemKind::Snapshot(Snapshot {
        lane: 1,
        version,
        max_rate_hz,
        delay_ms,
        data: json(version),
        ..Snapshot::default()
    })
}

fn keyed(spectators: u64, key: &str) -> ItemKind {
    ItemKind::Update(Update {
        players: 0,
        spectators,
        key: key.into(),
        data: json(spectators),
        ..Update::default()
    })
}

fn presence(viewers: u64) -> ItemKind {
    ItemKind::Presence(Presence {
        viewers,
        ..Presence::default()
    })
}

impl Bench {
    /// Creates a core with these settings of rooms.
    fn with_rooms(rooms: RoomConfig) -> Self {
        let config = CoreConfig {
            rooms,
            ..CoreConfig::default()
        };
        Self::with(config, None)
    }

    /// The owner replies to the request.
    fn answer(&mut self) {
        let reply = InterestReply {
            worker: "w".into(),
            epoch: self.epoch,
            number: self.number,
        };
        let reply = Some(reply.encode_to_vec().into());
        self.core.handle_interest_reply(self.tag(), reply, self.now);
    }
}

/// The types and versions of messages.
fn brief(messages: &[serde_json::Value]) -> Vec<String> {
    let brief = |m: &serde_json::Value| {
        let kind = m["type"].as_str().unwrap();
        match (kind, m["version"].as_u64(), m["prev"].as_u64()) {
            ("presence", ..) => format!("presence {}", m["viewers"]),
            (_, Some(version), Some(prev)) => format!("{prev}>{version}"),
            (_, Some(version), None) => format!("{kind} {version}"),
            (_, None, _) => kind.to_owned(),
        }
    };
    messages.iter().map(brief).collect()
}

#[test]
fn a_conflated_lane_has_no_gaps_for_early_late_and_returning_clients() {
    let mut bench = Bench::new();
    let (early, late) = (bench.open(1, "emil"), bench.open(2, "lily"));
    bench.join(early, "spectator");
    bench.receive(vec![snapshot_with(10, (2, 0))]);
    assert_eq!(
        brief(&bench.take_messages(early)),
        ["joined", "snapshot 10"]
    );
    bench.receive(vec![keyed(11, "a"), keyed(12, ""), keyed(13, "a")]);
    bench.join(late, "spectator");
    assert_eq!(brief(&bench.take_messages(late)), ["joined", "snapshot 10"]);
    assert_eq!(bench.take_messages(early), [] as [serde_json::Value; 0]);
    bench.receive(vec![keyed(14, "b")]);
    bench.advance(500);
    for conn in [early, late] {
        assert_eq!(
            brief(&bench.take_messages(conn)),
            ["10>12", "12>13", "13>14"]
        );
    }
    // Updates that were left out are not needed from any version.
    bench.receive(vec![keyed(15, "a"), keyed(16, ""), keyed(17, "a")]);
    bench.advance(500);
    assert_eq!(brief(&bench.take_messages(early)), ["14>16", "16>17"]);
    let again = bench.open(3, "emil");
    let epoch = grandstand_common::id::client_epoch(
        Epoch(1),
        grandstand_common::id::Instance(7),
        LaneId::Spectators,
    );
    bench.send(
        again,
        serde_json::json!({"type": "join", "room": ROOM, "role": "spectator", "since": 15, "epoch": epoch}),
    );
    assert_eq!(
        brief(&bench.take_messages(again)),
        ["joined", "15>16", "16>17"]
    );
}

#[test]
fn d22_the_first_spectators_of_a_delayed_lane_get_joined_at_once_and_the_snapshot_later() {
    let mut bench = Bench::new();
    let (early, late) = (bench.open(1, "emil"), bench.open(2, "lily"));
    bench.join(early, "spectator");
    bench.receive(vec![snapshot_with(10, (0, 2000)), presence(1)]);
    let joined = bench.take_messages(early);
    assert_eq!(brief(&joined), ["joined"]);
    assert!(joined[0].get("instance").is_none(), "{joined:?}");
    bench.advance(1000);
    bench.receive(vec![keyed(11, ""), presence(2)]);
    bench.join(late, "spectator");
    assert_eq!(brief(&bench.take_messages(late)), ["joined"]);
    bench.answer();
    bench.set_epoch(1);
    bench.core.handle_bus(false, bench.now);
    bench.core.handle_bus(true, bench.now);
    let interests = bench.interests();
    let known = interests.last().unwrap().rooms[0].spectators;
    assert_eq!(
        known.unwrap().version,
        11,
        "the owner is told the version that arrived"
    );
    bench.flush();
    for conn in [early, late] {
        assert_eq!(bench.take_types(conn), [""; 0]);
    }
    bench.advance(1000);
    for conn in [early, late] {
        assert_eq!(
            brief(&bench.take_messages(conn)),
            ["snapshot 10", "presence 1"]
        );
    }
    bench.advance(1000);
    assert_eq!(brief(&bench.take_messages(late)), ["10>11", "presence 2"]);
}

#[test]
fn d22_a_delayed_lane_shows_the_end_of_its_room_before_the_next_room() {
    let mut bench = Bench::new();
    let (player, _) = bench.player(1, "alice");
    let spectator = bench.open(2, "emil");
    bench.join(spectator, "spectator");
    bench.receive(vec![snapshot_with(0, (0, 2000))]);
    bench.advance(2000);
    assert_eq!(
        brief(&bench.take_messages(spectator)),
        ["joined", "snapshot 0"]
    );
    bench.receive(vec![update(1, 1)]);
    let closed = Closed {
        code: "finished".into(),
    };
    bench.advance(100);
    bench.receive(vec![ItemKind::Closed(closed)]);
    assert_eq!(bench.take_types(player), ["update", "left"]);
    // A new owner and a new room of the same name must not be visible before the end.
    bench.set_epoch(2);
    bench.receive_of(0, vec![ItemKind::Absent(Empty {})]);
    bench.receive_of(9, vec![snapshot_with(5, (0, 2000)), keyed(6, "")]);
    bench.advance(1000);
    assert_eq!(bench.take_messages(spectator), [] as [serde_json::Value; 0]);
    let late = bench.open(3, "lily");
    bench.join(late, "spectator");
    let got = bench.take_messages(late);
    assert_eq!(
        brief(&got),
        ["joined", "snapshot 0"],
        "the room has not ended on this lane"
    );
    assert_eq!(got[0]["instance"], "7");
    bench.advance(1100);
    assert_eq!(brief(&bench.take_messages(spectator))[..2], ["0>1", "left"]);
    assert_eq!(brief(&bench.take_messages(late))[..2], ["0>1", "left"]);
    bench.join(spectator, "spectator");
    bench.advance(1000);
    let got = brief(&bench.take_messages(spectator));
    assert!(
        got.ends_with(&["snapshot 5".into(), "5>6".into()]),
        "{got:?}"
    );
}

#[test]
fn a_delayed_lane_delays_a_new_epoch() {
    let mut bench = Bench::new();
    let spectator = bench.open(2, "emil");
    bench.join(spectator, "spectator");
    bench.receive(vec![snapshot_with(3, (0, 500))]);
    bench.advance(500);
    let first = bench.take_messages(spectator)[1]["epoch"].clone();
    bench.set_epoch(2);
    bench.receive(vec![snapshot_with(3, (0, 500)), presence(4)]);
    bench.advance(400);
    assert_eq!(bench.take_messages(spectator), [] as [serde_json::Value; 0]);
    bench.advance(100);
    let got = bench.take_messages(spectator);
    assert_eq!(brief(&got), ["snapshot 3", "presence 4"]);
    assert_ne!(got[0]["epoch"], first);
}

#[test]
fn an_edges_minimum_delay_applies_to_spectators_and_not_to_players() {
    let rooms = RoomConfig {
        spectators: DeliveryPolicy::new(0, 1000),
        ..RoomConfig::default()
    };
    let mut bench = Bench::with_rooms(rooms);
    let spectator = bench.open(2, "emil");
    bench.join(spectator, "spectator");
    bench.receive(vec![snapshot_with(3, (5, 10))]);
    assert_eq!(brief(&bench.take_messages(spectator)), ["joined"]);
    bench.advance(1000);
    assert_eq!(brief(&bench.take_messages(spectator)), ["snapshot 3"]);
    let (player, _) = bench.player(1, "alice");
    bench.receive(vec![update(1, 4)]);
    assert_eq!(
        brief(&bench.take_messages(player))[..1],
        ["0>1"],
        "players are not delayed"
    );
}

#[test]
fn a_full_delay_buffer_drops_updates_and_later_requests_a_snapshot() {
    let rooms = RoomConfig {
        delay_bytes: 20_000,
        ..RoomConfig::default()
    };
    let mut bench = Bench::with_rooms(rooms);
    let spectator = bench.open(2, "emil");
    bench.join(spectator, "spectator");
    bench.receive(vec![snapshot_with(0, (0, 1000))]);
    for version in 1..500 {
        bench.receive(vec![keyed(version, "")]);
        bench.now.at += Duration::from_millis(1);
    }
    bench.commands();
    bench.answer();
    bench.advance(1000);
    let got = brief(&bench.take_messages(spectator));
    assert_eq!(got[..3], ["joined", "snapshot 0", "0>1"]);
    assert!(got.len() < 200, "{}", got.len());
    bench.answer();
    let interests = bench.interests();
    let wanted = &interests.last().expect("a request to the owner").rooms[0];
    assert!(wanted.sync && wanted.spectators == Some(Known::default()));
    bench.receive(vec![snapshot_with(499, (0, 1000)), keyed(500, "")]);
    bench.advance(1000);
    assert_eq!(
        brief(&bench.take_messages(spectator)),
        ["snapshot 499", "499>500"]
    );
    assert_eq!(bench.core.counts().delays_overflowed, 1);
}

/// An owner sends a change as a snapshot if an update would be larger, or cannot be made.
#[test]
fn a_snapshot_in_place_of_an_update_reaches_all_members() {
    for limits in [(0, 0), (2, 0), (0, 300)] {
        let mut bench = Bench::new();
        let early = bench.open(1, "emil");
        bench.join(early, "spectator");
        bench.receive(vec![snapshot_with(10, limits)]);
        bench.advance(1_000);
        bench.take_messages(early);
        bench.receive(vec![keyed(11, "")]);
        bench.receive(vec![snapshot_with(12, limits)]);
        bench.receive(vec![keyed(13, "")]);
        bench.advance(1_000);
        bench.advance(1_000);
        let seen = brief(&bench.take_messages(early));
        let snapshot = seen.iter().position(|line| line == "snapshot 12");
        assert_eq!(snapshot, Some(seen.len() - 2), "{limits:?}: {seen:?}");
        assert_eq!(seen.last().unwrap(), "12>13");
    }
}

#[test]
fn a_snapshot_says_that_updates_are_patches() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "emil");
    bench.join(conn, "spectator");
    bench.receive(vec![ItemKind::Snapshot(Snapshot {
        lane: 1,
        version: 3,
        is_patched: true,
        data: json(3),
        ..Snapshot::default()
    })]);
    let messages = bench.take_messages(conn);
    assert_eq!(messages[1]["patch"], "merge", "{messages:?}");
    let late = bench.open(2, "lily");
    bench.join(late, "spectator");
    let messages = bench.take_messages(late);
    assert_eq!(messages[1]["patch"], "merge", "{messages:?}");
}

//! Lanes with a service of their own.

use super::*;

fn served(version: u64, (max_rate_hz, delay_ms): (u32, u32)) -> ItemKind {
    ItemKind::Snapshot(Snapshot {
        lane: 1,
        version,
        max_rate_hz,
        delay_ms,
        data: json(version),
    })
}

fn keyed(spectators: u64, key: &str) -> ItemKind {
    ItemKind::Update(Update {
        players: 0,
        spectators,
        key: key.into(),
        data: json(spectators),
    })
}

fn presence(viewers: u64) -> ItemKind {
    ItemKind::Presence(Presence {
        viewers,
        ..Presence::default()
    })
}

impl Bench {
    /// A core that serves rooms like this.
    fn with_rooms(rooms: RoomConfig) -> Self {
        let config = CoreConfig {
            rooms,
            ..CoreConfig::default()
        };
        Self::with(config, None)
    }

    /// The owner has heard what was asked.
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

/// Types and versions.
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
fn a_conflated_lane_has_no_gaps_for_whoever_comes_whenever() {
    let mut bench = Bench::new();
    let (early, late) = (bench.open(1, "emil"), bench.open(2, "lily"));
    bench.join(early, "spectator");
    bench.owner(vec![served(10, (2, 0))]);
    assert_eq!(brief(&bench.got(early)), ["joined", "snapshot 10"]);
    bench.owner(vec![keyed(11, "a"), keyed(12, ""), keyed(13, "a")]);
    bench.join(late, "spectator");
    assert_eq!(brief(&bench.got(late)), ["joined", "snapshot 10"]);
    assert_eq!(bench.got(early), [] as [serde_json::Value; 0]);
    bench.owner(vec![keyed(14, "b")]);
    bench.passes(500);
    for conn in [early, late] {
        assert_eq!(brief(&bench.got(conn)), ["10>12", "12>13", "13>14"]);
    }
    // What was left out was not needed, from whichever version on.
    bench.owner(vec![keyed(15, "a"), keyed(16, ""), keyed(17, "a")]);
    bench.passes(500);
    assert_eq!(brief(&bench.got(early)), ["14>16", "16>17"]);
    let again = bench.open(3, "emil");
    let epoch = grandstand_common::id::client_epoch(
        Epoch(1),
        grandstand_common::id::Instance(7),
        LaneId::Spectators,
    );
    bench.says(
        again,
        serde_json::json!({"type": "join", "room": ROOM, "role": "spectator", "since": 15, "epoch": epoch}),
    );
    assert_eq!(brief(&bench.got(again)), ["joined", "15>16", "16>17"]);
}

#[test]
fn d22_first_viewers_of_a_delayed_lane_wait_and_are_told_that_they_are_in() {
    let mut bench = Bench::new();
    let (early, late) = (bench.open(1, "emil"), bench.open(2, "lily"));
    bench.join(early, "spectator");
    bench.owner(vec![served(10, (0, 2000)), presence(1)]);
    let joined = bench.got(early);
    assert_eq!(brief(&joined), ["joined"]);
    assert!(joined[0].get("instance").is_none(), "{joined:?}");
    bench.passes(1000);
    bench.owner(vec![keyed(11, ""), presence(2)]);
    bench.join(late, "spectator");
    assert_eq!(brief(&bench.got(late)), ["joined"]);
    bench.answer();
    bench.own(1);
    bench.core.handle_bus(false, bench.now);
    bench.core.handle_bus(true, bench.now);
    let interests = bench.interests();
    let known = interests.last().unwrap().rooms[0].spectators;
    assert_eq!(known.unwrap().version, 11, "the owner is told what came");
    bench.flush();
    for conn in [early, late] {
        assert_eq!(bench.take(conn), ["notice", "notice"]);
    }
    bench.passes(1000);
    for conn in [early, late] {
        assert_eq!(brief(&bench.got(conn)), ["snapshot 10", "presence 1"]);
    }
    bench.passes(1000);
    assert_eq!(brief(&bench.got(late)), ["10>11", "presence 2"]);
}

#[test]
fn d22_a_delayed_lane_shows_the_end_of_its_room_and_the_next_one_behind_it() {
    let mut bench = Bench::new();
    let (player, _) = bench.player(1, "alice");
    let viewer = bench.open(2, "emil");
    bench.join(viewer, "spectator");
    bench.owner(vec![served(0, (0, 2000))]);
    bench.passes(2000);
    assert_eq!(brief(&bench.got(viewer)), ["joined", "snapshot 0"]);
    bench.owner(vec![update(1, 1)]);
    let closed = Closed {
        code: "finished".into(),
    };
    bench.passes(100);
    bench.owner(vec![ItemKind::Closed(closed)]);
    assert_eq!(bench.take(player), ["update", "left"]);
    // Another owner and another room of that name must not show in between.
    bench.own(2);
    bench.owner_of(0, vec![ItemKind::Absent(Empty {})]);
    bench.owner_of(9, vec![served(5, (0, 2000)), keyed(6, "")]);
    bench.passes(1000);
    assert_eq!(bench.got(viewer), [] as [serde_json::Value; 0]);
    let late = bench.open(3, "lily");
    bench.join(late, "spectator");
    let got = bench.got(late);
    assert_eq!(
        brief(&got),
        ["joined", "snapshot 0"],
        "the room goes on here"
    );
    assert_eq!(got[0]["instance"], "7");
    bench.passes(1100);
    assert_eq!(brief(&bench.got(viewer))[..2], ["0>1", "left"]);
    assert_eq!(brief(&bench.got(late))[..2], ["0>1", "left"]);
    bench.join(viewer, "spectator");
    bench.passes(1000);
    let got = brief(&bench.got(viewer));
    assert!(
        got.ends_with(&["snapshot 5".into(), "5>6".into()]),
        "{got:?}"
    );
}

#[test]
fn a_new_epoch_is_shown_as_late_as_all_else() {
    let mut bench = Bench::new();
    let viewer = bench.open(2, "emil");
    bench.join(viewer, "spectator");
    bench.owner(vec![served(3, (0, 500))]);
    bench.passes(500);
    let first = bench.got(viewer)[1]["epoch"].clone();
    bench.own(2);
    bench.owner(vec![served(3, (0, 500)), presence(4)]);
    bench.passes(400);
    assert_eq!(bench.got(viewer), [] as [serde_json::Value; 0]);
    bench.passes(100);
    let got = bench.got(viewer);
    assert_eq!(brief(&got), ["snapshot 3", "presence 4"]);
    assert_ne!(got[0]["epoch"], first);
}

#[test]
fn an_edge_may_serve_all_spectators_later_than_games_say() {
    let rooms = RoomConfig {
        spectators: DeliveryPolicy::new(0, 1000),
        ..RoomConfig::default()
    };
    let mut bench = Bench::with_rooms(rooms);
    let viewer = bench.open(2, "emil");
    bench.join(viewer, "spectator");
    bench.owner(vec![served(3, (5, 10))]);
    assert_eq!(brief(&bench.got(viewer)), ["joined"]);
    bench.passes(1000);
    assert_eq!(brief(&bench.got(viewer)), ["snapshot 3"]);
    let (player, _) = bench.player(1, "alice");
    bench.owner(vec![update(1, 4)]);
    assert_eq!(brief(&bench.got(player))[..1], ["0>1"], "players are not");
}

#[test]
fn more_than_is_held_is_skipped_and_asked_for_anew() {
    let rooms = RoomConfig {
        delay_bytes: 20_000,
        ..RoomConfig::default()
    };
    let mut bench = Bench::with_rooms(rooms);
    let viewer = bench.open(2, "emil");
    bench.join(viewer, "spectator");
    bench.owner(vec![served(0, (0, 1000))]);
    for version in 1..500 {
        bench.owner(vec![keyed(version, "")]);
        bench.now.at += Duration::from_millis(1);
    }
    bench.commands();
    bench.answer();
    bench.passes(1000);
    let got = brief(&bench.got(viewer));
    assert_eq!(got[..3], ["joined", "snapshot 0", "0>1"]);
    assert!(got.len() < 200, "{}", got.len());
    bench.answer();
    let interests = bench.interests();
    let wanted = &interests.last().expect("it asks").rooms[0];
    assert!(wanted.sync && wanted.spectators == Some(Known::default()));
    bench.owner(vec![served(499, (0, 1000)), keyed(500, "")]);
    bench.passes(1000);
    assert_eq!(brief(&bench.got(viewer)), ["snapshot 499", "499>500"]);
    assert_eq!(bench.core.counts().delays_overflowed, 1);
}

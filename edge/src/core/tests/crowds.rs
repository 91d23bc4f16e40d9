//! Lanes with many clients, whose first snapshot and whose end are told in slices.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn closed(code: &str) -> ItemKind {
    ItemKind::Closed(Closed { code: code.into() })
}

impl Bench {
    /// Opens `count` clients that watch the room.
    fn crowd(&mut self, count: u32) -> Vec<ConnKey> {
        let join = |index| {
            let conn = self.open(index, &format!("s{index}"));
            self.join(conn, "spectator");
            conn
        };
        (1..=count).map(join).collect()
    }

    /// Passes a batch of the owner to the core, which performs only the actions that are due at once.
    fn receive_only(&mut self, items: Vec<ItemKind>) {
        let batch = self.batch(7, items);
        self.core.handle_batch(batch, self.now, &mut self.clients);
    }

    /// Flushes to the end. No call writes more than `budget` times.
    fn flush_in_slices(&mut self, budget: usize) -> usize {
        let mut calls = 0;
        loop {
            let before = self.clients.writes;
            let more = self.core.flush(4, &mut self.clients);
            let written = self.clients.writes - before;
            assert!(written <= budget, "{written} writes in one call");
            calls += 1;
            if !more {
                return calls;
            }
        }
    }
}

#[test]
fn d25_the_first_snapshot_goes_to_a_crowd_in_slices() {
    let mut bench = Bench::new();
    let crowd = bench.crowd(100);
    let before = bench.clients.writes;
    bench.receive_only(vec![snapshot(1, 3)]);
    assert_eq!(bench.clients.writes, before);
    for version in 4..10 {
        let before = bench.clients.writes;
        assert!(bench.core.flush(4, &mut bench.clients));
        assert!(bench.clients.writes - before <= 6);
        bench.receive_only(vec![update(0, version)]);
    }
    assert!(bench.flush_in_slices(6) > 20);
    for conn in crowd {
        let got = bench.take_messages(conn);
        assert_eq!(
            (&got[0]["type"], &got[1]["type"]),
            (&"joined".into(), &"snapshot".into())
        );
        let mut version = got[1]["version"].clone();
        for update in &got[2..] {
            assert_eq!(update["prev"], version);
            version = update["version"].clone();
        }
        assert_eq!(version, 9);
    }
}

#[test]
fn d25_a_crowd_is_told_in_slices_that_the_room_does_not_exist_yet() {
    let mut bench = Bench::new();
    let crowd = bench.crowd(100);
    let before = bench.clients.writes;
    bench.receive_only(vec![ItemKind::Absent(Empty {})]);
    assert_eq!(bench.clients.writes, before);
    assert!(bench.flush_in_slices(4) > 20);
    for &conn in &crowd {
        assert_eq!(bench.take_types(conn), ["joined"]);
    }
    bench.receive(vec![snapshot(1, 0)]);
    for conn in crowd {
        assert_eq!(bench.take_types(conn), ["snapshot"]);
    }
}

#[test]
fn d25_private_messages_of_all_players_are_sent_in_slices() {
    let mut bench = Bench::new();
    let players: Vec<_> = (1..=60)
        .map(|index| bench.player(index, &format!("p{index}")))
        .collect();
    players.iter().for_each(|&(conn, _)| {
        bench.take_messages(conn);
    });
    let direct = |&(_, session): &(ConnKey, u64)| {
        ItemKind::Direct(Direct {
            session,
            data: json(session),
        })
    };
    bench.receive_only(players.iter().map(direct).collect());
    assert!(bench.flush_in_slices(4) >= 15);
    for (conn, session) in players {
        let got = bench.take_messages(conn);
        assert_eq!(
            (got.len(), &got[0]["type"], &got[0]["data"]),
            (1, &"direct".into(), &session.into())
        );
    }
}

#[test]
fn d25_the_end_of_a_room_is_told_to_a_crowd_in_slices() {
    let mut bench = Bench::new();
    let crowd = bench.crowd(100);
    bench.receive(vec![snapshot(1, 0)]);
    for &conn in &crowd {
        assert_eq!(bench.take_types(conn), ["joined", "snapshot"]);
    }
    let before = bench.clients.writes;
    bench.receive_only(vec![update(0, 1), closed("finished")]);
    assert_eq!(bench.clients.writes, before);
    bench.core.flush(4, &mut bench.clients);
    let told = |bench: &Bench, conn| bench.clients.got.contains_key(&conn);
    let mut untold = crowd.iter().copied().filter(|&conn| !told(&bench, conn));
    let [leaving, again, gone] = [(); 3].map(|()| untold.next().unwrap());
    let payload = |message: serde_json::Value| message.to_string();
    for (conn, kind) in [(leaving, "leave"), (again, "join")] {
        let text = payload(serde_json::json!({"type": kind, "room": ROOM, "role": "spectator"}));
        bench
            .core
            .handle_message(conn, Payload::Json(&text), bench.now, &mut bench.clients);
    }
    assert_eq!(bench.take_types(leaving), ["update", "left", "error"]);
    assert_eq!(bench.take_types(again), ["update", "left"]);
    bench.core.handle_closed(gone, bench.now);
    // A new room of the same name begins, and is shown to those only who have joined it.
    let batch = bench.batch(8, vec![snapshot(1, 5)]);
    bench
        .core
        .handle_batch(batch, bench.now, &mut bench.clients);
    assert!(bench.flush_in_slices(8) > 20);
    assert_eq!(bench.take_types(again), ["joined", "snapshot"]);
    for conn in crowd {
        if ![leaving, again, gone].contains(&conn) {
            assert_eq!(bench.take_types(conn), ["update", "left"], "{conn:?}");
        }
    }
    assert!(bench.take_messages(gone).is_empty());
}

/// The `join`s, the membership and the version of a client of the random test.
#[derive(Default)]
struct Seen {
    /// The number of its `join`s that are not answered yet.
    asked: u32,
    joined: bool,
    version: Option<u64>,
}

impl Seen {
    fn see(&mut self, message: &serde_json::Value) {
        match message["type"].as_str().unwrap() {
            "joined" => {
                assert!(self.asked > 0 && !self.joined, "joined twice");
                (self.asked, self.joined) = (0, true);
            }
            "snapshot" => {
                assert!(self.joined, "a snapshot before joined");
                self.version = message["version"].as_u64();
            }
            "update" => {
                assert_eq!(message["prev"].as_u64(), self.version, "a gap");
                self.version = message["version"].as_u64();
            }
            "left" => {
                assert!(self.joined || self.asked > 0, "left twice");
                self.asked -= u32::from(!self.joined);
                (self.joined, self.version) = (false, None);
            }
            "error" => assert_eq!(message["code"], "not_joined"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn d25_whatever_happens_meanwhile_each_client_sees_its_frames_and_then_the_end() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut bench = Bench::new();
        let mut opened = 12;
        let mut conns: Vec<_> = (0..opened)
            .map(|i| bench.open(i, &format!("s{i}")))
            .collect();
        let mut seen: HashMap<ConnKey, Seen> = HashMap::new();
        let (mut instance, mut version) = (1, None);
        for _ in 0..150 {
            let conn = conns[rng.random_range(0..conns.len())];
            let kind = match rng.random_range(0..14) {
                0..=3 => Some("join"),
                4 => Some("leave"),
                5 => {
                    bench.core.handle_closed(conn, bench.now);
                    bench.clients.got.remove(&conn);
                    conns.retain(|&other| other != conn);
                    conns.push(bench.open(opened, &format!("s{opened}")));
                    opened += 1;
                    None
                }
                6 | 7 => {
                    let next = version.map_or(0, |version| version + 1);
                    let item = match version {
                        None => snapshot(1, next),
                        Some(_) => update(0, next),
                    };
                    version = Some(next);
                    let batch = bench.batch(instance, vec![item]);
                    bench
                        .core
                        .handle_batch(batch, bench.now, &mut bench.clients);
                    None
                }
                9 if !bench.clients.blocked.remove(&conn) => {
                    bench.clients.blocked.insert(conn);
                    None
                }
                9 => {
                    bench
                        .core
                        .handle_drained(conn, bench.now, &mut bench.clients);
                    None
                }
                8 if version.is_some() => {
                    let batch = bench.batch(instance, vec![closed("finished")]);
                    bench
                        .core
                        .handle_batch(batch, bench.now, &mut bench.clients);
                    (instance, version) = (instance + 1, None);
                    None
                }
                _ => {
                    bench.core.flush(rng.random_range(1..5), &mut bench.clients);
                    None
                }
            };
            if let Some(kind) = kind {
                let seen = seen.entry(conn).or_default();
                for message in bench.take_messages(conn) {
                    seen.see(&message);
                }
                // A client that knows that it is in the room does not join again.
                if kind == "join" && seen.joined {
                    continue;
                }
                seen.asked += u32::from(kind == "join");
                let text = serde_json::json!({"type": kind, "room": ROOM, "role": "spectator"});
                let text = text.to_string();
                bench.core.handle_message(
                    conn,
                    Payload::Json(&text),
                    bench.now,
                    &mut bench.clients,
                );
            }
        }
        // In the end all that is left is told.
        for conn in bench.clients.blocked.drain().collect::<Vec<_>>() {
            bench
                .core
                .handle_drained(conn, bench.now, &mut bench.clients);
        }
        let next = version.map_or(0, |version| version + 1);
        let batch = bench.batch(instance, vec![snapshot(1, next), closed("finished")]);
        bench
            .core
            .handle_batch(batch, bench.now, &mut bench.clients);
        bench.flush();
        for conn in conns {
            let seen = seen.entry(conn).or_default();
            for message in bench.take_messages(conn) {
                seen.see(&message);
            }
            assert!(!seen.joined, "{conn:?} of seed {seed} was not told the end");
        }
        bench.advance(31_000);
        bench.advance(31_000);
        assert!(!bench.core.needs_flush());
    }
}

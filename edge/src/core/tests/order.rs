//! The order of the frames for one client only and the updates that they belong to (D31).

use super::*;

/// Joins six players; returns their connections and sessions.
fn six(bench: &mut Bench) -> Vec<(ConnKey, u64)> {
    let players = (1..=6).map(|index| bench.player(index, &format!("p{index}")));
    let players: Vec<_> = players.collect();
    for &(conn, _) in &players {
        bench.take_messages(conn);
    }
    players
}

fn rejected(session: u64, seq: u64) -> ItemKind {
    ItemKind::Rejected(Rejected {
        session,
        seq,
        code: "no".into(),
        ..Rejected::default()
    })
}

fn direct(session: u64, n: u64) -> ItemKind {
    ItemKind::Direct(Direct {
        session,
        data: json(n),
    })
}

/// The messages of a batch: an update, and the private messages of all players that belong to it.
fn turn(players: &[(ConnKey, u64)], version: u64, n: u64) -> Vec<ItemKind> {
    let mut items = vec![update(version, 0)];
    for &(_, session) in players {
        items.extend([
            direct(session, version),
            rejected(session, n),
            processed(session, n, n),
        ]);
    }
    items
}

#[test]
fn d31_no_ack_reject_or_direct_precedes_its_update_in_a_sliced_flush() {
    for budget in 1..=7 {
        let mut bench = Bench::new();
        let players = six(&mut bench);
        for (version, n) in [(1, 1), (2, 2), (3, 3)] {
            let batch = bench.batch(7, turn(&players, version, n));
            let (core, clients) = (&mut bench.core, &mut bench.clients);
            core.handle_batch(batch, bench.now, clients);
            // The next batch arrives in the middle of the flush.
            core.flush(budget, clients);
        }
        bench.flush_by(budget);
        for &(conn, _) in &players {
            let (mut version, mut acks) = (0, Vec::new());
            for message in bench.take_messages(conn) {
                match message["type"].as_str().unwrap() {
                    "update" => version = message["version"].as_u64().unwrap(),
                    "direct" => assert!(message["data"].as_u64().unwrap() <= version, "{budget}"),
                    "reject" => assert!(message["seq"].as_u64().unwrap() <= version, "{budget}"),
                    "ack" => {
                        let seq = message["seq"].as_u64().unwrap();
                        assert!(seq <= version, "{budget}: ack {seq} at version {version}");
                        acks.push(seq);
                    }
                    other => panic!("{other}"),
                }
            }
            assert_eq!((version, acks.as_slice()), (3, &[1, 2, 3][..]), "{budget}");
        }
    }
}

#[test]
fn d31_a_lane_that_is_never_clean_starves_no_ack() {
    let mut bench = Bench::new();
    let players = six(&mut bench);
    bench.receive_slowly(turn(&players, 1, 1));
    for version in 2..=12 {
        bench.receive_slowly(vec![update(version, 0)]);
    }
    for &(conn, _) in &players {
        let types = bench.take_types(conn);
        assert!(types.contains(&"ack".to_owned()), "{types:?}");
    }
}

#[test]
fn d31_a_slow_player_gets_its_ack_behind_the_snapshot_that_replaces_the_update() {
    let mut bench = Bench::new();
    let players = six(&mut bench);
    let (slow, _) = players[2];
    bench.clients.blocked.insert(slow);
    bench.receive(turn(&players, 1, 1));
    bench.clients.blocked.remove(&slow);
    bench.receive(vec![
        rejected(players[2].1, 2),
        processed(players[2].1, 2, 2),
    ]);
    assert_eq!(bench.take_types(slow), [] as [&str; 0]);
    bench
        .core
        .handle_drained(slow, bench.now, &mut bench.clients);
    bench.receive(vec![snapshot(0, 1)]);
    assert_eq!(
        bench.take_types(slow),
        ["snapshot", "direct", "reject", "reject", "ack"]
    );
}

/// Frames for one client that wait for the flush are older than those of an answer.
#[test]
fn d04_no_older_ack_follows_the_answer_to_a_repeated_join() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    for n in 1..=2 {
        let batch = bench.batch(7, vec![processed(session, n, n)]);
        let (core, clients) = (&mut bench.core, &mut bench.clients);
        core.handle_batch(batch, bench.now, clients);
    }
    bench.join(conn, "player");
    let got = bench.take_messages(conn);
    let told: Vec<_> = got
        .iter()
        .map(|m| (m["type"].as_str().unwrap(), m["seq"].as_u64()))
        .collect();
    assert_eq!(
        told,
        [("joined", None), ("snapshot", None), ("ack", Some(2))]
    );
}

#[test]
fn d31_acks_without_an_update_are_sent_in_slices() {
    let mut bench = Bench::new();
    let players = six(&mut bench);
    let items = players.iter().map(|&(_, s)| processed(s, 1, 1)).collect();
    let batch = bench.batch(7, items);
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_batch(batch, bench.now, clients);
    for sent in [2, 4, 6] {
        core.flush(2, clients);
        assert_eq!(clients.got.len(), sent);
    }
    assert!(!core.needs_flush());
}

#[test]
fn d31_an_ack_precedes_the_answer_to_leave() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.take_messages(conn);
    let batch = bench.batch(7, vec![update(1, 0), processed(session, 1, 1)]);
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_batch(batch, bench.now, clients);
    bench.send(conn, serde_json::json!({"type": "leave", "room": ROOM}));
    assert_eq!(bench.take_types(conn), ["ack", "left"]);
}

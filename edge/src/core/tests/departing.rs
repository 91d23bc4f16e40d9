//! The bounds of the sessions that an edge keeps for clients that have left, while their owners do not answer (D26).

use super::*;

fn join(bench: &mut Bench, conn: ConnKey, room: usize, role: &str) {
    let room = format!("relay-{room}");
    bench.send(
        conn,
        serde_json::json!({"type": "join", "room": room, "role": role}),
    );
}

fn leave(bench: &mut Bench, conn: ConnKey, room: usize) {
    let room = format!("relay-{room}");
    bench.send(conn, serde_json::json!({"type": "leave", "room": room}));
}

/// Joins and leaves rooms as a player until a join is refused; returns how often it was not, and the code.
fn until_refused(bench: &mut Bench, conn: ConnKey) -> (usize, String) {
    for room in 0..1_000 {
        join(bench, conn, room, "player");
        let got = bench.take_messages(conn);
        if let Some(error) = got.iter().find(|message| message["type"] == "error") {
            return (room, error["code"].as_str().unwrap().to_owned());
        }
        leave(bench, conn, room);
    }
    (1_000, String::new())
}

#[test]
fn d26_spectators_that_join_and_leave_silent_rooms_leave_nothing_behind() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "sue");
    for room in 0..100 {
        join(&mut bench, conn, room, "spectator");
        leave(&mut bench, conn, room);
    }
    assert_eq!(bench.core.lists().sizes().0, 0);
}

#[test]
fn d26_seats_that_were_left_are_bounded_per_connection_while_owners_are_silent() {
    let mut bench = Bench::new();
    let (greedy, other) = (bench.open(1, "alice"), bench.open(2, "bob"));
    let refused = until_refused(&mut bench, greedy);
    assert_eq!(refused, (64, "rate_limited".to_owned()));
    let entries = bench.entries();
    join(&mut bench, other, 0, "player");
    assert_eq!(bench.take_messages(other), [] as [serde_json::Value; 0]);
    // The owner of one of the rooms has ended the session.
    let session = entries
        .iter()
        .find(|entry| matches!(entry.body, Some(Body::Joined(_))))
        .map(|entry| entry.session)
        .unwrap();
    bench.number += 1;
    let ended = ItemKind::Processed(Processed {
        session,
        n: 1,
        ended: true,
        ..Processed::default()
    });
    let room = RoomBatch {
        room: "relay-0".into(),
        epoch: 1,
        instance: 7,
        items: vec![Item { kind: Some(ended) }],
        ..RoomBatch::default()
    };
    let batch = Batch {
        worker: "w".into(),
        number: bench.number,
        beat: false,
        rooms: vec![room],
    };
    let payload = batch.encode_to_vec().into();
    bench
        .core
        .handle_batch(payload, bench.now, &mut bench.clients);
    join(&mut bench, greedy, 500, "player");
    assert_eq!(bench.take_types(greedy), [] as [&str; 0]);
}

#[test]
fn d26_seats_that_were_left_are_bounded_in_all_while_owners_are_silent() {
    let clients = ClientConfig {
        departing: 10,
        departing_in_all: 25,
        ..ClientConfig::default()
    };
    let config = CoreConfig {
        clients,
        ..CoreConfig::default()
    };
    let mut bench = Bench::with(config, None);
    let mut joined = Vec::new();
    for index in 1..=4 {
        let conn = bench.open(index, &format!("p{index}"));
        joined.push(until_refused(&mut bench, conn));
        // A client that hangs up and comes back frees nothing.
        bench.core.handle_closed(conn, bench.now);
    }
    let counts: Vec<_> = joined.iter().map(|(count, _)| *count).collect();
    assert_eq!(counts, [10, 10, 5, 0]);
    assert_eq!(joined[3].1, "room_unavailable");
}

#[test]
fn d26_one_notice_at_most_waits_for_each_client() {
    let mut bench = Bench::new();
    let conns = [1, 2, 3].map(|index| bench.open(index, &format!("p{index}")));
    for _ in 0..100 {
        bench.core.handle_bus(false, bench.now);
        bench.now.at += Duration::from_secs(1);
        bench.core.handle_timeout(bench.now, &mut bench.clients);
        bench.core.handle_bus(true, bench.now);
    }
    bench.flush();
    for conn in conns {
        let got = bench.take_messages(conn);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0]["code"], "recovered");
    }
    bench.core.drain(Duration::from_secs(1), bench.now);
    bench.core.handle_bus(false, bench.now);
    bench.advance(1_000);
    let got = bench.take_messages(conns[0]);
    assert_eq!((got.len(), &got[0]["code"]), (1, &"draining".into()));
}

#[test]
fn d26_the_bytes_of_players_who_left_are_bounded_while_owners_are_silent() {
    let clients = ClientConfig {
        departing_bytes_in_all: 30_000,
        ..ClientConfig::default()
    };
    let config = CoreConfig {
        clients,
        ..CoreConfig::default()
    };
    let mut bench = Bench::with(config, None);
    let mut left = Vec::new();
    let data = "x".repeat(10_000);
    for (index, seqs) in [(1, 2), (2, 1)] {
        let (conn, session) = bench.player(index, &format!("p{index}"));
        for seq in 1..=seqs {
            let input =
                serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": data});
            bench.send(conn, input);
        }
        bench.core.handle_closed(conn, bench.now);
        bench.commands();
        left.push((session, seqs + 1));
    }
    let conn = bench.open(3, "carol");
    bench.join(conn, "player");
    let got = bench.take_messages(conn);
    assert_eq!(got[0]["code"], "room_unavailable");
    let (session, n) = left[0];
    let ended = ItemKind::Processed(Processed {
        session,
        n,
        ended: true,
        ..Processed::default()
    });
    bench.receive(vec![ended]);
    bench.commands();
    bench.join(conn, "player");
    assert_eq!(bench.entries().len(), 1);
}

#[test]
fn d26_a_session_that_was_rolled_back_after_its_client_left_counts_no_more() {
    let clients = ClientConfig {
        departing_in_all: 1,
        ..ClientConfig::default()
    };
    let config = CoreConfig {
        clients,
        ..CoreConfig::default()
    };
    let mut bench = Bench::with(config, None);
    let (conn, session) = bench.player(1, "alice");
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.send(conn, input);
    bench.receive(vec![processed(session, 1, 1)]);
    bench.core.handle_closed(conn, bench.now);
    let other = bench.open(2, "bob");
    bench.join(other, "player");
    assert_eq!(bench.take_messages(other)[0]["code"], "room_unavailable");
    bench.set_epoch(2);
    bench.receive(vec![snapshot(0, 0), processed(session, 0, 0)]);
    bench.commands();
    bench.join(other, "player");
    assert_eq!(bench.entries().len(), 1);
}

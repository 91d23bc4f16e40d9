//! Chains: entries are kept and repeated until the owner has reported them.

use super::*;

#[test]
fn d02_a_full_window_stops_the_reading_until_the_owner_reports() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    for seq in 1..=64 {
        bench.send(
            conn,
            serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1}),
        );
    }
    assert!(bench.clients.paused.contains(&conn));
    bench.receive(vec![processed(session, 10, 10)]);
    assert!(bench.clients.paused.is_empty());
}

#[test]
fn d02_a_window_outlives_its_connection() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.send(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.core.handle_closed(conn, bench.now);
    let sent = bench.entries();
    assert!(matches!(sent.last().unwrap().body, Some(Body::Lost(_))));
    bench.advance(1100);
    let again: Vec<_> = bench.entries().iter().map(|e| (e.n, e.round)).collect();
    assert_eq!(again, [(1, 1), (2, 1)]);
    bench.receive(vec![ItemKind::Processed(Processed {
        session,
        n: 2,
        last_seq: 1,
        ended: true,
        ..Processed::default()
    })]);
    bench.advance(5000);
    assert!(bench.entries().is_empty());
}

#[test]
fn d03_a_join_that_was_not_reported_is_repeated_to_a_new_owner_at_once() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let bob = bench.open(2, "bob");
    bench.join(bob, "player");
    let first = bench.entries();
    bench.set_epoch(2);
    let again = bench.entries();
    let of = |entries: &[Entry]| entries.iter().map(|e| e.session).collect::<Vec<_>>();
    assert_eq!(of(&again), of(&first), "only bob's `Joined` is repeated");
}

#[test]
fn clients_are_notified_while_appends_fail_and_when_one_is_stored() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.commands();
    bench.take_types(conn);
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.send(conn, input);
    let tags = |bench: &mut Bench| {
        let appends = bench.commands().into_iter().filter_map(|c| match c {
            Command::Append { tag, .. } => Some(tag),
            _ => None,
        });
        appends.collect::<Vec<_>>()
    };
    let mut notices = Vec::new();
    for _ in 0..40 {
        for tag in tags(&mut bench) {
            bench
                .core
                .handle_appended(tag, Err(AppendFailure::Retry), bench.now);
        }
        bench.advance(50);
        bench.flush();
        let said = bench.take_messages(conn).into_iter();
        notices.extend(said.filter(|m| m["type"] == "notice"));
    }
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["code"], "degraded");
    bench.advance(5_000);
    let again = tags(&mut bench);
    bench.core.handle_appended(again[0], Ok(9), bench.now);
    bench.flush();
    let said = bench.take_messages(conn);
    assert_eq!(said.last().unwrap()["code"], "recovered", "{said:?}");
}

#[test]
fn d03_an_entry_that_overtook_its_unreported_joined_is_repeated_with_it_after_gone() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.join(conn, "player");
    bench.core.handle_closed(conn, bench.now);
    let sent = bench.entries();
    assert!(matches!(sent[..], [Entry { n: 0, .. }, Entry { n: 1, .. }]));
    let gone = |round| Gone {
        session: sent[0].session,
        code: "not_joined".into(),
        n: 1,
        round,
    };
    bench.receive(vec![ItemKind::Gone(gone(0))]);
    let of = |entries: &[Entry]| entries.iter().map(|e| (e.n, e.round)).collect::<Vec<_>>();
    assert_eq!(of(&bench.entries()), [(0, 1), (1, 1)]);
    bench.receive(vec![ItemKind::Gone(gone(0))]);
    assert_eq!(
        of(&bench.entries()),
        [],
        "a reply to an earlier round is ignored"
    );
    let joined = Gone { n: 0, ..gone(1) };
    bench.receive(vec![ItemKind::Gone(joined)]);
    bench.advance(5_000);
    assert_eq!(
        of(&bench.entries()),
        [],
        "the session is dropped if its `Joined` is gone"
    );
}

#[test]
fn d04_a_reported_session_is_dropped_when_the_owner_says_gone() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.send(conn, input);
    assert_eq!(bench.entries().len(), 1);
    bench.receive(vec![ItemKind::Gone(Gone {
        session,
        code: "not_joined".into(),
        n: 1,
        round: 0,
    })]);
    let told = bench.take_messages(conn);
    assert_eq!(told.len(), 1, "{told:?}");
    // The room is the same one, so it was rolled back, and the client may join again.
    assert_eq!(
        (&told[0]["code"], &told[0]["seq"]),
        (&"room_rolled_back".into(), &0.into())
    );
    bench.advance(5_000);
    assert!(bench.entries().is_empty());
}

#[test]
fn d23_a_session_behind_its_chain_is_reported_and_ended() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    let input =
        |seq: u64| serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1});
    for seq in 1..=4 {
        bench.send(conn, input(seq));
    }
    bench.receive(vec![processed(session, 4, 4)]);
    bench.take_messages(conn);
    // The log and the snapshots came back as they were after the second input.
    bench.set_epoch(2);
    bench.commands();
    bench.receive(vec![snapshot(0, 2), processed(session, 2, 2)]);
    let said = bench.take_messages(conn);
    let error = said.iter().find(|m| m["type"] == "error").unwrap();
    assert_eq!(error["code"], "room_rolled_back");
    assert_eq!(
        (error["room"].as_str(), error["seq"].as_u64()),
        (Some(ROOM), Some(2))
    );
    bench.interests();
    bench
        .core
        .handle_interest_reply(bench.tag(), None, bench.now);
    bench.advance(1_000);
    let told = bench.interests();
    let rooms = told.last().unwrap().rooms.iter();
    assert!(
        rooms.clone().all(|room| room.sessions.is_empty()),
        "{told:?}"
    );
    // The client joins again, as a new session, and goes on after the last input that holds.
    bench.join(conn, "player");
    let joined = bench.entries();
    assert_ne!(joined.last().unwrap().session, session);
}

#[test]
fn d23_a_repeated_report_of_the_same_state_is_no_rollback() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.send(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.receive(vec![processed(session, 1, 1)]);
    bench.set_epoch(2);
    bench.take_messages(conn);
    bench.receive(vec![snapshot(0, 2), processed(session, 1, 1)]);
    assert!(!bench.take_types(conn).contains(&"error".to_owned()));
}

#[test]
fn d31_inputs_of_a_room_that_was_created_again_fail_with_room_restarted() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    let (idle, idle_session) = bench.player(2, "bob");
    for seq in 1..=3 {
        let input = serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": seq, "id": 9 + seq});
        bench.send(conn, input);
    }
    bench.receive(vec![processed(session, 1, 1)]);
    for conn in [conn, idle] {
        bench.take_messages(conn);
    }
    // Another player has created the room again; its owner knows neither session.
    let gone = |session| {
        ItemKind::Gone(Gone {
            session,
            n: 2,
            code: "not_joined".into(),
            ..Gone::default()
        })
    };
    bench.receive_of(8, vec![snapshot(0, 0), gone(session), gone(idle_session)]);
    let got = bench.take_messages(conn);
    let told = got
        .iter()
        .find(|message| message["type"] == "error")
        .unwrap();
    assert_eq!(told["code"], "room_restarted");
    assert_eq!((&told["room"], &told["seq"]), (&ROOM.into(), &2.into()));
    assert_eq!(got.last().unwrap()["type"], "left");
    // A player without unanswered inputs has lost nothing.
    let types = bench.take_types(idle);
    assert!(!types.contains(&"error".to_owned()), "{types:?}");
    assert_eq!(types.last().unwrap(), "left");
}

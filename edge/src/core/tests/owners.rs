//! What owners say, and what they are told.

use super::*;

#[test]
fn d15_an_older_epoch_is_dropped_and_a_new_one_begins_with_a_snapshot() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.own(5);
    bench.owner(vec![snapshot(0, 0)]);
    assert_eq!(bench.take(conn), ["snapshot"]);
    bench.epoch = 1;
    bench.owner(vec![update(1, 1)]);
    assert_eq!(bench.take(conn), [""; 0]);
}

#[test]
fn a_new_owner_is_told_what_is_watched_and_gets_what_it_has_not_reported() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.says(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.commands();
    bench.own(5);
    let asked = bench.interests();
    let room = &asked.iter().flat_map(|i| &i.rooms).next().unwrap();
    assert_eq!(
        (room.sessions.as_slice(), room.sync),
        ([session].as_slice(), true)
    );
    assert_eq!(room.players.unwrap().epoch, 1);
    bench.owner(vec![snapshot(0, 0), processed(session, 0, 0)]);
    let again = bench.entries();
    assert_eq!((again[0].n, again[0].round), (1, 1));
}

#[test]
fn a_gap_in_a_lane_is_asked_for() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.commands();
    bench.owner(vec![update(2, 0)]);
    assert_eq!(bench.take(conn), [""; 0]);
    assert!(bench.interests()[0].rooms[0].sync);
}

/// The reject was in a batch of the former owner that never came; the new owner's numbers have a hole of their own.
#[test]
fn d04_another_workers_answer_releases_no_ack() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    for seq in [1, 2] {
        let input = serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1});
        bench.says(conn, input);
    }
    bench.number += 1;
    bench.owner(vec![update(1, 0), processed(session, 2, 2)]);
    assert_eq!(bench.take(conn), ["update"], "a reject may be missing");
    bench.own_by("v", 5);
    let batch = Batch {
        worker: "v".into(),
        number: 2,
        ..Batch::default()
    };
    let batch = batch.encode_to_vec().into();
    bench
        .core
        .handle_batch(batch, bench.now, &mut bench.clients);
    let nothing = LinkReply::default().encode_to_vec();
    bench
        .core
        .handle_link_reply("v", 1, Some(nothing.into()), bench.now);
    bench.flush();
    assert_eq!(bench.take(conn), [""; 0]);
    let reject = ItemKind::Rejected(Rejected {
        session,
        seq: 1,
        code: "no".into(),
        message: String::new(),
    });
    let synced = ItemKind::Synced(Empty {});
    bench.owner(vec![
        snapshot(0, 1),
        reject,
        processed(session, 2, 2),
        synced,
    ]);
    assert_eq!(bench.take(conn), ["snapshot", "reject", "ack"]);
}

/// The snapshot was lost; until it comes, what is processed meanwhile waits behind what the player is yet to be told.
#[test]
fn d04_nothing_overtakes_the_answer_to_a_join() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.join(conn, "player");
    let session = bench.entries()[0].session;
    let reject = ItemKind::Rejected(Rejected {
        session,
        seq: 1,
        code: "no".into(),
        message: String::new(),
    });
    bench.owner(vec![reject, processed(session, 0, 1)]);
    assert_eq!(bench.take(conn), ["joined"]);
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 2, "data": 1});
    bench.says(conn, input);
    let direct = ItemKind::Direct(Direct {
        session,
        data: json(5),
    });
    bench.owner(vec![direct, processed(session, 1, 2)]);
    assert_eq!(bench.take(conn), [""; 0]);
    bench.owner(vec![snapshot(0, 2), ItemKind::Synced(Empty {})]);
    let got = bench.got(conn);
    let told: Vec<_> = got
        .iter()
        .map(|m| (m["type"].as_str().unwrap(), m["seq"].as_u64()))
        .collect();
    let expected = [
        ("snapshot", None),
        ("direct", None),
        ("reject", Some(1)),
        ("ack", Some(1)),
        ("ack", Some(2)),
    ];
    assert_eq!(told, expected);
}

#[test]
fn d19_a_hole_in_the_numbers_is_asked_for_and_its_rooms_are_synced() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    bench.commands();
    bench.number += 2;
    bench.owner(vec![]);
    let commands = bench.commands();
    let [
        Command::Link {
            payload,
            worker,
            to,
            ..
        },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    let request = LinkRequest::decode(payload.clone()).unwrap();
    assert_eq!((request.from, request.to, *to), (2, 3, 3));
    let reply = LinkReply {
        all: false,
        rooms: vec![ROOM.into()],
    };
    bench
        .core
        .handle_link_reply(worker, *to, Some(reply.encode_to_vec().into()), bench.now);
    assert!(bench.interests()[0].rooms[0].sync);
}

#[test]
fn who_is_replaced_leaves_and_is_closed_if_nothing_is_left() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.owner(vec![ItemKind::Gone(Gone {
        session,
        code: "replaced".into(),
        ..Gone::default()
    })]);
    let got = bench.got(conn);
    assert_eq!(
        (&got[0]["type"], &got[0]["code"]),
        (&"left".into(), &"replaced".into())
    );
    assert_eq!(bench.clients.closed[&conn], ErrorKind::Replaced);
}

#[test]
fn d02_a_full_window_stops_the_reading_until_the_owner_reports() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    for seq in 1..=64 {
        bench.says(
            conn,
            serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1}),
        );
    }
    assert!(bench.clients.paused.contains(&conn));
    bench.owner(vec![processed(session, 10, 10)]);
    assert!(bench.clients.paused.is_empty());
}

#[test]
fn d02_a_window_outlives_its_connection() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.says(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.core.handle_closed(conn, bench.now);
    let sent = bench.entries();
    assert!(matches!(sent.last().unwrap().body, Some(Body::Lost(_))));
    bench.passes(1100);
    let again: Vec<_> = bench.entries().iter().map(|e| (e.n, e.round)).collect();
    assert_eq!(again, [(1, 1), (2, 1)]);
    bench.owner(vec![ItemKind::Processed(Processed {
        session,
        n: 2,
        last_seq: 1,
        ended: true,
        ..Processed::default()
    })]);
    bench.passes(5000);
    assert!(bench.entries().is_empty());
}

#[test]
fn d06_a_session_that_the_owner_took_for_lost_says_that_it_is_here() {
    let mut bench = Bench::new();
    let (_, session) = bench.player(1, "alice");
    bench.owner(vec![ItemKind::Processed(Processed {
        session,
        n: 0,
        lost: true,
        ..Processed::default()
    })]);
    assert!(matches!(bench.entries()[0].body, Some(Body::Here(_))));
}

#[test]
fn an_empty_room_is_unwatched_and_forgotten() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    bench.owner(vec![snapshot(1, 0)]);
    let question = bench.question();
    let reply = InterestReply {
        worker: "w".into(),
        epoch: 1,
        number: bench.number,
    };
    bench
        .core
        .handle_interest_reply(question, Some(reply.encode_to_vec().into()), bench.now);
    bench.core.handle_closed(conn, bench.now);
    for _ in 0..32 {
        bench.passes(1_000);
        bench
            .core
            .handle_interest_reply(question, Some(reply.encode_to_vec().into()), bench.now);
    }
    assert_eq!(bench.core.sizes(), (0, 0));
}

#[test]
fn a_new_owner_is_asked_while_the_former_one_still_owes_an_answer() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let former = bench.question();
    bench.interests();
    bench.own(2);
    assert_eq!(bench.interests().len(), 1);
    // The former one's silence is no reason to ask the new one again.
    bench.core.handle_interest_reply(former, None, bench.now);
    bench.passes(1_000);
    assert_eq!(bench.interests().len(), 0);
}

#[test]
fn d03_a_join_that_was_not_reported_is_repeated_to_a_new_owner_at_once() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let bob = bench.open(2, "bob");
    bench.join(bob, "player");
    let first = bench.entries();
    bench.own(2);
    let again = bench.entries();
    let of = |entries: &[Entry]| entries.iter().map(|e| e.session).collect::<Vec<_>>();
    assert_eq!(of(&again), of(&first), "bob's, and his alone");
}

#[test]
fn clients_are_told_while_nothing_is_stored() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.commands();
    bench.take(conn);
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.says(conn, input);
    let receipts = |bench: &mut Bench| {
        let appends = bench.commands().into_iter().filter_map(|c| match c {
            Command::Append { receipt, .. } => Some(receipt),
            _ => None,
        });
        appends.collect::<Vec<_>>()
    };
    let mut notices = Vec::new();
    for _ in 0..40 {
        for receipt in receipts(&mut bench) {
            bench.core.handle_appended(receipt, None, bench.now);
        }
        bench.passes(50);
        bench.flush();
        let said = bench.got(conn).into_iter();
        notices.extend(said.filter(|m| m["type"] == "notice"));
    }
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["code"], "degraded");
    bench.passes(5_000);
    let again = receipts(&mut bench);
    bench.core.handle_appended(again[0], Some(9), bench.now);
    bench.flush();
    let said = bench.got(conn);
    assert_eq!(said.last().unwrap()["code"], "recovered", "{said:?}");
}

#[test]
fn d03_what_overtook_its_unreported_join_is_repeated_with_it_although_it_is_gone() {
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
    bench.owner(vec![ItemKind::Gone(gone(0))]);
    let of = |entries: &[Entry]| entries.iter().map(|e| (e.n, e.round)).collect::<Vec<_>>();
    assert_eq!(of(&bench.entries()), [(0, 1), (1, 1)]);
    bench.owner(vec![ItemKind::Gone(gone(0))]);
    assert_eq!(of(&bench.entries()), [], "of an earlier round");
    let joined = Gone { n: 0, ..gone(1) };
    bench.owner(vec![ItemKind::Gone(joined)]);
    bench.passes(5_000);
    assert_eq!(
        of(&bench.entries()),
        [],
        "its own `Joined` is gone: dropped"
    );
}

#[test]
fn d04_what_is_gone_after_it_was_reported_is_dropped() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.says(conn, input);
    assert_eq!(bench.entries().len(), 1);
    bench.owner(vec![ItemKind::Gone(Gone {
        session,
        code: "not_joined".into(),
        n: 1,
        round: 0,
    })]);
    assert_eq!(bench.take(conn), ["left"]);
    bench.passes(5_000);
    assert!(bench.entries().is_empty());
}

#[test]
fn d06_an_owner_that_takes_a_stranger_for_connected_is_told_who_is() {
    let mut bench = Bench::new();
    let (_, session) = bench.player(1, "alice");
    bench.interests();
    bench.owner(vec![processed(session + 1, 0, 0)]);
    let asked = bench.interests();
    assert_eq!(asked[0].rooms[0].sessions, [session]);
    let answered = |bench: &mut Bench| {
        let reply = InterestReply {
            worker: "w".into(),
            epoch: 1,
            number: bench.number,
        };
        let reply = Some(reply.encode_to_vec().into());
        let question = bench.question();
        bench.core.handle_interest_reply(question, reply, bench.now);
    };
    answered(&mut bench);
    for (lost, ended) in [(true, false), (false, true)] {
        bench.owner(vec![ItemKind::Processed(Processed {
            session: session + 1,
            lost,
            ended,
            ..Processed::default()
        })]);
        assert!(
            bench.interests().is_empty(),
            "it takes nobody for connected"
        );
    }
}

#[test]
fn d06_a_room_that_is_not_known_here_is_disowned_until_that_is_answered() {
    let mut bench = Bench::new();
    let ask = |bench: &mut Bench| {
        let asked = bench.interests();
        let rooms = asked.into_iter().flat_map(|interest| interest.rooms);
        rooms.collect::<Vec<_>>()
    };
    bench.owner(vec![processed(9, 0, 0)]);
    let stranger = RoomInterest {
        room: ROOM.into(),
        ..RoomInterest::default()
    };
    assert_eq!(ask(&mut bench), std::slice::from_ref(&stranger));
    let question = bench.question();
    bench.core.handle_interest_reply(question, None, bench.now);
    bench.passes(100);
    assert_eq!(ask(&mut bench), [stranger]);
    let reply = InterestReply::default().encode_to_vec().into();
    bench
        .core
        .handle_interest_reply(question, Some(reply), bench.now);
    bench.passes(5_000);
    assert_eq!(ask(&mut bench), []);
}

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
fn a_new_owner_is_asked_while_the_former_one_still_owes_an_answer() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let former = bench.tag();
    bench.interests();
    bench.own(2);
    assert_eq!(bench.interests().len(), 1);
    // The former one's silence is no reason to ask the new one again.
    bench.core.handle_interest_reply(former, None, bench.now);
    bench.passes(1_000);
    assert_eq!(bench.interests().len(), 0);
}

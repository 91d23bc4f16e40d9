//! Owners: epochs, takeovers, gaps and replies.

use super::*;

#[test]
fn d15_an_older_epoch_is_dropped_and_a_new_one_begins_with_a_snapshot() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.set_epoch(5);
    bench.receive(vec![snapshot(0, 0)]);
    assert_eq!(bench.take_types(conn), ["snapshot"]);
    bench.epoch = 1;
    bench.receive(vec![update(1, 1)]);
    assert_eq!(bench.take_types(conn), [""; 0]);
}

#[test]
fn a_new_owner_gets_the_rooms_sessions_and_the_unprocessed_entries() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.send(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.commands();
    bench.set_epoch(5);
    let asked = bench.interests();
    let room = &asked.iter().flat_map(|i| &i.rooms).next().unwrap();
    assert_eq!(
        (room.sessions.as_slice(), room.sync),
        ([session].as_slice(), true)
    );
    assert_eq!(room.players.unwrap().epoch, 1);
    bench.receive(vec![snapshot(0, 0), processed(session, 0, 0)]);
    let again = bench.entries();
    assert_eq!((again[0].n, again[0].round), (1, 1));
}

#[test]
fn d06_an_owner_that_is_asked_nothing_else_is_told_the_sessions_every_30_s() {
    let mut bench = Bench::new();
    let (_, session) = bench.player(1, "alice");
    assert_eq!(bench.interests(), [], "the log tells the owner of the join");
    for _ in 0..2 {
        bench.advance(30_000);
        let digests = bench.interests();
        assert_eq!(digests.len(), 1);
        assert!(digests[0].digest);
        assert_eq!(digests[0].rooms[0].sessions, [session]);
        let answer = InterestReply {
            worker: "w".into(),
            epoch: 1,
            number: 0,
        };
        let (tag, answer) = (bench.tag(), answer.encode_to_vec());
        bench
            .core
            .handle_interest_reply(tag, Some(answer.into()), bench.now);
    }
}

#[test]
fn d31_clients_are_told_when_an_owner_reports_nothing_and_when_it_does_again() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1});
    bench.send(conn, input);
    let append = bench
        .commands()
        .into_iter()
        .find_map(|command| match command {
            Command::Append { tag, .. } => Some(tag),
            _ => None,
        });
    bench
        .core
        .handle_appended(append.unwrap(), Ok(9), bench.now);
    for _ in 0..10 {
        bench.advance(150);
    }
    assert_eq!(bench.take_types(conn), [""; 0]);
    for _ in 0..10 {
        bench.advance(150);
    }
    assert_eq!(bench.take_messages(conn)[0]["code"], "degraded");
    bench.receive(vec![update(1, 0), processed(session, 1, 1)]);
    let told = bench.take_types(conn);
    assert_eq!(told, ["update", "ack", "notice"]);
}

#[test]
fn a_gap_in_a_lanes_versions_requests_a_sync() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.commands();
    bench.receive(vec![update(2, 0)]);
    assert_eq!(bench.take_types(conn), [""; 0]);
    assert!(bench.interests()[0].rooms[0].sync);
}

/// The reject was in a lost batch of the former owner. The new owner's numbers have another gap.
#[test]
fn d04_another_workers_reply_releases_no_ack() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    for seq in [1, 2] {
        let input = serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1});
        bench.send(conn, input);
    }
    bench.number += 1;
    bench.receive(vec![update(1, 0), processed(session, 2, 2)]);
    assert_eq!(
        bench.take_types(conn),
        ["update"],
        "acks wait because a reject may be missing"
    );
    bench.set_owner("v", 5);
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
    assert_eq!(bench.take_types(conn), [""; 0]);
    let reject = ItemKind::Rejected(Rejected {
        session,
        seq: 1,
        code: "no".into(),
        message: String::new(),
    });
    let synced = ItemKind::Synced(Synced::default());
    bench.receive(vec![
        snapshot(0, 1),
        reject,
        processed(session, 2, 2),
        synced,
    ]);
    assert_eq!(bench.take_types(conn), ["snapshot", "reject", "ack"]);
}

/// The snapshot was lost. Later messages for the player wait until the snapshot has arrived.
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
    bench.receive(vec![reject, processed(session, 0, 1)]);
    assert_eq!(bench.take_types(conn), ["joined"]);
    let input = serde_json::json!({"type": "input", "room": ROOM, "seq": 2, "data": 1});
    bench.send(conn, input);
    let direct = ItemKind::Direct(Direct {
        session,
        data: json(5),
    });
    bench.receive(vec![direct, processed(session, 1, 2)]);
    assert_eq!(bench.take_types(conn), [""; 0]);
    bench.receive(vec![snapshot(0, 2), ItemKind::Synced(Synced::default())]);
    let got = bench.take_messages(conn);
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
fn d19_a_gap_in_a_link_is_requested_and_its_rooms_are_synced() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    bench.commands();
    bench.number += 2;
    bench.receive(vec![]);
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

/// Each loop of a worker numbers its batches itself. The lease names the loop.
#[test]
fn d19_a_gap_in_the_batches_of_a_loop_concerns_the_rooms_of_its_partitions() {
    for (sender, all) in [("w-1", 1), ("w-2", 0)] {
        let mut bench = Bench::new();
        bench.player(1, "alice");
        let lease = Lease {
            worker: Some("w".parse().unwrap()),
            epoch: Epoch(2),
            ready: true,
            sender: Some("w-1".parse().unwrap()),
            stuck: Vec::new(),
            needs: GameVersions::new(),
            moved: false,
        };
        let partition = bench.tag().partition;
        bench.core.handle_lease(partition, &lease, bench.now);
        bench.epoch = 2;
        bench.interests();
        let answer = InterestReply {
            worker: "w-1".into(),
            epoch: 2,
            number: 0,
        };
        let (tag, answer) = (bench.tag(), answer.encode_to_vec());
        bench
            .core
            .handle_interest_reply(tag, Some(answer.into()), bench.now);
        let batch = Batch {
            worker: sender.into(),
            number: 3,
            ..Batch::default()
        };
        let batch = batch.encode_to_vec().into();
        bench
            .core
            .handle_batch(batch, bench.now, &mut bench.clients);
        let commands = bench.commands();
        let asked = commands.iter().find_map(|command| match command {
            Command::Link { subject, to, .. } => Some((subject.clone(), *to)),
            _ => None,
        });
        assert_eq!(asked, Some((format!("worker.{sender}.link"), 2)));
        let reply = LinkReply {
            all: true,
            rooms: Vec::new(),
        };
        bench
            .core
            .handle_link_reply(sender, 2, Some(reply.encode_to_vec().into()), bench.now);
        let interests = bench.interests();
        let syncs = interests.iter().flat_map(|interest| &interest.rooms);
        assert_eq!(syncs.filter(|room| room.sync).count(), all, "{sender}");
    }
}

#[test]
fn a_replaced_player_gets_left_and_is_closed_if_it_is_in_no_other_room() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.receive(vec![ItemKind::Gone(Gone {
        session,
        code: "replaced".into(),
        ..Gone::default()
    })]);
    let got = bench.take_messages(conn);
    assert_eq!(
        (&got[0]["type"], &got[0]["code"]),
        (&"left".into(), &"replaced".into())
    );
    assert_eq!(bench.clients.closed[&conn], ErrorKind::Replaced);
}

#[test]
fn a_new_owner_is_asked_before_the_former_one_has_replied() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let former = bench.tag();
    bench.interests();
    bench.set_epoch(2);
    assert_eq!(bench.interests().len(), 1);
    // The former owner's missing reply does not cause another request to the new one.
    bench.core.handle_interest_reply(former, None, bench.now);
    bench.advance(1_000);
    assert_eq!(bench.interests().len(), 0);
}

#[test]
fn d33_entries_are_held_while_rooms_move_and_appended_again_to_the_new_layout() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    let former = bench.core.state.config.layout;
    let input =
        |seq: u64| serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1});
    bench.send(conn, input(1));
    bench.commands();
    assert!(!bench.core.handle_layout(former, true, bench.now));
    bench.flush();
    assert_eq!(bench.take_types(conn), ["notice"]);
    bench.advance(10_000);
    assert_eq!(bench.commands(), [], "nothing is repeated meanwhile");
    bench.send(conn, input(2));
    bench.commands();

    let next = former.successor(16, 4);
    assert!(bench.core.handle_layout(next, false, bench.now));
    bench.flush();
    assert_eq!(bench.take_types(conn), ["notice"]);
    let partition = next.partition_of(&ROOM.parse().unwrap());
    let appends = bench.commands().into_iter().map(|command| match command {
        Command::Append { subject, tag, .. } => (subject, tag.n),
        other => panic!("{other:?}"),
    });
    let subject = format!("in.{partition}.{ROOM}");
    assert_eq!(
        appends.collect::<Vec<_>>(),
        [(subject.clone(), 1), (subject, 2)]
    );

    let lease = |partition| {
        let lease = Lease {
            worker: Some("w".parse().unwrap()),
            epoch: Epoch(9),
            ready: true,
            sender: None,
            stuck: Vec::new(),
            needs: GameVersions::new(),
            moved: false,
        };
        (partition, lease)
    };
    // The former owner is not asked again, also by a timer that was set for its partition.
    let (p, former_lease) = lease(former.partition_of(&ROOM.parse().unwrap()));
    bench.core.handle_lease(p, &former_lease, bench.now);
    assert_eq!(bench.interests(), []);
    let (p, lease) = lease(partition);
    bench.core.handle_lease(p, &lease, bench.now);
    let asked = bench.interests();
    assert_eq!(asked[0].rooms[0].sessions, [session]);
    assert!(asked[0].rooms[0].sync);
    bench.epoch = 9;
    bench.receive(vec![snapshot(0, 1), processed(session, 2, 2)]);
    assert_eq!(bench.take_types(conn), ["snapshot"]);
    // Timers of partitions of the former layout have no effect.
    bench.advance(60_000);
}

/// A process that was cut off during the whole move learns only of its end.
#[test]
fn d33_a_layout_that_has_changed_unseen_is_followed() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.send(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.commands();
    let next = bench.core.state.config.layout.successor(16, 4);
    bench.core.handle_bus(false, bench.now);
    assert!(bench.core.handle_layout(next, false, bench.now));
    assert_eq!(bench.entries(), [], "the connection is still lost");
    bench.core.handle_bus(true, bench.now);
    assert_eq!(bench.entries().len(), 1);
    let after = next.successor(8, 4);
    assert!(bench.core.handle_layout(after, false, bench.now));
    assert_eq!(bench.entries().len(), 1);
    assert!(!bench.core.handle_layout(after, false, bench.now));
    assert_eq!(bench.entries(), []);
}

#[test]
fn owners_are_told_at_once_that_a_draining_edge_watches_no_longer() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    assert!(!bench.core.withdraw(bench.now));
    assert_eq!(bench.interests(), [], "alice is still there");
    bench.core.handle_closed(conn, bench.now);
    let lost = bench.entries();
    let report = Processed {
        session: lost[0].session,
        n: 1,
        ended: true,
        ..Processed::default()
    };
    bench.receive(vec![ItemKind::Processed(report)]);
    assert!(!bench.core.withdraw(bench.now));
    let told = bench.interests();
    assert_eq!(told.len(), 1, "{told:?}");
    let room = &told[0].rooms[0];
    assert_eq!(
        (room.viewers, room.players, room.spectators),
        (0, None, None)
    );
    assert!(
        !bench.core.withdraw(bench.now),
        "the owner has not answered"
    );
    assert_eq!(bench.interests(), []);
    let answer = InterestReply {
        worker: "w".into(),
        epoch: 1,
        number: 0,
    };
    let (tag, answer) = (bench.tag(), answer.encode_to_vec());
    bench
        .core
        .handle_interest_reply(tag, Some(answer.into()), bench.now);
    assert!(bench.core.withdraw(bench.now));
}

//! Clients: joins, inputs, errors, tokens.

use super::*;

#[test]
fn a_player_gets_joined_snapshot_direct_rejects_and_ack_in_this_order() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.join(conn, "player");
    let entry = &bench.entries()[0];
    assert!(matches!(&entry.body, Some(Body::Joined(j)) if j.seed.len() == 32));
    assert_eq!(
        (entry.player.as_str(), entry.n, entry.edge.as_str()),
        ("alice", 0, "edge-0-x")
    );
    let session = entry.session;
    let direct = ItemKind::Direct(Direct {
        session,
        data: json(5),
    });
    let kept = ItemKind::Rejected(Rejected {
        session,
        seq: 3,
        code: "no".into(),
        message: "No.".into(),
    });
    bench.receive(vec![snapshot(0, 4), direct, kept, processed(session, 0, 3)]);
    let got = bench.take_messages(conn);
    let types: Vec<_> = got.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["joined", "snapshot", "direct", "reject", "ack"]);
    assert_eq!(
        (&got[0]["last_seq"], &got[0]["instance"]),
        (&3.into(), &"7".into())
    );
    bench.send(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 4, "data": 1}),
    );
    let entry = &bench.entries()[0];
    assert_eq!((entry.n, entry.session), (1, session));
    bench.receive(vec![update(5, 1), processed(session, 1, 4)]);
    assert_eq!(
        bench.take_types(conn),
        ["update", "ack"],
        "the update precedes the ack"
    );
}

#[test]
fn inputs_with_a_wrong_seq_are_rejected_and_repeats_are_answered_again() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    let input = |seq: u64| serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1, "id": 9});
    let code = |bench: &mut Bench| {
        let got = bench.take_messages(conn);
        assert_eq!(got.len(), 1, "{got:?}");
        (
            got[0]["code"].as_str().unwrap().to_owned(),
            got[0]["id"].as_u64(),
        )
    };
    bench.send(conn, input(1));
    assert_eq!(code(&mut bench), ("not_joined".into(), Some(9)));
    bench.join(conn, "player");
    bench.send(conn, input(1));
    assert_eq!(code(&mut bench), ("not_joined".into(), Some(9)));
    let session = bench.entries()[0].session;
    bench.receive(vec![snapshot(0, 0), processed(session, 0, 2)]);
    bench.take_types(conn);
    for seq in [0, 4] {
        bench.send(conn, input(seq));
        assert_eq!(code(&mut bench), ("bad_seq".into(), Some(9)));
    }
    bench.send(conn, input(2));
    assert_eq!(bench.take_types(conn), ["ack"]);
    assert!(bench.entries().is_empty(), "no input went to the log");
}

#[test]
fn a_spectator_waits_for_a_room_that_does_not_exist_yet() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    let asked = bench.interests();
    assert!(asked[0].rooms[0].sync && asked[0].rooms[0].players.is_none());
    assert_eq!(asked[0].rooms[0].viewers, 1);
    bench.receive_of(0, vec![ItemKind::Absent(Empty {})]);
    let got = bench.take_messages(conn);
    assert_eq!(
        (&got[0]["type"], got[0].get("instance")),
        (&"joined".into(), None)
    );
    bench.receive(vec![snapshot(1, 0), update(0, 1)]);
    assert_eq!(bench.take_types(conn), ["snapshot", "update"]);
    let late = bench.open(2, "dan");
    bench.join(late, "spectator");
    assert_eq!(
        bench.take_types(late),
        ["joined", "snapshot", "update"],
        "the edge has the room already"
    );
    assert!(bench.interests().is_empty(), "the owner is not asked");
}

#[test]
fn a_slow_spectator_gets_a_snapshot_once_its_outbox_is_empty() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    bench.receive(vec![snapshot(1, 0)]);
    assert_eq!(bench.take_types(conn), ["joined", "snapshot"]);
    bench.clients.blocked.insert(conn);
    bench.receive(vec![update(0, 1)]);
    bench.receive(vec![update(0, 2), snapshot(1, 2)]);
    bench.receive(vec![update(0, 3)]);
    assert_eq!(bench.take_types(conn), [""; 0]);
    bench.clients.blocked.clear();
    bench
        .core
        .handle_drained(conn, bench.now, &mut bench.clients);
    assert_eq!(bench.take_types(conn), ["snapshot", "update"]);
    bench.receive(vec![update(0, 4)]);
    let got = bench.take_messages(conn);
    assert_eq!((&got[0]["version"], got.len()), (&4.into(), 1));
}

#[test]
fn a_refused_join_is_answered_with_its_code_and_its_room_is_unwatched() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.send(
        conn,
        serde_json::json!({"type": "join", "room": ROOM, "id": 3}),
    );
    let session = bench.entries()[0].session;
    let refused = Refused {
        session,
        code: "room_full".into(),
        message: "Two play.".into(),
    };
    bench.receive(vec![ItemKind::Refused(refused)]);
    let got = bench.take_messages(conn);
    assert_eq!(
        (&got[0]["code"], &got[0]["id"]),
        (&"room_full".into(), &3.into())
    );
    bench.advance(31_000);
    bench.advance(1_000);
    let asked = bench.interests();
    assert!(
        asked
            .iter()
            .flat_map(|i| &i.rooms)
            .any(|r| r.players.is_none() && r.spectators.is_none())
    );
}

#[test]
fn a_protobuf_client_gets_binary_frames() {
    let mut bench = Bench::new();
    let conn = ConnKey {
        index: 9,
        generation: 0,
    };
    struct Raw(Vec<u8>);
    impl Transport for Raw {
        fn send(&mut self, _: ConnKey, frames: &Bytes) -> SendStatus {
            self.0.extend_from_slice(frames);
            SendStatus::Written
        }
        fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
            self.send(conn, frames)
        }
        fn is_drained(&self, _: ConnKey) -> bool {
            true
        }
        fn discard(&mut self, _: ConnKey) {}
        fn close(&mut self, _: ConnKey, _: ErrorKind) {}
        fn pause(&mut self, _: ConnKey, _: bool) {}
    }
    let mut raw = Raw(Vec::new());
    let grants = Grants::trusted("alice".parse().unwrap());
    bench
        .core
        .handle_open(conn, Encoding::Proto.into(), grants, bench.now, &mut raw);
    assert_eq!(raw.0[0], 0x82, "a binary frame");
    let event = decode_server(Encoding::Proto, &raw.0[2..]).unwrap();
    assert!(matches!(
        event,
        ServerEvent::Welcome {
            heartbeat_ms: 25_000,
            ..
        }
    ));
}

#[test]
fn a_client_is_notified_once_for_each_token_that_expires_soon() {
    let verifier = verifier();
    let mut bench = Bench::with(CoreConfig::default(), Some(verifier.clone()));
    let token = |expires_s| {
        let claims = Claims::new("alice".parse().unwrap(), expires_s);
        signed(&claims)
    };
    let start = bench.now;
    let conn = ConnKey {
        index: 1,
        generation: 0,
    };
    let grants = verifier.verify(&token(1030), start.unix_ms).unwrap();
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_open(conn, Encoding::Json.into(), grants, start, clients);
    let after = |bench: &mut Bench, ms| {
        let now = Now {
            at: start.at + Duration::from_millis(ms),
            unix_ms: start.unix_ms + ms,
            unix_us: start.unix_us + ms * 1_000,
            log_ms: start.log_ms + ms,
        };
        bench.core.handle_timeout(now, &mut bench.clients);
        bench.now = now;
    };
    after(&mut bench, 100);
    assert_eq!(
        bench.take_types(conn),
        ["welcome", "notice"],
        "the token expires in 30 s"
    );
    for _ in 0..10 {
        let auth = serde_json::json!({"type": "auth", "token": token(1200)});
        bench.send(conn, auth);
        assert_eq!(bench.take_types(conn), ["notice"]);
    }
    // The timers of the earlier tokens do not fire.
    after(&mut bench, 139_900);
    assert_eq!(bench.take_types(conn), Vec::<String>::new());
    after(&mut bench, 140_100);
    assert_eq!(bench.take_types(conn), ["notice"]);
    assert!(bench.clients.closed.is_empty());
    after(&mut bench, 200_100);
    assert_eq!(bench.clients.closed[&conn], ErrorKind::Unauthenticated);
}

#[test]
fn a_join_replaced_by_a_newer_connection_is_answered_with_left_and_its_id() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.send(
        conn,
        serde_json::json!({"type": "join", "room": ROOM, "id": 3}),
    );
    let session = bench.entries()[0].session;
    let code = "replaced".into();
    bench.receive(vec![ItemKind::Gone(Gone {
        session,
        code,
        ..Gone::default()
    })]);
    let got = bench.take_messages(conn);
    assert_eq!(
        got[0],
        serde_json::json!({"type": "left", "id": 3, "room": ROOM, "code": "replaced"})
    );
}

/// A core whose clients may send ten messages at once.
fn with_burst_of_ten() -> Bench {
    let clients = ClientConfig {
        messages_per_s: 10,
        message_burst: 10,
        ..ClientConfig::default()
    };
    let config = CoreConfig {
        clients,
        ..CoreConfig::default()
    };
    Bench::with(config, None)
}

#[test]
fn d25_refused_messages_are_charged_and_a_client_that_stays_over_its_limit_is_closed() {
    let mut bench = with_burst_of_ten();
    let conn = bench.open(1, "alice");
    let ping = serde_json::json!({"type": "ping"});
    // Messages of any kind count, also bad ones and refused joins.
    bench.send(conn, serde_json::json!({"type": "what"}));
    bench.send(conn, serde_json::json!({"type": "join", "room": "?"}));
    for _ in 0..8 {
        bench.send(conn, ping.clone());
    }
    let answers = bench.take_types(conn);
    assert_eq!(answers[..3], ["error", "error", "pong"]);
    for _ in 0..10 {
        bench.send(conn, ping.clone());
    }
    for answer in bench.take_messages(conn) {
        assert_eq!(answer["code"], "rate_limited");
    }
    assert!(bench.clients.closed.is_empty());
    bench.send(conn, ping);
    assert_eq!(bench.clients.closed[&conn].close_code(), 4029);
    let said = bench.take_messages(conn);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0]["retry_after_ms"].as_u64() > Some(1_000), "{said:?}");
}

#[test]
fn d25_a_client_that_slows_down_is_served_again() {
    let mut bench = with_burst_of_ten();
    let conn = bench.open(1, "alice");
    for _ in 0..20 {
        bench.send(conn, serde_json::json!({"type": "ping"}));
    }
    bench.advance(1_200);
    bench.take_messages(conn);
    bench.send(conn, serde_json::json!({"type": "ping"}));
    assert_eq!(bench.take_types(conn), ["pong"]);
    assert!(bench.clients.closed.is_empty());
}

#[test]
fn d25_pings_and_fragments_count_as_messages() {
    let mut bench = with_burst_of_ten();
    let conn = bench.open(1, "alice");
    let (now, clients) = (bench.now, &mut bench.clients);
    bench.core.handle_frames(conn, 20, now, clients);
    assert!(clients.closed.is_empty());
    bench.send(conn, serde_json::json!({"type": "ping"}));
    assert_eq!(bench.clients.closed[&conn].close_code(), 4029);
    let other = bench.open(2, "bob");
    let (now, clients) = (bench.now, &mut bench.clients);
    bench.core.handle_frames(other, 21, now, clients);
    assert_eq!(clients.closed[&other].close_code(), 4029);
}

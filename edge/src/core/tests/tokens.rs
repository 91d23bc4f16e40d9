//! Notices about tokens.

use grandstand_common::auth::{Revocation, Revocations, Target};
use grandstand_common::envelope::Role;
use serde_json::json;

use super::*;

/// Opens a client whose token expires in `ms` milliseconds.
fn open(bench: &mut Bench, ms: u64) -> ConnKey {
    let conn = ConnKey {
        index: 1,
        generation: 0,
    };
    let claims = Claims::new("alice".parse().unwrap(), (bench.now.unix_ms + ms) / 1000);
    let grants = verifier()
        .verify(&signed(&claims), bench.now.unix_ms)
        .unwrap();
    bench.core.handle_open(
        conn,
        Encoding::Json.into(),
        grants,
        bench.now,
        &mut bench.clients,
    );
    assert_eq!(bench.take_types(conn), ["welcome"]);
    conn
}

fn codes(bench: &mut Bench, conn: ConnKey) -> Vec<String> {
    let got = bench.take_messages(conn);
    got.iter()
        .map(|m| m["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_client_is_notified_before_its_token_expires_and_gets_an_error_when_it_has() {
    let mut config = CoreConfig::default();
    // It is in no room all the time.
    config.clients.no_room = Duration::ZERO;
    let mut bench = Bench::with(config, None);
    let conn = open(&mut bench, 3_600_000);
    for _ in 0..3_539 {
        bench.advance(1_000);
    }
    assert!(codes(&mut bench, conn).is_empty());
    bench.advance(1_200);
    assert_eq!(codes(&mut bench, conn), ["token_expiring"]);
    bench.advance(58_000);
    assert!(codes(&mut bench, conn).is_empty());
    bench.advance(2_000);
    assert_eq!(codes(&mut bench, conn), ["unauthenticated"]);
    assert_eq!(bench.clients.closed[&conn], ErrorKind::Unauthenticated);
}

#[test]
fn a_client_is_notified_at_once_if_its_token_expires_soon() {
    let mut bench = Bench::new();
    let conn = open(&mut bench, 20_000);
    bench.advance(200);
    assert_eq!(codes(&mut bench, conn), ["token_expiring"]);
}

#[test]
fn d24_a_pong_tells_the_time_of_the_log() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.send(conn, serde_json::json!({"type": "ping", "id": 5}));
    let pong = bench.take_messages(conn).pop().unwrap();
    assert_ne!(bench.now.log_ms, bench.now.unix_ms);
    assert_eq!(pong["time_ms"], bench.now.log_ms);
}

#[test]
fn a_renewed_token_with_fewer_rights_takes_them_away_at_once() {
    let mut bench = Bench::with(CoreConfig::default(), Some(verifier()));
    let conn = bench.open(1, "alice");
    let alice = |bench: &Bench, rooms: &[(&str, Role)]| {
        let claims = Claims::new("alice".parse().unwrap(), bench.now.unix_ms / 1000 + 600);
        let allow = |claims: Claims, (room, role): &(&str, Role)| claims.allow(room, *role, None);
        signed(&rooms.iter().try_fold(claims, allow).unwrap())
    };
    for (id, role) in [
        (1, "player"),
        (2, "spectator"),
        (3, "player"),
        (4, "player"),
    ] {
        let room = format!("relay-{id}");
        bench.send(conn, json!({"type": "join", "room": room, "role": role}));
    }
    bench.take_messages(conn);
    assert_eq!(bench.entries().len(), 3);
    let rooms = [
        ("relay-1", Role::Spectator),
        ("relay-2", Role::Spectator),
        ("relay-4", Role::Player),
    ];
    let token = alice(&bench, &rooms);
    bench.send(conn, json!({"type": "auth", "token": token, "id": 7}));
    let got = bench.take_messages(conn);
    assert_eq!(
        (&got[0]["code"], &got[0]["id"]),
        (&json!("token_renewed"), &json!(7))
    );
    let left: Vec<_> = got[1..]
        .iter()
        .map(|m| (m["type"].as_str(), m["room"].as_str(), m["code"].as_str()))
        .collect();
    let forbidden = |room| (Some("left"), Some(room), Some("forbidden"));
    assert_eq!(left, [forbidden("relay-1"), forbidden("relay-3")]);
    let ended = bench.entries();
    assert_eq!(ended.len(), 2, "both sessions end: {ended:?}");
    bench.send(
        conn,
        json!({"type": "join", "room": "relay-1", "role": "player"}),
    );
    assert_eq!(codes(&mut bench, conn), ["forbidden"]);
    assert!(bench.clients.closed.is_empty());
}

/// Revokes, and lets the core look at all clients in slices of one slot.
fn revoke(bench: &mut Bench, revocations: &Revocations, target: Target) {
    let revocation = Revocation {
        target,
        at_ms: bench.now.unix_ms,
        until_ms: bench.now.unix_ms + 60_000,
    };
    revocations.set(&revocation.target.key(), Some(revocation));
    let mut next = Some(0);
    while let Some(slot) = next {
        let (core, clients) = (&mut bench.core, &mut bench.clients);
        next = core.handle_revocations(slot, 1, bench.now, clients);
    }
}

#[test]
fn a_revoked_player_is_disconnected_and_a_revoked_room_is_left() {
    let verifier = verifier();
    let revocations = verifier.revocations().clone();
    let mut bench = Bench::with(CoreConfig::default(), Some(verifier));
    let [alice, bob, carol] =
        [(1, "alice"), (2, "bob"), (3, "carol")].map(|(n, name)| bench.open(n, name));
    let join = |room: &str| json!({"type": "join", "room": room});
    for (conn, room) in [
        (alice, "relay-1"),
        (bob, "relay-1"),
        (bob, "relay-2"),
        (carol, "relay-1"),
    ] {
        bench.send(conn, join(room));
    }
    bench.entries();
    for conn in [alice, bob, carol] {
        bench.take_messages(conn);
    }
    revoke(
        &mut bench,
        &revocations,
        Target::Player("alice".parse().unwrap()),
    );
    assert_eq!(codes(&mut bench, alice), ["revoked"]);
    assert_eq!(bench.clients.closed[&alice], ErrorKind::Revoked);
    assert_eq!(bench.clients.closed.len(), 1);

    revoke(
        &mut bench,
        &revocations,
        Target::Room("relay-1".parse().unwrap()),
    );
    let left = bench.take_messages(bob);
    assert_eq!(
        (&left[0]["type"], &left[0]["room"], &left[0]["code"]),
        (&json!("left"), &json!("relay-1"), &json!("revoked"))
    );
    assert!(
        !bench.clients.closed.contains_key(&bob),
        "it is in another room"
    );
    assert_eq!(codes(&mut bench, carol), ["revoked", "revoked"]);
    assert_eq!(bench.clients.closed[&carol], ErrorKind::Revoked);
    let ends = bench.entries();
    assert!(
        ends.iter()
            .all(|entry| matches!(entry.body, Some(Body::Lost(_)))),
        "{ends:?}"
    );
    assert_eq!(ends.len(), 2);
    bench.send(bob, join("relay-1"));
    assert_eq!(codes(&mut bench, bob), ["revoked"]);
    bench.send(bob, join("relay-3"));
    assert_eq!(bench.entries().len(), 1, "other rooms are open");
}

//! Notices about tokens.

use grandstand_common::auth::{Claims, Signer, Verifier};

use super::*;

/// Opens a client whose token expires in `ms` milliseconds.
fn open(bench: &mut Bench, ms: u64) -> ConnKey {
    let conn = ConnKey {
        index: 1,
        generation: 0,
    };
    let claims = Claims::new("alice".parse().unwrap(), (bench.now.unix_ms + ms) / 1000);
    let token = Signer::hs256(b"secret").unwrap().sign(&claims);
    let verifier = Verifier::hs256(b"secret").unwrap();
    let grants = verifier.verify(&token, bench.now.unix_ms).unwrap();
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
    let mut bench = Bench::new();
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

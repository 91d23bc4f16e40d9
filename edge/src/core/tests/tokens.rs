//! What clients are told about their tokens.

use grandstand_common::auth::{Claims, Signer, Verifier};

use super::*;

/// A client whose token ends `ms` from now.
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
    assert_eq!(bench.take(conn), ["welcome"]);
    conn
}

fn codes(bench: &mut Bench, conn: ConnKey) -> Vec<String> {
    let got = bench.got(conn);
    got.iter()
        .map(|m| m["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_client_is_told_before_its_token_ends_and_why_it_is_closed() {
    let mut bench = Bench::new();
    let conn = open(&mut bench, 3_600_000);
    for _ in 0..3_539 {
        bench.passes(1_000);
    }
    assert!(codes(&mut bench, conn).is_empty());
    bench.passes(1_200);
    assert_eq!(codes(&mut bench, conn), ["token_expiring"]);
    bench.passes(58_000);
    assert!(codes(&mut bench, conn).is_empty());
    bench.passes(2_000);
    assert_eq!(codes(&mut bench, conn), ["unauthenticated"]);
    assert_eq!(bench.clients.closed[&conn], ErrorKind::Unauthenticated);
}

#[test]
fn a_token_that_ends_soon_is_told_of_at_once() {
    let mut bench = Bench::new();
    let conn = open(&mut bench, 20_000);
    bench.passes(200);
    assert_eq!(codes(&mut bench, conn), ["token_expiring"]);
}

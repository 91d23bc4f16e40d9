//! Admission of clients, and the end of their tokens.

use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{SECRET, Site, token};
use serde_json::json;

on! {
    embedded: tokens_are_checked_and_renewed;
    on_nats: tokens_are_checked_and_renewed, names_are_believed_only_in_dev;
}

const RELAY: [(&str, Role); 1] = [("relay-*", Role::Player)];

async fn refused(options: ClientOptions, error: &str, code: u16) {
    let mut client = Client::connect(options).await;
    let message = client.expect("error", json!({})).await;
    assert_eq!(message["code"], error, "{message}");
    assert_eq!(client.until_closed().await, code);
    assert_eq!(client.log.len(), 1, "{:?}", client.log);
}

async fn tokens_are_checked_and_renewed(site: Site) {
    let options = || ClientOptions::new(site.address(0));
    refused(options(), "unauthenticated", 4001).await;
    refused(options().token("nonsense"), "unauthenticated", 4001).await;
    let mut signed = token("alice", 3600, &RELAY);
    let last = signed.pop();
    signed.push(if last == Some('A') { 'Q' } else { 'A' });
    refused(options().token(&signed), "unauthenticated", 4001).await;
    let mut query = options();
    query.query = format!("token={signed}");
    refused(query.clone(), "unauthenticated", 4001).await;

    query.query = format!("token={}", token("alice", 50, &RELAY));
    let mut alice = Client::connect(query).await;
    alice.join("relay-1", json!({})).await;
    alice
        .until("the notice that the token expires", |alice| {
            alice.has_notice("token_expiring")
        })
        .await;
    let auth = |token: String| json!({"type": "auth", "id": 1, "token": token});
    alice.send(auth(token("bob", 3600, &RELAY))).await;
    alice
        .expect("error", json!({"id": 1, "code": "forbidden"}))
        .await;
    alice.send(auth("nonsense".to_owned())).await;
    alice
        .expect("error", json!({"id": 1, "code": "unauthenticated"}))
        .await;
    let rooms = [("relay-*", Role::Player), ("memory-*", Role::Player)];
    alice.send(auth(token("alice", 3600, &rooms))).await;
    alice
        .expect("notice", json!({"id": 1, "code": "token_renewed"}))
        .await;
    alice.join("memory-1", json!({})).await;
    alice.input("relay-1", json!("still here")).await;
    alice.until_answered("relay-1").await;

    // A token that is not renewed expires, and its connection is closed.
    let mut carol = Client::connect(options().token(&token("carol", 2, &RELAY))).await;
    carol.join("relay-1", json!({})).await;
    assert_eq!(carol.until_closed().await, 4001);

    let before = unix_ms();
    alice.send(json!({"type": "ping", "id": 77})).await;
    let pong = alice.expect("pong", json!({"id": 77})).await;
    let time = pong["time_ms"].as_u64().unwrap();
    assert!(time.abs_diff(before) < 600_000, "{pong}");
}

async fn names_are_believed_only_in_dev(site: Site) {
    let mut options = ClientOptions::new(site.address(0));
    options.query = "user=alice".to_owned();
    refused(options, "unauthenticated", 4001).await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let start = Start::grandstand("dev").flag("--secret", SECRET).env(
        "GRANDSTAND_EDGE_EDGE_ORIGINS",
        "https://PLAY.example:443/,https://*.play.example",
    );
    let dev = Process::start(start, true).await;
    let options = |origin: Option<&str>| {
        let mut options = ClientOptions::new(dev.address());
        options.query = "user=alice".to_owned();
        options.origin = origin.map(str::to_owned);
        options
    };
    for origin in ["https://evil.example", "https://evilplay.example", "null"] {
        refused(options(Some(origin)), "forbidden", 4003).await;
    }
    for origin in [
        None,
        Some("https://play.example"),
        Some("https://a.play.example"),
    ] {
        let mut client = Client::connect(options(origin)).await;
        client.join("relay-1", json!({})).await;
    }
}

/// A client without a token watches if the configuration says so, and becomes a player by a token.
#[tokio::test]
async fn spectators_need_no_token_if_the_configuration_says_so() {
    let start = Start::grandstand("dev")
        .flag("--secret", SECRET)
        .env("GRANDSTAND_EDGE_AUTH_ANONYMOUS_SPECTATORS", "true");
    let dev = Process::start(start, true).await;
    let mut alice =
        Client::connect(ClientOptions::new(dev.address()).token(&token("alice", 3600, &RELAY)))
            .await;
    alice.join("relay-1", json!({})).await;
    let mut client = Client::connect(ClientOptions::new(dev.address())).await;
    client.join("relay-1", json!({})).await;
    let joined = json!({"room": "relay-1", "role": "spectator"});
    client.expect("joined", joined).await;
    client
        .send(json!({"type": "join", "id": 2, "room": "relay-2", "role": "player"}))
        .await;
    client
        .expect("error", json!({"id": 2, "code": "forbidden"}))
        .await;
    client
        .send(json!({"type": "input", "room": "relay-1", "seq": 1, "data": 1}))
        .await;
    client
        .expect("error", json!({"code": "forbidden", "seq": 1}))
        .await;
    let auth = json!({"type": "auth", "id": 3, "token": token("bob", 3600, &RELAY)});
    client.send(auth).await;
    client
        .expect("notice", json!({"id": 3, "code": "token_renewed"}))
        .await;
    client.join("relay-2", json!({})).await;
    let joined = json!({"room": "relay-2", "role": "player"});
    client.expect("joined", joined).await;
}

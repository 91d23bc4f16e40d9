//! The admin API of real edges on real NATS: lists, revocations on all edges, the filter of the log, drain.

use std::net::SocketAddr;

use grandstand_common::auth::{Claims, Signer};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;
use grandstand_harness::admin::ask;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{SECRET, Site, edge, everywhere, token};
use serde_json::{Value, json};

pub(crate) const ADMIN_TOKEN: &str = "a token of the admin API, 32 bytes";

const DESCRIPTION: &str = include_str!("../../../docs/admin.openapi.json");

on! {
    on_nats: revocations_end_connections_on_all_edges, operators_see_and_change_an_edge;
    embedded: operators_see_and_change_an_edge, revocations_last;
}

/// Sends a request that the description of edges must allow to be answered so.
async fn call(admin: SocketAddr, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    call_described(DESCRIPTION, admin, (method, path), body).await
}

/// Sends a request that a description must allow to be answered so.
pub(crate) async fn call_described(
    description: &str,
    admin: SocketAddr,
    (method, path): (&str, &str),
    body: Option<Value>,
) -> (u16, Value) {
    let (status, answer) = ask(admin, &format!("{method} {path}"), "", body).await;
    let doc: Value = serde_json::from_str(description).unwrap();
    let plain = path.split('?').next().unwrap();
    let fits = |known: &str| match known.split_once('{') {
        Some((prefix, _)) => plain
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty()),
        None => known == plain,
    };
    let paths = doc["paths"].as_object().unwrap();
    let found = paths.iter().find(|(known, _)| fits(known));
    let (_, operations) = found.unwrap_or_else(|| panic!("{path} is not described"));
    let responses = &operations[method.to_lowercase()]["responses"];
    let is_described = responses.get(status.to_string()).is_some();
    assert!(
        is_described,
        "{method} {path}: {status} is not described: {answer}"
    );
    (status, answer)
}

async fn revoke(admin: SocketAddr, target: Value) -> Value {
    let (status, revoked) = call(admin, "POST", "/v1/revocations", Some(target)).await;
    assert_eq!(status, 201, "{revoked}");
    revoked
}

/// A token with an id.
fn named(player: &str, id: &str, issued_s: u64) -> String {
    let claims = Claims::new(player.parse().unwrap(), issued_s + 3600).issued(issued_s, id);
    let claims = everywhere().iter().fold(claims, |claims, (rooms, role)| {
        claims.allow(rooms, *role, None).unwrap()
    });
    Signer::hs256(SECRET.as_bytes()).unwrap().sign(&claims)
}

async fn refused(options: ClientOptions) {
    let mut client = Client::connect(options).await;
    client.expect("error", json!({"code": "revoked"})).await;
    assert_eq!(client.until_closed().await, 4003);
}

async fn revocations_end_connections_on_all_edges(mut site: Site) {
    let mut watcher = site.client(1, "watcher").await;
    watcher.join("relay-1", json!({})).await;
    let mut both = [
        site.client(0, "mallory").await,
        site.client(1, "mallory").await,
    ];
    both[0].join("relay-1", json!({})).await;
    both[1].join("relay-2", json!({})).await;
    revoke(site.edges[0].admin(), json!({"player": "mallory"})).await;
    for client in &mut both {
        client.expect("error", json!({"code": "revoked"})).await;
        assert_eq!(client.until_closed().await, 4003);
    }
    watcher
        .until("mallory is lost", |watcher| {
            watcher.log.iter().any(|message| {
                let players = message["players"].as_array().into_iter().flatten();
                let mut lost = players.filter(|player| player["state"] == "lost");
                lost.any(|player| player["id"] == "mallory")
            })
        })
        .await;
    for edge in 0..2 {
        refused(site.client_options(edge, "mallory")).await;
    }

    // By the id of a token: other tokens of the player stay.
    let now_s = unix_ms() / 1000;
    let options =
        |site: &Site, id: &str| ClientOptions::new(site.address(1)).token(&named("bob", id, now_s));
    let mut stolen = Client::connect(options(&site, "stolen")).await;
    let mut kept = Client::connect(options(&site, "kept")).await;
    stolen.join("relay-1", json!({})).await;
    kept.join("relay-3", json!({})).await;
    revoke(site.edges[0].admin(), json!({"token": "stolen"})).await;
    assert_eq!(stolen.until_closed().await, 4003);
    refused(options(&site, "stolen")).await;
    kept.send(json!({"type": "auth", "id": 1, "token": named("bob", "stolen", now_s)}))
        .await;
    kept.expect("error", json!({"id": 1, "code": "revoked"}))
        .await;
    kept.settle().await;

    // An edge that restarts has them before it accepts clients.
    site.edges[1].kill9();
    site.edges[1].restart().await;
    refused(site.client_options(1, "mallory")).await;

    // By room: its clients leave it, and nobody joins with an old token.
    let mut alice = site.client(1, "alice").await;
    alice.join("relay-7", json!({})).await;
    alice.join("relay-8", json!({})).await;
    revoke(site.edges[0].admin(), json!({"room": "relay-7"})).await;
    alice
        .expect("left", json!({"room": "relay-7", "code": "revoked"}))
        .await;
    alice.start_join("relay-7", json!({})).await;
    alice
        .expect("error", json!({"room": "relay-7", "code": "revoked"}))
        .await;
    alice.input("relay-8", json!("still here")).await;
    alice.until_answered("relay-8").await;

    // A token that is issued later is valid, and a revocation can be removed.
    let later = named("mallory", "new", unix_ms() / 1000 + 2);
    let mut mallory = Client::connect(ClientOptions::new(site.address(0)).token(&later)).await;
    mallory.join("relay-1", json!({})).await;
    let admin = site.edges[0].admin();
    let (_, listed) = call(admin, "GET", "/v1/revocations", None).await;
    let listed = listed["revocations"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 3, "{listed:?}");
    let of_mallory = listed
        .iter()
        .find(|found| found["player"] == "mallory")
        .unwrap();
    let path = format!("/v1/revocations/{}", of_mallory["key"].as_str().unwrap());
    assert_eq!(call(admin, "DELETE", &path, None).await.0, 204);
    assert_eq!(call(admin, "DELETE", &path, None).await.0, 404);
    for edge in 0..2 {
        until_admitted(&site, edge, "mallory").await;
    }
}

/// Waits until a player may connect.
async fn until_admitted(site: &Site, edge: usize, player: &str) {
    for _ in 0..200 {
        let mut client = site.client(edge, player).await;
        client
            .until("an answer", |client| !client.log.is_empty())
            .await;
        if client.log[0]["type"] == "welcome" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{player} is not admitted");
}

async fn revocations_last(site: Site) {
    let admin = site.edges[0].admin();
    let mut alice = site.client(0, "alice").await;
    alice.join("relay-1", json!({})).await;
    revoke(admin, json!({"player": "alice", "for_s": 1})).await;
    assert_eq!(alice.until_closed().await, 4003);
    until_admitted(&site, 0, "alice").await;
}

async fn operators_see_and_change_an_edge(site: Site) {
    let admin = site.edges[0].admin();
    let mut players = Vec::new();
    for n in 0..5 {
        let mut player = site.client(0, &format!("p{n}")).await;
        player.join(&format!("relay-{n}"), json!({})).await;
        players.push(player);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/connections?limit=2&after={after}");
        let (status, page) = call(admin, "GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        let items = page["connections"].as_array().unwrap();
        assert!(items.len() <= 2, "{page}");
        seen.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    seen.sort_by_key(|item| item["player"].to_string());
    let names: Vec<_> = seen
        .iter()
        .map(|item| item["player"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["p0", "p1", "p2", "p3", "p4"]);
    let rooms = json!([{"room": "relay-0", "role": "player"}]);
    assert_eq!(seen[0]["rooms"], rooms, "{:?}", seen[0]);
    let connection = players[0].log[0]["connection"].clone();
    assert_eq!(seen[0]["connection"], connection);
    assert_eq!(seen[0]["address"], "127.0.0.1");
    let since_ms = unix_ms() - seen[0]["connected_ms"].as_u64().unwrap();
    assert!(since_ms < 600_000, "{since_ms}");
    let bytes = |key: &str| seen[0][key].as_u64().unwrap();
    // `join` and `welcome` at least, and not more than these few messages.
    for key in ["received_bytes", "sent_bytes"] {
        assert!((40..20_000).contains(&bytes(key)), "{}", seen[0]);
    }

    let (_, rooms) = call(admin, "GET", "/v1/rooms", None).await;
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 5, "{rooms}");
    let (_, room) = call(admin, "GET", "/v1/rooms/relay-3", None).await;
    let room = &room["rooms"][0];
    assert_eq!(
        (&room["room"], &room["players"]),
        (&json!("relay-3"), &json!(1))
    );
    for (method, path, body, status) in [
        ("GET", "/v1/rooms/relay-77", None, 404),
        ("GET", "/v1/rooms/a.b", None, 400),
        ("GET", "/v1/connections?limit=0", None, 400),
        ("GET", "/v1/connections?after=x", None, 400),
        ("POST", "/v1/revocations", Some(json!({})), 400),
        (
            "POST",
            "/v1/revocations",
            Some(json!({"player": "a", "room": "b"})),
            400,
        ),
        (
            "POST",
            "/v1/revocations",
            Some(json!({"player": "a", "for_s": 0})),
            400,
        ),
        ("POST", "/v1/revocations", Some(json!({"person": "a"})), 400),
        (
            "POST",
            "/v1/revocations",
            Some(json!({"token": "x".repeat(70_000)})),
            413,
        ),
        (
            "PUT",
            "/v1/log",
            Some(json!({"filter": "grandstand=loud"})),
            400,
        ),
        ("PUT", "/v1/log", Some(json!({})), 400),
        ("DELETE", "/v1/revocations/nothing", None, 404),
    ] {
        let (found, answer) = call(admin, method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(answer["message"].is_string(), "{answer}");
    }
    assert_eq!(ask(admin, "GET /v1/nothing", "", None).await.0, 404);
    assert_eq!(ask(admin, "GET /v1/drain", "", None).await.0, 405);
    let (_, doc) = call(admin, "GET", "/openapi.json", None).await;
    assert_eq!(doc, serde_json::from_str::<Value>(DESCRIPTION).unwrap());
    let (_, limited) = call(admin, "GET", "/v1/limited", None).await;
    assert_eq!(limited["limited"], json!([]));

    // Without a token, pages in browsers are kept out, also those whose name leads here.
    for headers in [
        "origin: https://evil.example\r\n",
        "sec-fetch-site: cross-site\r\n",
    ] {
        assert_eq!(ask(admin, "POST /v1/drain", headers, None).await.0, 403);
    }

    let filter = json!({"filter": "grandstand_edge=debug"});
    let (_, set) = call(admin, "PUT", "/v1/log", Some(filter.clone())).await;
    assert_eq!(set, filter);
    assert_eq!(call(admin, "GET", "/v1/log", None).await.1, filter);
    let mut late = site.client(0, "late").await;
    late.settle().await;
    // The log is written by a thread of its own.
    for _ in 0..500 {
        if site.edges[0].log_text().contains("client connected") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no line in the log: {}", site.edges[0].log_text());
}

#[tokio::test]
async fn the_token_is_needed_and_drain_ends_the_edge() {
    let site = Site::on_nats().await;
    let nats = site.nats.as_ref().unwrap().url();
    let start = edge(&nats)
        .env("GRANDSTAND_EDGE_EDGE_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("GRANDSTAND_EDGE_EDGE_DRAIN_MS", 500)
        .env("GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS", 0);
    let mut edge = Process::start(start, true).await;
    let admin = edge.admin();
    let options = ClientOptions::new(edge.address()).token(&token(
        "alice",
        3600,
        &[("relay-*", Role::Player)],
    ));
    let mut alice = Client::connect(options).await;
    alice.join("relay-1", json!({})).await;
    for headers in [
        String::new(),
        format!("authorization: Bearer {}x\r\n", &ADMIN_TOKEN[1..]),
        format!("authorization: Basic {ADMIN_TOKEN}\r\n"),
        "authorization: Bearer\r\n".to_owned(),
    ] {
        for request in [
            "POST /v1/drain",
            "GET /v1/connections",
            "GET /openapi.json",
            "GET /x",
        ] {
            let (status, answer) = ask(admin, request, &headers, None).await;
            assert_eq!(
                (status, &answer["code"]),
                (401, &json!("unauthorized")),
                "{headers}"
            );
        }
    }
    assert!(edge.is_ready().await, "probes need no token");
    let headers = format!("Authorization: bearer {ADMIN_TOKEN}\r\n");
    let (status, _) = ask(admin, "GET /v1/connections", &headers, None).await;
    assert_eq!(status, 200);
    let (status, _) = ask(admin, "POST /v1/drain", &headers, None).await;
    assert_eq!(status, 202);
    alice
        .until("the notice", |alice| alice.has_notice("draining"))
        .await;
    assert!(edge.ended().await.success());
}

#[tokio::test]
async fn an_admin_port_that_others_reach_needs_a_token() {
    let start = Start::edge()
        .arg("--check")
        .env("GRANDSTAND_EDGE_AUTH_SECRET", SECRET)
        .env("GRANDSTAND_EDGE_EDGE_ADMIN", "0.0.0.0:8081");
    let output = start.output().await;
    assert_eq!(output.code, Some(78), "{}", output.text);
    assert!(output.text.contains("edge.admin_token"), "{}", output.text);
    let start = start.env("GRANDSTAND_EDGE_EDGE_ADMIN_TOKEN", "short");
    let text = start.output().await.text;
    assert!(text.contains("at least 32 bytes"), "{text}");
}

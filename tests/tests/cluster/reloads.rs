//! Processes read their configuration again at HUP.

use std::path::Path;
use std::time::Duration;

use grandstand_common::auth::{Claims, Signer};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::{NatsServer, TempDir};
use grandstand_harness::process::{PATIENCE, Process, Start, get};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

pub(crate) const ROOM: &str = "relay-1";
pub(crate) const SECRETS: [&str; 2] = [
    "the first secret, which has 32 bytes or more",
    "the other secret, which has 32 bytes or more",
];

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

pub(crate) fn edge_config(secret: &str, more: &str) -> String {
    format!("[auth]\nsecret = \"{secret}\"\n[edge]\ndrain_wait_ms = 0\ndrain_ms = 100\n{more}")
}

/// Sends HUP and waits until the configuration has been read `times` times.
pub(crate) async fn reload(process: &Process, times: f64) {
    process.hang_up();
    let reloads = async || process.metric("grandstand_config_reloads_total").await;
    while reloads().await != Some(times) {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn client_options(edge: &Process, secret: &str) -> ClientOptions {
    let claims = Claims::new("alice".parse().unwrap(), unix_ms() / 1000 + 3600);
    let claims = claims.allow("relay-*", Role::Player, None).unwrap();
    let token = Signer::hs256(secret.as_bytes()).unwrap().sign(&claims);
    ClientOptions::new(edge.address()).token(&token)
}

pub(crate) async fn plays(options: ClientOptions) {
    let mut client = Client::connect(options).await;
    client.join(ROOM, json!({})).await;
    client.input(ROOM, json!(1)).await;
    client.until_answered(ROOM).await;
}

/// Waits until some line of the log has all of these words.
async fn until_said(process: &Process, words: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    let is_said = || {
        let log = process.log_text();
        log.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    while !is_said() {
        assert!(
            Instant::now() < deadline,
            "{words:?}: {}",
            process.log_text()
        );
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_edge_takes_on_what_can_change_while_it_runs() {
    let (nats, folder) = (NatsServer::start().await, TempDir::new("reloads"));
    let worker = Process::start(Start::worker().flag("--nats", nats.url()), false).await;
    let file = folder.path().join("edge.toml");
    write(&file, &edge_config(SECRETS[0], ""));
    let start = Start::edge()
        .flag("--nats", nats.url())
        .flag("--config", file.display());
    let edge = Process::start(start, true).await;
    plays(client_options(&edge, SECRETS[0])).await;

    // A configuration that is wrong is refused as a whole.
    let wrong = "origins = [\"https://a.example\"]\n[limits]\nrooms = 0\n";
    write(&file, &edge_config(SECRETS[1], wrong));
    reload(&edge, 1.0).await;
    until_said(&edge, &["ERROR", "limits.rooms", "edge.toml:8"]).await;
    plays(client_options(&edge, SECRETS[0])).await;

    let right = "origins = [\"https://a.example\"]\nshards = 3\n[limits]\nrooms = 1\n[log]\nfilter = \"debug\"\n";
    write(&file, &edge_config(SECRETS[1], right));
    reload(&edge, 2.0).await;
    until_said(&edge, &["limits.rooms", "from=\"64\"", "to=\"1\""]).await;
    until_said(&edge, &["WARN", "edge.shards", "next start"]).await;
    until_said(&edge, &["auth.secret"]).await;
    let log = edge.log_text();
    assert!(!SECRETS.iter().any(|secret| log.contains(secret)), "{log}");
    let mut refused = Client::connect(client_options(&edge, SECRETS[0])).await;
    refused
        .expect("error", json!({"code": "unauthenticated"}))
        .await;
    let mut foreign = client_options(&edge, SECRETS[1]);
    foreign.origin = Some("https://b.example".to_owned());
    let mut foreign = Client::connect(foreign).await;
    foreign.expect("error", json!({"code": "forbidden"})).await;
    let mut client = Client::connect(client_options(&edge, SECRETS[1])).await;
    client.join(ROOM, json!({})).await;
    client.start_join("relay-2", json!({})).await;
    client.expect("error", json!({"room": "relay-2"})).await;
    until_said(&edge, &["DEBUG", "client connected"]).await;
    drop(worker);
}

#[tokio::test]
async fn a_worker_takes_on_the_filter_of_its_log() {
    let (nats, folder) = (NatsServer::start().await, TempDir::new("reloads"));
    let file = folder.path().join("worker.toml");
    write(&file, "");
    let start = Start::worker()
        .flag("--nats", nats.url())
        .flag("--config", file.display());
    let worker = Process::start(start, false).await;
    write(
        &file,
        "[log]\nfilter = \"info,grandstand=debug\"\n[rooms]\nidle_ms = 1000\n",
    );
    reload(&worker, 1.0).await;
    until_said(&worker, &["log.filter", "info,grandstand=debug"]).await;
    until_said(&worker, &["WARN", "rooms.idle_ms"]).await;
    write(&file, "[log]\nfilter = \"grandstand=loud\"\n");
    reload(&worker, 2.0).await;
    until_said(&worker, &["ERROR", "log.filter", "loud"]).await;
}

#[tokio::test]
async fn an_edge_takes_on_a_key_set_sizes_of_messages_and_the_token_of_its_api() {
    const TOKEN: &str = "a token of the admin API, 32 bytes";
    // RFC 8037 appendix A.2.
    const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"of-the-issuer","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let (nats, folder) = (NatsServer::start().await, TempDir::new("reloads"));
    let _worker = Process::start(Start::worker().flag("--nats", nats.url()), false).await;
    let (file, set) = (
        folder.path().join("edge.toml"),
        folder.path().join("keys.json"),
    );
    write(&file, &edge_config(SECRETS[0], ""));
    write(&set, SET);
    let start = Start::edge()
        .flag("--nats", nats.url())
        .flag("--config", file.display());
    let edge = Process::start(start, true).await;
    let keys = "grandstand_edge_token_keys";
    assert_eq!(edge.metric(keys).await, Some(1.0));

    let new = format!(
        "admin_token = \"{TOKEN}\"\n[limits]\nmessage_bytes = 2048\nhandshakes = 2\nhandshake_ms = 700\naccepts = 1\n"
    );
    let jwks = format!("[auth]\njwks = \"{}\"\n", set.display());
    write(
        &file,
        &edge_config(SECRETS[0], &new).replacen("[auth]\n", &jwks, 1),
    );
    reload(&edge, 1.0).await;
    until_said(&edge, &["key set", "of-the-issuer"]).await;
    let log = edge.log_text();
    assert!(!log.contains("next start") && !log.contains(TOKEN), "{log}");
    let (status, _) = get(edge.admin(), "/v1/rooms").await.unwrap();
    assert_eq!(status, 401);
    let mut client = Client::connect(client_options(&edge, SECRETS[0])).await;
    let welcome = client.expect("welcome", json!({})).await;
    assert_eq!(welcome["limits"]["message_bytes"], 2048);
    client
        .send(json!({"type": "ping", "x": "x".repeat(3000)}))
        .await;
    assert_eq!(client.until_closed().await, 1009);
    // Nothing but a request that takes longer than `handshake_ms`.
    let mut late = TcpStream::connect(edge.address()).await.unwrap();
    late.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("700"), "{answer}");

    write(&file, &edge_config(SECRETS[0], ""));
    reload(&edge, 2.0).await;
    let deadline = Instant::now() + PATIENCE;
    while edge.metric(keys).await != Some(1.0) {
        assert!(Instant::now() < deadline, "the keys of the set stay");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(get(edge.admin(), "/v1/rooms").await.unwrap().0, 200);
    plays(client_options(&edge, SECRETS[0])).await;
}

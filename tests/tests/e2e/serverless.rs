//! Rooms whose rules are an HTTP endpoint: the example of the documentation, run as printed.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use grandstand_common::envelope::Role;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::TempDir;
use grandstand_harness::process::{PATIENCE, Process, Start};
use grandstand_harness::site::{SECRET, Site, token};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

const DOCUMENT: &str = include_str!("../../../docs/games/serverless.md");

const ROOM: &str = "http-chat-1";

/// The first example in a language.
fn example(language: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("```{language}\n")).unwrap();
    rest.split("```").next().unwrap()
}

/// Starts the endpoint of the documentation at a port.
fn endpoint(port: u16) -> Child {
    let config = example("toml");
    let (_, rest) = config.split_once("secret = \"").unwrap();
    let secret = rest.split('"').next().unwrap();
    Command::new("python3")
        .args(["-c", example("python")])
        .env("PORT", port.to_string())
        .env("WEBHOOK_SECRET", secret)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn client(site: &Site, edge: usize, player: &str) -> Client {
    let token = token(player, 3600, &[("http-*", Role::Player)]);
    Client::connect(ClientOptions::new(site.address(edge)).token(&token)).await
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn the_example_of_the_documentation_is_a_chat() {
    let port = free_port();
    let folder = TempDir::new("serverless");
    std::fs::create_dir_all(folder.path()).unwrap();
    let config = folder.path().join("outlet.toml");
    let printed = example("toml").replace(":9000", &format!(":{port}"));
    let away = format!(
        "[[outlet.endpoints]]\nname = \"http-away\"\nurl = \"http://127.0.0.1:{}/\"\nallow_http = true\ncall_attempts = 1\n",
        free_port()
    );
    std::fs::write(&config, printed + &away).unwrap();
    let mut endpoint = endpoint(port);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < deadline, "the endpoint does not listen");
    }
    let dev = Start::grandstand("dev")
        .flag("--shards", 2)
        .flag("--secret", SECRET)
        .flag("--outlet", config.display());
    let site = Site::new(vec![Process::start(dev, true).await], None, None);

    // Without its endpoint a room lets nobody in, and says why.
    let mut early = client(&site, 0, "early").await;
    early.join("http-away-1", json!({})).await;
    early
        .expect(
            "left",
            json!({"room": "http-away-1", "code": "backend_unavailable"}),
        )
        .await;
    early.join("http-none-1", json!({})).await;
    early
        .expect("left", json!({"room": "http-none-1", "code": "no_backend"}))
        .await;

    let (mut alice, mut bob) = tokio::join!(client(&site, 0, "alice"), client(&site, 1, "bob"));
    alice.join(ROOM, json!({})).await;
    alice.input(ROOM, json!({"text": "hello"})).await;
    let line = json!({"room": ROOM, "data": {"no": 2, "from": "alice", "text": "hello"}});
    alice.expect("update", line).await;
    bob.join(ROOM, json!({})).await;
    // In a snapshot, or in an update after one.
    bob.until("the chat so far", |bob| {
        let mut log = bob.log.iter();
        log.any(|message| message["data"].to_string().contains("hello"))
    })
    .await;
    bob.input(ROOM, json!({"text": "hi"})).await;
    bob.until_answered(ROOM).await;
    let line = json!({"room": ROOM, "data": {"no": 4, "from": "bob", "text": "hi"}});
    alice.expect("update", line).await;
    endpoint.kill().await.unwrap();
    alice.input(ROOM, json!({"text": "anybody?"})).await;
    alice
        .until("the failure", |alice| {
            let failed = alice.log.iter().filter(|m| m["type"] == "direct");
            let mut codes = failed.map(|m| &m["data"]["failed"]["code"]);
            codes.any(|code| code == "backend_unavailable")
        })
        .await;
}

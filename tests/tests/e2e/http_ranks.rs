//! Leaderboards over HTTP.

use std::net::SocketAddr;

use grandstand_harness::admin::ask;
use grandstand_harness::process::{PATIENCE, Process, Start};
use grandstand_harness::site::{SECRET, Site, everywhere, token};
use grandstand_tests::play::play;
use serde_json::{Value, json};
use tokio::time::Instant;

const ROOM: &str = "memory-1";

async fn ranks(address: SocketAddr, query: &str) -> (u16, Value) {
    let headers = format!(
        "Authorization: Bearer {}\r\n",
        token("sue", 3600, &everywhere())
    );
    let request = format!("GET /v1/leaderboards/{query}");
    ask(address, &request, &headers, None).await
}

#[tokio::test]
async fn ranks_are_those_of_the_games_that_were_played() {
    let dev = Start::grandstand("dev")
        .flag("--shards", 2)
        .flag("--secret", SECRET)
        .arg("--archive")
        .env("GRANDSTAND_EDGE_EDGE_API", "true");
    let site = Site::new(vec![Process::start(dev, true).await], None, None);
    let (status, said) = ranks(site.address(0), "memory").await;
    assert_eq!(
        (status, &said["code"]),
        (404, &json!("no_such_board")),
        "{said}"
    );
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(1, "bob"));
    alice.join(ROOM, json!({"params": {"hide_ms": 50}})).await;
    bob.join(ROOM, json!({})).await;
    let (alice, _bob) = tokio::join!(play(alice, "alice", ROOM), play(bob, "bob", ROOM));
    let scores = alice.rooms[ROOM].view["scores"].clone();
    let deadline = Instant::now() + PATIENCE;
    let page = loop {
        match ranks(site.address(0), "memory").await {
            (200, page) => break page,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    };
    assert_eq!(page["players"], 2, "{page}");
    for row in page["rows"].as_array().unwrap() {
        let player = row["player"].as_str().unwrap();
        assert_eq!(row["score"], scores[player], "{page}");
    }
    let (status, around) = ranks(site.address(0), "memory?around=bob&limit=1&by=total").await;
    assert_eq!(
        (status, around["rows"].as_array().unwrap().len()),
        (200, 2),
        "{around}"
    );
    let (status, said) = ranks(site.address(0), "memory?around=eve").await;
    assert_eq!(
        (status, &said["code"]),
        (404, &json!("no_such_player")),
        "{said}"
    );
    let (status, said) = ranks(site.address(0), "memory?season=never").await;
    assert_eq!(
        (status, &said["code"]),
        (404, &json!("no_such_board")),
        "{said}"
    );
}

on! {
    embedded: without_an_archive_requests_end_with_a_clear_word;
    on_nats: without_an_archive_requests_end_with_a_clear_word;
}

async fn without_an_archive_requests_end_with_a_clear_word(site: Site) {
    let (status, said) = ranks(site.address(0), "memory").await;
    let wanted = (503, &json!("archive_unavailable"));
    assert_eq!((status, &said["code"]), wanted, "{said}");
}

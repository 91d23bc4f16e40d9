//! Queues over HTTP, for clients that read no stream.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::envelope::Role;
use grandstand_harness::admin::ask;
use grandstand_harness::process::{PATIENCE, Process, Start};
use grandstand_harness::site::{SECRET, Site, token};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

on! {
    embedded: players_without_streams_meet;
    inviting: players_without_streams_meet, a_ticket_outlives_its_edge_and_its_worker;
}

const TICKETS: &str = "/v1/queues/queue-memory/tickets";

async fn post(address: SocketAddr, player: &str, body: Value) -> (u16, Value) {
    let token = token(player, 3600, &[("queue-*", Role::Player)]);
    let request = format!("POST {TICKETS}");
    let headers = format!("Authorization: Bearer {token}\r\n");
    ask(address, &request, &headers, Some(body)).await
}

/// Enters the queue, and returns the ticket.
async fn enter(address: SocketAddr, player: &str, rating: u32) -> String {
    let (status, said) = post(address, player, json!({"ticket": {"rating": rating}})).await;
    assert!(matches!(status, 201 | 202), "{status}: {said}");
    said["ticket"].as_str().unwrap().to_owned()
}

async fn state(address: SocketAddr, ticket: &str) -> (u16, Value) {
    ask(address, &format!("GET {TICKETS}/{ticket}"), "", None).await
}

/// Asks until a ticket waits no longer.
async fn decided(address: SocketAddr, ticket: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, said) = state(address, ticket).await;
        assert_eq!(status, 200, "{said}");
        if said["state"] != "waiting" {
            return said;
        }
        assert!(Instant::now() < deadline, "{said}");
    }
}

async fn players_without_streams_meet(site: Site) {
    let alice = enter(site.address(0), "alice", 1500).await;
    let bob = enter(site.address(1), "bob", 1520).await;
    // Each request comes to another shard or edge.
    let matched = decided(site.address(1), &alice).await;
    let same = decided(site.address(0), &bob).await;
    assert_eq!(matched["state"], "matched", "{matched}");
    let room = matched["room"].as_str().unwrap();
    assert_eq!(same["room"], room);
    // The stream of the room takes the invitation beside the token.
    let invite = matched["token"].as_str().unwrap();
    let token = token("alice", 3600, &[("queue-*", Role::Player)]);
    for (query, status) in [(String::new(), "403"), (format!("?invite={invite}"), "200")] {
        let head = head(site.address(0), room, &query, &token).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    }

    // A ticket is withdrawn by its player, or by another one of its player.
    let carol = enter(site.address(0), "carol", 9_000).await;
    let request = format!("DELETE {TICKETS}/{carol}");
    let (status, said) = ask(site.address(1), &request, "", None).await;
    assert_eq!(
        (status, &said["state"]),
        (200, &json!("withdrawn")),
        "{said}"
    );
    let dave = enter(site.address(0), "dave", 20_000).await;
    enter(site.address(1), "dave", 20_000).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, said) = state(site.address(0), &dave).await;
        if status != 200 || said["state"] != "waiting" {
            break;
        }
        assert!(Instant::now() < deadline, "{said}");
        sleep(Duration::from_millis(50)).await;
    }
    let bad = post(site.address(0), "erin", json!({"ticket": {"rank": 7}})).await;
    assert_eq!(bad.0, 422, "{}", bad.1);
    let none = post(site.address(0), "erin", json!({"ticket": []})).await;
    assert_eq!(none.0, 422, "{}", none.1);
}

/// More players than a room has space for, of whom the last ones meet in a shard, and one is called back.
#[tokio::test]
async fn a_queue_that_outgrows_its_room_is_spread_and_gathered() {
    let dev = Start::grandstand("dev")
        .flag("--shards", 2)
        .flag("--secret", SECRET)
        .env("GRANDSTAND_EDGE_EDGE_API", "true")
        .env("GRANDSTAND_EDGE_LIMITS_ADDRESS_HANDSHAKES", 0)
        .env("GRANDSTAND_EDGE_LIMITS_ADDRESS_HANDSHAKES_PER_S", 0);
    let site = Site::new(vec![Process::start(dev, true).await], None, None);
    let address = site.address(0);
    let far = |n: u32| 10_000 + 10_000 * n;
    let mut tickets = Vec::new();
    for from in (0..300).step_by(20) {
        let entering = (from..from + 20).map(|n| async move {
            let player = format!("player-{n}");
            enter(address, &player, far(n)).await
        });
        tickets.extend(futures_util::future::join_all(entering).await);
    }
    let alice = enter(address, "alice", 1500).await;
    let bob = enter(address, "bob", 1500).await;
    let carol = enter(address, "carol", far(299)).await;
    let matched = decided(address, &alice).await;
    assert_eq!(matched["state"], "matched", "{matched}");
    assert_eq!(decided(address, &bob).await["room"], matched["room"]);
    let (_, waits) = state(address, &carol).await;
    assert_eq!(waits["state"], "waiting", "{waits}");
    for ticket in &tickets[..60] {
        let request = format!("DELETE {TICKETS}/{ticket}");
        let (status, said) = ask(address, &request, "", None).await;
        assert_eq!(status, 200, "{said}");
    }
    let matched = decided(address, &carol).await;
    assert_eq!(matched["state"], "matched", "{matched}");
    assert_eq!(
        decided(address, &tickets[299]).await["room"],
        matched["room"]
    );
}

/// The head of the response with an event stream.
async fn head(address: SocketAddr, room: &str, query: &str, token: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /v1/rooms/{room}/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = [0; 256];
    let count = socket.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

async fn a_ticket_outlives_its_edge_and_its_worker(mut site: Site) {
    let alice = enter(site.address(0), "alice", 1500).await;
    site.owner().restart().await;
    let (status, said) = state(site.address(0), &alice).await;
    assert_eq!((status, &said["state"]), (200, &json!("waiting")), "{said}");
    site.edges[0].restart().await;
    let (status, said) = state(site.address(1), &alice).await;
    assert_eq!(
        (status, &said["code"]),
        (404, &json!("not_joined")),
        "{said}"
    );
    // The new ticket is far away from bob's, but the old one counts.
    let again = enter(site.address(1), "alice", 9_000).await;
    let bob = enter(site.address(1), "bob", 1520).await;
    let matched = decided(site.address(1), &again).await;
    assert_eq!(
        decided(site.address(1), &bob).await["room"],
        matched["room"]
    );
}

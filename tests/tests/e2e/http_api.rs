//! The API over HTTP: event streams and the requests beside them.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::auth::{Claims, Signer};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;
use grandstand_harness::admin::ask;
use grandstand_harness::process::PATIENCE;
use grandstand_harness::site::{SECRET, Site, everywhere, token};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

on! {
    embedded: views_are_of_the_lane_that_the_token_allows, a_service_sends_kicks_and_closes, a_player_plays_by_stream_and_requests, a_stream_that_never_reads_is_bounded_and_converges;
    one_shard: a_stream_resumes_after_its_last_event;
    on_nats: views_are_of_the_lane_that_the_token_allows, a_service_sends_kicks_and_closes, a_player_plays_by_stream_and_requests, a_session_of_an_edge_that_is_gone_is_refused;
}

const ROOM: &str = "relay-1";

/// A client of event streams, which knows nothing but the specification of them.
struct Stream {
    socket: TcpStream,
    session: String,
    last_id: String,
    text: String,
}

impl Stream {
    /// Opens a stream, whose first event names the session.
    async fn open(address: SocketAddr, player: &str, query: &str, last_id: &str) -> Self {
        let token = token(player, 3600, &everywhere());
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        let id = match last_id {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        let request = format!(
            "GET /v1/rooms/{ROOM}/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{id}\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Self {
            socket,
            session: String::new(),
            last_id: last_id.to_owned(),
            text: String::new(),
        };
        let head = stream.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let first = stream.next().await;
        assert_eq!(first["type"], "session", "{first}");
        stream.session = first["session"].as_str().unwrap().to_owned();
        stream
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some((text, rest)) = self.text.split_once(end) {
                let (text, rest) = (text.to_owned(), rest.to_owned());
                self.text = rest;
                return text;
            }
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.socket.read(&mut bytes)).await;
            let count = read.expect("no event came in time").unwrap();
            assert!(count > 0, "the stream ended after {:?}", self.text);
            self.text += std::str::from_utf8(&bytes[..count]).unwrap();
        }
    }

    /// The next event, which is one message.
    async fn next(&mut self) -> Value {
        loop {
            let (mut data, mut id) = (None, None);
            for line in self.until("\n\n").await.lines() {
                match line.split_once(": ") {
                    Some(("data", text)) => data = Some(text.to_owned()),
                    Some(("id", text)) => id = Some(text.to_owned()),
                    Some(("retry", _)) => {}
                    _ => assert!(line.starts_with(':'), "{line}"),
                }
            }
            if let Some(id) = id {
                self.last_id = id;
            }
            if let Some(data) = data {
                return serde_json::from_str(&data).unwrap();
            }
        }
    }

    /// Waits for a message of this type.
    async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    async fn post(&self, address: SocketAddr, seq: u64, data: Value) -> (u16, Value) {
        let request = format!("POST /v1/rooms/{ROOM}/inputs");
        let headers = format!("Grandstand-Session: {}\r\n", self.session);
        let body = json!({"seq": seq, "data": data});
        ask(address, &request, &headers, Some(body)).await
    }
}

async fn a_player_plays_by_stream_and_requests(site: Site) {
    let mut alice = Stream::open(site.address(0), "alice", "", "").await;
    let joined = alice.expect("joined").await;
    assert_eq!(
        (&joined["role"], &joined["last_seq"]),
        (&json!("player"), &json!(0))
    );
    let snapshot = alice.expect("snapshot").await;
    assert_eq!(
        alice.last_id,
        format!(
            "{}/{}",
            snapshot["epoch"].as_str().unwrap(),
            snapshot["version"]
        )
    );
    let mut bob = site.client(1, "bob").await;
    bob.join(ROOM, json!({})).await;
    // Each request comes to another shard or edge.
    for n in 1..=6 {
        let to = site.address(n as usize);
        let answer = alice.post(to, n, json!({"say": n})).await;
        assert_eq!(
            answer,
            (200, json!({"type": "ack", "room": ROOM, "seq": n}))
        );
    }
    // A repeat changes nothing.
    let (status, again) = alice.post(site.address(0), 2, json!({"say": 2})).await;
    assert_eq!((status, &again["type"]), (200, &json!("ack")), "{again}");
    bob.until("six updates show", |c| c.rooms[ROOM].view["count"] == 6)
        .await;
    let (status, gap) = alice.post(site.address(1), 8, json!(0)).await;
    assert_eq!((status, &gap["code"]), (409, &json!("bad_seq")), "{gap}");
    let (status, rejected) = alice
        .post(
            site.address(1),
            7,
            json!({"op": "config", "players_only": 1}),
        )
        .await;
    assert_eq!(
        (status, &rejected["type"]),
        (422, &json!("reject")),
        "{rejected}"
    );
    bob.input(ROOM, json!({"say": "bob"})).await;
    loop {
        let update = alice.expect("update").await;
        if update["data"]["from"] == "bob" {
            break;
        }
    }
}

async fn a_stream_resumes_after_its_last_event(site: Site) {
    let mut sue = Stream::open(site.address(0), "sue", "?role=spectator", "").await;
    let mut bob = site.client(0, "bob").await;
    bob.join(ROOM, json!({})).await;
    let first = sue.expect("snapshot").await;
    let id = sue.last_id.clone();
    drop(sue);
    for n in 0..3 {
        bob.input(ROOM, json!({"say": n})).await;
    }
    bob.until_answered(ROOM).await;
    let mut sue = Stream::open(site.address(0), "sue", "?role=spectator", &id).await;
    sue.expect("joined").await;
    let mut version = first["version"].as_u64().unwrap();
    for n in 0..3 {
        let update = sue.next().await;
        assert_eq!(update["prev"], version, "{update}");
        assert_eq!(update["data"]["data"]["say"], n, "{update}");
        version = update["version"].as_u64().unwrap();
    }
    assert!(sue.last_id.ends_with(&format!("/{version}")));
}

async fn a_stream_that_never_reads_is_bounded_and_converges(site: Site) {
    let mut sue = Stream::open(site.address(0), "sue", "?role=spectator", "").await;
    let mut bob = site.client(0, "bob").await;
    bob.join(ROOM, json!({})).await;
    sue.expect("snapshot").await;
    let text = "x".repeat(30_000);
    for _ in 0..100 {
        bob.input(ROOM, json!({"say": text})).await;
        bob.until_answered(ROOM).await;
    }
    // More than the edge queues for a client: what it had queued is dropped, and a snapshot follows.
    let (mut version, mut skipped) = (0, false);
    let last = bob.rooms[ROOM].version;
    while version < last {
        let message = timeout(Duration::from_secs(20), sue.next()).await.unwrap();
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                skipped = true;
                version = message["version"].as_u64().unwrap();
                assert_eq!(message["data"]["count"], version, "{message}");
            }
            "update" if version > 0 => {
                assert_eq!(message["prev"], version);
                version = message["version"].as_u64().unwrap();
            }
            _ => {}
        }
    }
    assert!(skipped);
}

async fn a_session_of_an_edge_that_is_gone_is_refused(mut site: Site) {
    let alice = Stream::open(site.address(0), "alice", "", "").await;
    site.edges[0].kill9();
    site.edges[0].ended().await;
    // NATS may not have noticed yet.
    let gone = loop {
        let (status, gone) = alice.post(site.address(1), 1, json!(1)).await;
        if status != 503 {
            assert_eq!(
                (status, &gone["code"]),
                (404, &json!("not_joined")),
                "{gone}"
            );
            break gone;
        }
    };
    let text = gone["message"].as_str().unwrap();
    assert!(text.contains("is gone"), "{text}");
}

/// Asks for the view of the room. Returns the status, the body and the ETag.
async fn view(address: SocketAddr, token: &str, query: &str) -> (u16, Value) {
    let request = format!("GET /v1/rooms/{ROOM}{query}");
    let headers = format!("Authorization: Bearer {token}\r\n");
    ask(address, &request, &headers, None).await
}

async fn views_are_of_the_lane_that_the_token_allows(site: Site) {
    let player = token("alice", 3600, &everywhere());
    let watcher = token("sue", 3600, &[("relay-*", Role::Spectator)]);
    let (status, none) = view(site.address(0), &player, "").await;
    assert_eq!(
        (status, &none["code"]),
        (404, &json!("no_such_room")),
        "{none}"
    );
    let mut bob = site.client(0, "bob").await;
    bob.join(ROOM, json!({})).await;
    bob.input(ROOM, json!({"say": 1})).await;
    bob.input(ROOM, json!({"op": "config", "players_only": true}))
        .await;
    bob.input(ROOM, json!({"say": 2})).await;
    bob.until_answered(ROOM).await;
    // Each request comes to another shard or edge.
    for edge in 0..4 {
        let (status, players) = view(site.address(edge), &player, "").await;
        assert_eq!(
            (status, &players["data"]["count"]),
            (200, &json!(2)),
            "{players}"
        );
        for (token, query) in [(&player, "?role=spectator"), (&watcher, "")] {
            let (status, watched) = view(site.address(edge), token, query).await;
            assert_eq!(
                (status, &watched["type"]),
                (200, &json!("snapshot")),
                "{watched}"
            );
            assert_ne!(watched["epoch"], players["epoch"]);
        }
    }
    let (status, refused) = view(site.address(0), &watcher, "?role=player").await;
    assert_eq!(
        (status, &refused["code"]),
        (403, &json!("forbidden")),
        "{refused}"
    );
    // Looking made nobody a player.
    bob.until("only bob plays", |c| {
        let players = c.presence(ROOM).and_then(Value::as_array);
        players.is_some_and(|all| all.len() == 1)
    })
    .await;
}

async fn a_service_sends_kicks_and_closes(site: Site) {
    let now_s = unix_ms() / 1000;
    let claims = Claims::new("shop".parse().unwrap(), now_s + 60).serve("relay-*");
    let token = Signer::hs256(SECRET.as_bytes())
        .unwrap()
        .sign(&claims.unwrap());
    let headers = format!("Authorization: Bearer {token}\r\n");
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(1, "bob"));
    alice.join(ROOM, json!({})).await;
    bob.join(ROOM, json!({})).await;
    // A repeat with the same id changes nothing.
    for (id, count) in [("n1", 1), ("n1", 1), ("n2", 2)] {
        let request = format!("POST /v1/rooms/{ROOM}/messages");
        let body = json!({"id": id, "topic": "news", "data": 7});
        let (status, sent) = ask(site.address(1), &request, &headers, Some(body)).await;
        assert_eq!((status, &sent["id"]), (202, &json!(id)), "{sent}");
        alice.input(ROOM, json!("hello")).await;
        alice.until_answered(ROOM).await;
        let all = alice.rooms[ROOM].version;
        alice
            .until("the message is there", |c| {
                c.rooms[ROOM].view["count"].as_u64() >= Some(count)
            })
            .await;
        assert!(all > 0);
    }
    assert_eq!(
        alice.rooms[ROOM].view["count"], 5,
        "three inputs and two messages"
    );
    let request = format!("POST /v1/rooms/{ROOM}/kick");
    let body = json!({"player": "bob", "code": "afk"});
    let (status, kicked) = ask(site.address(0), &request, &headers, Some(body)).await;
    assert_eq!(status, 202, "{kicked}");
    bob.expect("left", json!({"room": ROOM, "code": "afk"}))
        .await;
    let (status, closed) = ask(
        site.address(1),
        &format!("DELETE /v1/rooms/{ROOM}"),
        &headers,
        None,
    )
    .await;
    assert_eq!(status, 202, "{closed}");
    // The room is deleted a minute later; until then it says that it is over.
    alice.input(ROOM, json!("late")).await;
    alice
        .expect("reject", json!({"room": ROOM, "code": "finished"}))
        .await;
}

//! The plugs of `grandstand dev`: parts of the process die on purpose and come back, while a player plays.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use grandstand_harness::admin::ask;
use grandstand_harness::client::Client;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{Process, Start, get};
use grandstand_harness::site::{SECRET, Site};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

on! {
    one_shard: nothing_is_lost_whatever_plug_is_pulled;
    embedded: nothing_is_lost_whatever_plug_is_pulled, only_pages_of_this_server_pull_plugs,
        one_plug_at_a_time, the_history_answers_what_is_wrong, a_part_that_cannot_start_again_ends_the_process;
    on_disk: nothing_is_lost_whatever_plug_is_pulled;
}

const ROOM: &str = "relay-1";

/// The header that all requests have.
const PLUG: &str = "x-grandstand-plug: 1\r\n";

/// The inputs that the player sends around each pull.
const INPUTS: u64 = 30;

/// A player's maximum number of unanswered inputs.
const MAX_UNANSWERED: usize = 8;

async fn pull(admin: SocketAddr, plug: &str) -> (u16, Value) {
    ask(admin, &format!("POST /dev/plug/{plug}"), PLUG, None).await
}

/// Pulls a plug and waits until its part serves again.
async fn pulled(admin: SocketAddr, plug: &str) {
    let (status, mut answer) = pull(admin, plug).await;
    let took_ms = answer["took_ms"].take();
    assert!(took_ms.is_u64(), "{took_ms} in {answer}");
    assert_eq!(
        (status, &answer["plug"], &answer["done"]),
        (200, &json!(plug), &json!(true))
    );
}

async fn history(admin: SocketAddr, query: &str) -> (u16, Value) {
    ask(
        admin,
        &format!("GET /dev/rooms/{ROOM}/history{query}"),
        PLUG,
        None,
    )
    .await
}

/// Sends numbered inputs as far as `allowed`, until its sender is gone and all are answered.
async fn number(mut client: Client, mut allowed: watch::Receiver<u64>) -> Client {
    let (mut sent, mut is_open) = (0, true);
    loop {
        let room = &client.rooms[ROOM];
        let (is_shown, unanswered) = (room.is_shown(), room.unanswered());
        let has_more = sent < *allowed.borrow_and_update();
        if !is_open && !has_more && unanswered == 0 {
            return client;
        }
        if has_more && is_shown && unanswered < MAX_UNANSWERED {
            sent += 1;
            client.input(ROOM, json!({"number": sent})).await;
            continue;
        }
        tokio::select! {
            changed = allowed.changed(), if is_open => is_open = changed.is_ok(),
            read = client.next() => {
                if read.is_none() || client.has_notice("draining") {
                    client.reconnect_until_open().await;
                }
            }
        }
    }
}

/// Watches until `total` inputs show.
async fn watch_all(mut client: Client, total: u64) -> Client {
    while client.rooms[ROOM].view["count"] != total {
        if client.next().await.is_none() || client.has_notice("draining") {
            client.reconnect_until_open().await;
        }
    }
    client
}

/// A player and a spectator of a process.
struct Play {
    allowed: watch::Sender<u64>,
    player: JoinHandle<Client>,
    viewer: JoinHandle<Client>,
    total: u64,
}

impl Play {
    /// Starts both. The player may send [`INPUTS`] for each of `pulls`.
    async fn start(site: &Site, pulls: usize) -> Self {
        let total = INPUTS * pulls as u64;
        let (allowed, is_allowed) = watch::channel(0);
        let mut player = site.client(0, "alice").await;
        player.join(ROOM, json!({})).await;
        let player = tokio::spawn(number(player, is_allowed));
        let mut viewer = site.client(0, "sue").await;
        viewer.join(ROOM, json!({"role": "spectator"})).await;
        let viewer = tokio::spawn(watch_all(viewer, total));
        Self {
            allowed,
            player,
            viewer,
            total,
        }
    }

    /// Lets the player send more, and does not wait.
    fn go_on(&self) {
        self.allowed.send_modify(|allowed| *allowed += INPUTS);
    }

    /// Waits until all inputs are acked and show, and checks that each does so once.
    async fn end(self, admin: SocketAddr) {
        let total = self.total;
        drop(self.allowed);
        let player = self.player.await.unwrap();
        let room = &player.rooms[ROOM];
        assert_eq!((room.acked, &room.rejected), (total, &BTreeMap::new()));
        let viewer = self.viewer.await.unwrap();
        // A snapshot may cover several inputs, but no input comes twice or before an earlier one.
        let updates = viewer.rooms[ROOM].updates.iter();
        let shown: Vec<_> = updates
            .map(|update| update["data"]["number"].as_u64())
            .collect();
        assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");

        let (status, history) = history(admin, "?limit=1000").await;
        assert_eq!(
            (status, &history["equal"]),
            (200, &json!(true)),
            "{history}"
        );
        assert_eq!(history["state"]["game"]["counts"], json!([total, total]));
        let entries = history["entries"].as_array().unwrap();
        let inputs = entries.iter().filter(|entry| {
            let event = &entry["event"];
            event["kind"] == "input" && event["skipped"] == Value::Null
        });
        let applied: Vec<_> = inputs.map(|entry| &entry["event"]["input"]).collect();
        assert_eq!(applied, (1..=total).collect::<Vec<_>>());
        let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    }
}

async fn nothing_is_lost_whatever_plug_is_pulled(site: Site) {
    let plugs = ["worker", "edge", "drain", "bus"].repeat(2);
    let admin = site.edges[0].admin();
    let play = Play::start(&site, plugs.len()).await;
    for plug in plugs {
        play.go_on();
        pulled(admin, plug).await;
    }
    play.end(admin).await;
    // A client that comes later is served by the new parts.
    let mut late = site.client(0, "lily").await;
    late.join(ROOM, json!({})).await;
    late.input(ROOM, json!("late")).await;
    late.until_answered(ROOM).await;
}

#[tokio::test]
async fn with_nats_all_plugs_but_the_bus_are_pulled() {
    let nats = NatsServer::start().await;
    let start = Start::grandstand("dev").flag("--nats", nats.url());
    let start = start.flag("--secret", SECRET).flag("--log", "info");
    let mut site = Site::new(vec![Process::start(start, true).await], None, Some(nats));
    let admin = site.edges[0].admin();
    let plugs = ["worker", "edge", "drain"];
    let play = Play::start(&site, plugs.len()).await;
    for plug in plugs {
        play.go_on();
        pulled(admin, plug).await;
    }
    let (status, answer) = pull(admin, "bus").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (501, &json!("impossible"))
    );
    play.end(admin).await;

    // While NATS is away nothing is pulled, and the process goes on.
    site.nats.as_mut().unwrap().kill9();
    while get(admin, "/ready").await.unwrap().0 == 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (plug, status) in [("worker", 503), ("edge", 503), ("drain", 503), ("bus", 501)] {
        assert_eq!(pull(admin, plug).await.0, status, "{plug}");
    }
    site.nats.as_mut().unwrap().restart().await;
    while get(admin, "/ready").await.unwrap().0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pulled(admin, "edge").await;
}

async fn only_pages_of_this_server_pull_plugs(site: Site) {
    let (admin, port) = (site.edges[0].admin(), site.address(0).port());
    let own = [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
    ];
    let asks = async |request: &str, headers: &str| ask(admin, request, headers, None).await;
    let forbidden = async |request: &str, headers: String| {
        let (status, answer) = asks(request, &headers).await;
        let code = &answer["error"]["code"];
        assert_eq!(
            (status, code),
            (403, &json!("forbidden")),
            "{request} {headers}"
        );
    };
    let paths = [
        "POST /dev/plug/worker",
        "POST /dev/plug/none",
        "GET /dev/rooms/relay-1/history",
    ];
    for path in paths {
        forbidden(path, String::new()).await;
        forbidden(path, "x-grandstand-plug: 0\r\n".to_owned()).await;
        for foreign in [
            "http://play.example",
            "null",
            "https://127.0.0.1:1",
            "http://localhost",
        ] {
            forbidden(path, format!("{PLUG}origin: {foreign}\r\n")).await;
        }
        // A page whose own name leads to this machine.
        let rebound = async |host: &str| {
            let text =
                format!("{path} HTTP/1.1\r\nhost: {host}\r\n{PLUG}connection: close\r\n\r\n");
            grandstand_harness::admin::exchange(admin, &text)
                .await
                .unwrap()
        };
        assert!(rebound("play.example").await.starts_with("HTTP/1.1 403 "));
    }
    for origin in own {
        let headers = format!("origin: {origin}\r\naccess-control-request-method: POST\r\n");
        let preflight = asks("OPTIONS /dev/plug/worker", &headers).await;
        assert_eq!(preflight, (204, Value::Null));
        forbidden("POST /dev/plug/worker", format!("origin: {origin}\r\n")).await;
        let headers = format!("{PLUG}origin: {origin}\r\nsec-fetch-site: same-site\r\n");
        assert_eq!(asks("POST /dev/plug/worker", &headers).await.0, 200);
    }
    let foreign = "origin: http://play.example\r\naccess-control-request-method: POST\r\n";
    forbidden("OPTIONS /dev/plug/worker", foreign.to_owned()).await;
    for (request, status) in [
        ("GET /dev/plug/worker", 405),
        ("POST /dev/plug/none", 404),
        ("POST /dev/plug/worker?now", 400),
        ("POST /dev/rooms/relay-1/history", 405),
    ] {
        assert_eq!(asks(request, PLUG).await.0, status, "{request}");
    }
    let (_, page) = get(site.address(0), "/").await.unwrap();
    let meta = format!(r#"<meta name="grandstand-admin" content="http://{admin}">"#);
    assert!(page.contains(&meta), "{page}");
}

async fn one_plug_at_a_time(site: Site) {
    let admin = site.edges[0].admin();
    let (first, second) = tokio::join!(pull(admin, "bus"), pull(admin, "bus"));
    let (done, busy) = if first.0 == 200 {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!((done.0, busy.0), (200, 409), "{} {}", done.1, busy.1);
    assert_eq!(busy.1["error"]["code"], "busy");
    pulled(admin, "worker").await;
}

async fn the_history_answers_what_is_wrong(site: Site) {
    let admin = site.edges[0].admin();
    assert_eq!(history(admin, "").await.0, 404);
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    for number in 0..5 {
        alice.input(ROOM, json!(number)).await;
    }
    alice.until_answered(ROOM).await;
    let (status, all) = history(admin, "").await;
    let entries = all["entries"].as_array().unwrap();
    assert_eq!(
        (status, entries.len(), &all["room"]),
        (200, 6, &json!(ROOM))
    );
    assert_eq!(entries[0]["event"]["kind"], "joined");
    let (_, last) = history(admin, "?limit=2").await;
    assert_eq!(last["entries"].as_array().unwrap(), &entries[4..]);
    assert_eq!(
        (&last["state"], &last["equal"]),
        (&all["state"], &json!(true))
    );
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?last=2"] {
        assert_eq!(history(admin, query).await.0, 400, "{query}");
    }
    let (status, answer) = ask(admin, "GET /dev/rooms/a%20b/history", PLUG, None).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &json!("bad_room"))
    );
}

/// Another socket listens at the edge's address, which an edge that starts refuses to share.
async fn a_part_that_cannot_start_again_ends_the_process(mut site: Site) {
    let (admin, address) = (site.edges[0].admin(), site.address(0));
    let thief = TcpSocket::new_v4().unwrap();
    thief.set_reuseaddr(true).unwrap();
    thief.set_reuseport(true).unwrap();
    thief.bind(address).unwrap();
    let _thief = thief.listen(1).unwrap();
    let (status, answer) = pull(admin, "edge").await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("ending")));
    let ended = site.edges[0].ended().await;
    let log = site.edges[0].log_text();
    assert_eq!(ended.code(), Some(98), "{log}");
    assert!(
        log.contains("--listen: ") && log.contains("is taken"),
        "{log}"
    );
}

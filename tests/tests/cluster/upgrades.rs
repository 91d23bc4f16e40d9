//! Edges are replaced by new processes while clients connect and play.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt as _;
use grandstand_harness::child::Child;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::{NatsServer, TempDir};
use grandstand_harness::ports::Port;
use grandstand_harness::process::{PATIENCE, Process, Start, get};
use grandstand_harness::programs;
use grandstand_harness::rig::Plan;
use grandstand_harness::site::{self, everywhere, token};
use serde_json::{Value, json};
use tokio::net::UnixDatagram;
use tokio::task::JoinSet;
use tokio::time::Instant;

const ROOM: &str = "relay-1";
/// Clients that connect, are welcomed, and leave, over and over.
const VISITORS: usize = 8;
const UPGRADES: u16 = 10;

/// NATS, a worker, and an edge that can be replaced.
struct Upgradable {
    edge: Process,
    folder: TempDir,
    _worker: Process,
    nats: NatsServer,
}

impl Upgradable {
    async fn start() -> Self {
        Self::draining(300).await
    }

    /// An edge that drains for so long.
    async fn draining(drain_ms: u32) -> Self {
        let nats = NatsServer::start().await;
        let plan = Plan {
            partitions: 8,
            ..Plan::default()
        };
        let worker = Process::start(plan.worker(&nats.url(), "worker"), false).await;
        let folder = TempDir::new("upgrades");
        let start = site::edge(&nats.url())
            .flag("--log", "info")
            .env("GRANDSTAND_EDGE_CLUSTER_PARTITIONS", 8)
            .env("GRANDSTAND_EDGE_EDGE_DRAIN_MS", drain_ms)
            .env(
                "GRANDSTAND_EDGE_UPGRADE_SOCKET",
                folder.path().join("edge.sock").display(),
            );
        Self {
            edge: Process::start(start, true).await,
            folder,
            _worker: worker,
            nats,
        }
    }

    fn client_options(&self, player: &str) -> ClientOptions {
        ClientOptions::new(self.edge.address()).token(&token(player, 3600, &everywhere()))
    }

    /// Replaces the edge, and waits for the end of the earlier process.
    async fn upgrade(&mut self, change: impl FnOnce(Start) -> Start) {
        let mut old = self.edge.start_beside(change).unwrap();
        let ended = old.try_ended(PATIENCE).await;
        let log = self.edge.log_tail();
        assert!(
            ended.is_some_and(|status| status.success()),
            "{ended:?}, the new process:\n{log}"
        );
        assert_eq!(self.edge.status(), None, "{log}");
    }

    /// The edge that runs goes on after a new process that ended.
    async fn keep(&mut self, old: Child) {
        drop(self.edge.put_back(old));
        let mut client = Client::connect(self.client_options("kate")).await;
        client.join(ROOM, json!({})).await;
        client.input(ROOM, json!(0)).await;
        client.until_answered(ROOM).await;
        assert!(self.edge.is_ready().await);
    }
}

/// Connects over and over until `stop`. Each connection must be upgraded and welcomed.
async fn visit(options: ClientOptions, stop: Arc<AtomicBool>, visits: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let mut socket = options
            .try_open()
            .await
            .expect("a connection is refused or reset");
        let first = socket.next().await.expect("a message").expect("no reset");
        assert!(first.to_text().unwrap().contains("welcome"), "{first}");
        visits.fetch_add(1, Ordering::Relaxed);
    }
}

/// Plays until `stop`, and moves whenever the edge says so or closes. Returns the number of inputs.
async fn play(options: ClientOptions, stop: Arc<AtomicBool>) -> u64 {
    let address: SocketAddr = options.address;
    let mut client = Client::connect(options).await;
    client.join(ROOM, json!({})).await;
    let mut sent = 0;
    loop {
        let room = &client.rooms[ROOM];
        let is_answered = room.unanswered() == 0;
        if is_answered && stop.load(Ordering::Relaxed) {
            assert_eq!((room.acked, room.rejected.len(), room.busy), (sent, 0, 0));
            return sent;
        }
        if is_answered && room.is_shown() {
            sent += 1;
            client.input(ROOM, json!(sent)).await;
        } else if client.next().await.is_none() {
            client.reconnect(address).await;
        }
    }
}

#[tokio::test]
async fn ten_upgrades_under_load_refuse_and_reset_no_connection() {
    let mut site = Upgradable::start().await;
    let (stop, visits) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let mut visitors = JoinSet::new();
    for visitor in 0..VISITORS {
        let options = site.client_options(&format!("v{visitor}"));
        visitors.spawn(visit(options, Arc::clone(&stop), Arc::clone(&visits)));
    }
    let player = tokio::spawn(play(site.client_options("alice"), Arc::clone(&stop)));
    for round in 0..UPGRADES {
        let before = visits.load(Ordering::Relaxed);
        // As many shards as sockets, more, and fewer.
        let shards = [2, 4, 1][usize::from(round % 3)];
        site.upgrade(|start| start.replace_flag("--shards", shards))
            .await;
        // Clients reach the new process.
        while visits.load(Ordering::Relaxed) == before {
            if let Some(failed) = visitors.try_join_next() {
                failed.unwrap();
            }
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(visited) = visitors.join_next().await {
        visited.unwrap();
    }
    let sent = player.await.unwrap();
    println!(
        "{} connections, {sent} inputs",
        visits.load(Ordering::Relaxed)
    );
    let mut bob = Client::connect(site.client_options("bob")).await;
    bob.join(ROOM, json!({})).await;
    bob.until("all inputs show", |c| c.rooms[ROOM].view["count"] == sent)
        .await;
}

#[tokio::test]
async fn the_new_process_answers_for_the_earlier_one_while_that_drains() {
    let mut site = Upgradable::draining(60_000).await;
    let mut alice = Client::connect(site.client_options("alice")).await;
    alice.join(ROOM, json!({})).await;
    let admin = site.edge.admin();
    let ask = async |path: &str| {
        let (status, text) = get(admin, path).await.unwrap_or_default();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    };
    assert_eq!(ask("/v1/draining").await.1, json!({"draining": []}));
    let mut old = site.edge.start_beside(|start| start).unwrap();
    let process = old.pid();
    let deadline = Instant::now() + PATIENCE;
    // Either process may answer until the new one has taken over.
    while ask("/v1/draining").await.1["draining"][0]["process"] != process {
        assert!(Instant::now() < deadline, "{}", site.edge.log_tail());
    }
    let mut bob = Client::connect(site.client_options("bob")).await;
    bob.join(ROOM, json!({})).await;
    let path = format!("/v1/draining/{process}/connections");
    let (status, of_old) = ask(&path).await;
    assert_eq!(status, 200, "{of_old}");
    assert_eq!(of_old["connections"][0]["player"], "alice", "{of_old}");
    let (_, of_new) = ask("/v1/connections").await;
    assert_eq!(of_new["connections"][0]["player"], "bob", "{of_new}");
    for (path, status) in [
        (format!("/v1/draining/{process}/nothing"), 404),
        ("/v1/draining/1/connections".to_owned(), 404),
        (format!("/v1/draining/{process}/rooms?limit=0"), 400),
    ] {
        assert_eq!(ask(&path).await.0, status, "{path}");
    }
    let (_, metrics) = get(admin, "/metrics").await.unwrap();
    let of_old = format!("grandstand_edge_connections{{draining=\"{process}\"");
    let sum = |lines: &str, is_old: bool| -> f64 {
        let connections = lines.lines().filter(|line| {
            let name = line.split(['{', ' ']).next();
            name == Some("grandstand_edge_connections") && line.starts_with(&of_old) == is_old
        });
        let values = connections.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    };
    assert_eq!((sum(&metrics, true), sum(&metrics, false)), (1.0, 1.0));
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(get(admin, "/ready").await.unwrap().0, 200);

    drop(alice);
    let ended = old.try_ended(PATIENCE).await;
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    let deadline = Instant::now() + PATIENCE;
    while ask("/v1/draining").await.1["draining"] != json!([]) {
        assert!(Instant::now() < deadline);
    }
    let (_, metrics) = get(admin, "/metrics").await.unwrap();
    assert!(!metrics.contains("draining="), "{metrics}");
    bob.settle().await;
}

#[tokio::test]
async fn a_new_process_that_fails_changes_nothing() {
    let mut site = Upgradable::start().await;
    let nobody = Port::take();
    let nowhere = format!("nats://{}", nobody.address());
    let (timeout, url) = ("GRANDSTAND_EDGE_CLUSTER_CONNECT_TIMEOUT_S", "--nats");
    // It never reaches NATS.
    let mut old = site
        .edge
        .start_beside(|start| start.replace_flag(url, &nowhere).env(timeout, 1))
        .unwrap();
    let ended = site.edge.try_ended(PATIENCE).await.unwrap();
    assert_eq!(ended.code(), Some(69), "{}", site.edge.log_tail());
    assert_eq!(old.status(), None);
    site.keep(old).await;
    // It is killed while it waits.
    let old = site
        .edge
        .start_beside(|start| start.env(timeout, 0))
        .unwrap();
    while !site.edge.log_text().contains("taking over") {
        tokio::task::yield_now().await;
    }
    site.edge.kill9();
    site.keep(old).await;
    // Its configuration is wrong.
    let old = site
        .edge
        .start_beside(|start| start.replace_flag("--shards", 5000))
        .unwrap();
    let ended = site.edge.try_ended(PATIENCE).await.unwrap();
    assert_eq!(ended.code(), Some(78), "{}", site.edge.log_tail());
    site.keep(old).await;
    // It is right.
    let nats = site.nats.url();
    site.upgrade(|start| start.replace_flag("--shards", 2).replace_flag(url, &nats))
        .await;
    let kept = site.folder.path().join("edge.sock");
    site.edge.term();
    assert!(site.edge.ended().await.success());
    assert!(!kept.exists());
}

/// An edge to which a service manager has handed `socket` over as `edge.listen`.
fn activated(nats: &str, socket: impl Into<OwnedFd>, listen: SocketAddr) -> Command {
    let script = r#"export LISTEN_PID=$$ LISTEN_FDS=${COUNT:-1} LISTEN_FDNAMES=edge.listen; exec "$0" "$@" 3<&0"#;
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(programs::grandstand().unwrap())
        .args([
            "edge",
            "--nats",
            nats,
            "--shards",
            "2",
            "--admin",
            "127.0.0.1:0",
        ])
        .args(["--listen", &listen.to_string()])
        .env("GRANDSTAND_EDGE_AUTH_SECRET", site::SECRET)
        .stdin(Stdio::from(socket.into()))
        .stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn a_service_manager_hands_sockets_over() {
    let nats = NatsServer::start().await;
    // It creates the cluster.
    let _worker = Process::start(Start::worker().flag("--nats", nats.url()), false).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = listener.local_addr().unwrap();
    let folder = TempDir::new("notified");
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    let mut edge = activated(&nats.url(), listener, listen)
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .spawn()
        .unwrap();
    // Clients wait in the queue while the edge starts.
    let options = ClientOptions::new(listen).token(&token("alice", 3600, &everywhere()));
    let opened = tokio::time::timeout(PATIENCE, options.try_open()).await;
    let mut told = [0; 256];
    let notified = tokio::time::timeout(PATIENCE, manager.recv(&mut told)).await;
    let pid = edge.id();
    edge.kill().unwrap();
    edge.wait().unwrap();
    opened.unwrap().unwrap();
    let told = std::str::from_utf8(&told[..notified.unwrap().unwrap()]).unwrap();
    assert_eq!(told, format!("READY=1\nMAINPID={pid}\n"));

    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = datagrams.local_addr().unwrap();
    let last = refused(activated(&nats.url(), datagrams, listen)).await;
    assert!(
        last.contains("edge.listen") && last.contains("datagram"),
        "{last}"
    );
}

/// Runs an edge that does not start. Returns its last line.
async fn refused(mut edge: Command) -> String {
    let output = tokio::task::spawn_blocking(move || edge.output().unwrap());
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{text}");
    text.lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn descriptors_that_the_service_manager_has_not_opened_are_not_touched() {
    let nowhere = format!("nats://{}", Port::take().address());
    for count in ["2", "5", "100", "1000000", "-1", "many"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        let mut edge = activated(&nowhere, listener, listen);
        edge.env("COUNT", count);
        let last = refused(edge).await;
        assert!(last.contains("LISTEN_FDS"), "{count}: {last}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_an_edge_at_once_and_is_no_failure() {
    let mut site = Upgradable::draining(60_000).await;
    let mut client = Client::connect(site.client_options("kate")).await;
    client.join(ROOM, json!({})).await;
    site.edge.term();
    client
        .until("the notice", |client| client.has_notice("draining"))
        .await;
    site.edge.term();
    let ended = site.edge.ended().await;
    let log = site.edge.log_text();
    assert!(ended.success(), "{ended}: {log}");
    assert!(log.contains("ending at once"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

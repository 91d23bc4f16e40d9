//! An edge that is short of memory sheds new connections, then spectators, then players, and recovers.

use std::path::Path;

use grandstand_harness::client::Client;
use grandstand_harness::nats::{NatsServer, TempDir};
use grandstand_harness::process::{PATIENCE, Process, Start, get};
use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;

use crate::reloads::{ROOM, SECRETS, client_options, edge_config, plays, reload, write};

/// A limit that no edge reaches, so that the memory of the process alone is measured.
const PLENTY: f64 = 1e12;

/// The metrics of the memory that is used, and of its lack.
const USED: &str = "grandstand_edge_memory_used_bytes";
const SHORT: &str = r#"grandstand_edge_degraded{why="memory"}"#;

/// An edge whose limit of memory changes.
struct Shedding {
    edge: Process,
    file: std::path::PathBuf,
    reloads: f64,
}

impl Shedding {
    fn configure(file: &Path, limit: f64) {
        let limits = format!(
            "[limits]\nmemory_percent = 85\nmemory_bytes = {}\n",
            limit as u64
        );
        write(file, &edge_config(SECRETS[0], &limits));
    }

    /// Sets the limit so that this share of it is in use.
    async fn use_up(&mut self, percent: f64) {
        let deadline = Instant::now() + PATIENCE;
        // It is measured only a while after the start.
        let used = loop {
            match self.edge.metric(USED).await {
                Some(used) if used > 0.0 => break used,
                _ => assert!(Instant::now() < deadline, "{}", self.edge.log_text()),
            }
        };
        Self::configure(&self.file, used * 100.0 / percent);
        self.reload().await;
    }

    async fn reload(&mut self) {
        self.reloads += 1.0;
        reload(&self.edge, self.reloads).await;
    }

    /// Waits until the edge says whether memory is short.
    async fn until_short(&self, is_short: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.edge.metric(SHORT).await != Some(f64::from(u8::from(is_short))) {
            assert!(Instant::now() < deadline, "{}", self.edge.log_text());
            tokio::task::yield_now().await;
        }
    }
}

/// Waits for the error that says when a client may come again.
async fn is_told_when(client: &mut Client) {
    let error = client.expect("error", json!({"code": "overloaded"})).await;
    let wait = error["retry_after_ms"].as_u64().unwrap_or_default();
    assert!((5_000..=10_000).contains(&wait), "{error}");
}

#[tokio::test]
async fn new_connections_are_shed_first_then_spectators_then_players() {
    let (nats, folder) = (NatsServer::start().await, TempDir::new("shedding"));
    let _worker = Process::start(Start::worker().flag("--nats", nats.url()), false).await;
    let file = folder.path().join("edge.toml");
    Shedding::configure(&file, PLENTY);
    let start = Start::edge()
        .flag("--nats", nats.url())
        .flag("--config", file.display());
    let mut site = Shedding {
        edge: Process::start(start, true).await,
        file,
        reloads: 0.0,
    };
    let connect =
        async |site: &Shedding| Client::connect(client_options(&site.edge, SECRETS[0])).await;
    let mut player = connect(&site).await;
    player.join(ROOM, json!({})).await;
    let mut spectator = connect(&site).await;
    spectator.join(ROOM, json!({"role": "spectator"})).await;

    site.use_up(87.5).await;
    site.until_short(true).await;
    let (status, text) = get(site.edge.admin(), "/ready?format=text").await.unwrap();
    assert_eq!(status, 503);
    assert!(text.contains("new connections are refused"), "{text}");
    let refused = client_options(&site.edge, SECRETS[0])
        .try_open()
        .await
        .unwrap_err();
    let Error::Http(answer) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    player.settle().await;
    spectator.settle().await;

    site.use_up(92.5).await;
    is_told_when(&mut spectator).await;
    assert_eq!(spectator.until_closed().await, 1013);
    player.settle().await;

    site.use_up(110.0).await;
    is_told_when(&mut player).await;
    assert_eq!(player.until_closed().await, 1013);

    Shedding::configure(&site.file, PLENTY);
    site.reload().await;
    site.until_short(false).await;
    plays(client_options(&site.edge, SECRETS[0])).await;
    let refusals = r#"grandstand_edge_limited_total{limit="memory"}"#;
    assert!(site.edge.metric(refusals).await.unwrap() >= 1.0);
}

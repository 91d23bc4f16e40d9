//! A complete Grandstand of real processes: `grandstand dev` alone, or NATS, a worker and two edges.

use std::net::SocketAddr;
use std::path::PathBuf;

use grandstand_common::auth::{Claims, Signer};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;

use crate::client::{Client, ClientOptions};
use crate::nats::{NatsServer, TempDir};
use crate::process::{Process, Start};

/// The key that signs tokens.
pub const SECRET: &str = "a secret for tests only, 32 bytes";

/// A running Grandstand.
#[derive(Debug)]
pub struct Site {
    /// The edges, or the single `grandstand dev` process. They are dropped before the processes that they need.
    pub edges: Vec<Process>,
    /// The worker, if it is a separate process.
    pub worker: Option<Process>,
    /// NATS, if it is not embedded.
    pub nats: Option<NatsServer>,
    /// The folder of the embedded bus, if it has one.
    data: Option<TempDir>,
}

impl Site {
    /// Starts one process with two shards.
    pub async fn embedded() -> Self {
        Self::dev(2, None).await
    }

    /// Starts one process with one shard, so that a client that reconnects finds the same ring of updates.
    pub async fn one_shard() -> Self {
        Self::dev(1, None).await
    }

    /// Starts one process that stores its rooms in a folder.
    pub async fn on_disk() -> Self {
        Self::dev(2, Some(TempDir::new("data"))).await
    }

    async fn dev(shards: u16, data: Option<TempDir>) -> Self {
        let mut start = Start::grandstand("dev")
            .flag("--shards", shards)
            .flag("--secret", SECRET)
            .env("GRANDSTAND_EDGE_EDGE_API", "true")
            .flag("--log", "info");
        if let Some(data) = &data {
            start = start.flag("--data", data.path().join("rooms").display());
        }
        Self {
            edges: vec![Process::start(start, true).await],
            worker: None,
            nats: None,
            data,
        }
    }

    /// Starts NATS, a worker and two edges.
    pub async fn on_nats() -> Self {
        Self::on_nats_with(&[]).await
    }

    /// Starts a site like [`Self::on_nats`], whose edges accept clients for 0.3 s more, then drain for one second.
    pub async fn quickly_drained() -> Self {
        Self::on_nats_with(&[
            ("GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS", "300"),
            ("GRANDSTAND_EDGE_EDGE_DRAIN_MS", "1000"),
        ])
        .await
    }

    /// Starts a site like [`Self::on_nats`], whose worker signs invitations.
    pub async fn inviting() -> Self {
        let keys = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../common/src/auth/testdata"
        );
        Self::on_nats_with(&[
            (
                "GRANDSTAND_WORKER_AUTH_SIGNING_KEY_FILE",
                &format!("{keys}/eddsa.key.pem"),
            ),
            (
                "GRANDSTAND_EDGE_AUTH_PUBLIC_KEY_FILES",
                &format!("{keys}/eddsa.pem"),
            ),
        ])
        .await
    }

    /// Starts a site like [`Self::on_nats`], whose processes end only when they are asked twice.
    pub async fn never_drained() -> Self {
        Self::on_nats_with(&[
            ("GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS", "3600000"),
            ("GRANDSTAND_WORKER_WORKER_DRAIN_MS", "3600000"),
        ])
        .await
    }

    async fn on_nats_with(variables: &[(&str, &str)]) -> Self {
        let nats = NatsServer::start().await;
        // Tests read stored rooms, which the default cadence stores after a minute.
        let worker = Start::worker()
            .flag("--nats", nats.url())
            .env("GRANDSTAND_WORKER_ROOMS_SNAPSHOT_DELAY_MS", 1000);
        let with_variables = |start: Start| {
            let variables = variables.iter();
            variables.fold(start, |start, (name, value)| start.env(name, value))
        };
        let worker = with_variables(worker);
        let edge = |name: &str| with_variables(edge(&nats.url()).flag("--name", name));
        let (worker, first, second) = tokio::join!(
            Process::start(worker, false),
            Process::start(edge("first"), true),
            Process::start(edge("second"), true)
        );
        Self {
            edges: vec![first, second],
            worker: Some(worker),
            nats: Some(nats),
            data: None,
        }
    }

    /// A site of processes that already run.
    pub fn new(edges: Vec<Process>, worker: Option<Process>, nats: Option<NatsServer>) -> Self {
        Self {
            edges,
            worker,
            nats,
            data: None,
        }
    }

    /// The address for clients of edge `edge`, modulo the number of edges.
    pub fn address(&self, edge: usize) -> SocketAddr {
        self.edges[edge % self.edges.len()].address()
    }

    /// The connection options of a player with access to all rooms.
    pub fn client_options(&self, edge: usize, player: &str) -> ClientOptions {
        ClientOptions::new(self.address(edge)).token(&token(player, 3600, &everywhere()))
    }

    /// Connects a player with access to all rooms.
    pub async fn client(&self, edge: usize, player: &str) -> Client {
        Client::connect(self.client_options(edge, player)).await
    }

    /// The process that owns the rooms.
    pub fn owner(&mut self) -> &mut Process {
        match &mut self.worker {
            Some(worker) => worker,
            None => &mut self.edges[0],
        }
    }

    /// Whether clients lose their connections when the owner of the rooms ends.
    pub fn is_one_process(&self) -> bool {
        self.worker.is_none()
    }

    /// The folder of the embedded bus.
    pub fn folder(&self) -> PathBuf {
        let data = self.data.as_ref().expect("the embedded bus has a folder");
        data.path().join("rooms")
    }
}

/// Permission to play in all rooms.
pub fn everywhere() -> [(&'static str, Role); 3] {
    [
        ("memory-*", Role::Player),
        ("relay-*", Role::Player),
        ("arena-*", Role::Player),
    ]
}

/// An edge that trusts [`token`]s and has no balancer in front.
pub fn edge(nats: &str) -> Start {
    Start::edge()
        .flag("--nats", nats)
        .flag("--shards", 1)
        .env("GRANDSTAND_EDGE_AUTH_SECRET", SECRET)
        .env("GRANDSTAND_EDGE_EDGE_API", "true")
        .env("GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS", 0)
}

/// A token that is valid for `seconds`.
pub fn token(player: &str, seconds: u64, rooms: &[(&str, Role)]) -> String {
    let player = player.parse().expect("a player's name");
    let mut claims = Claims::new(player, unix_ms() / 1000 + seconds);
    for &(pattern, role) in rooms {
        claims = claims.allow(pattern, role, None).expect("a pattern");
    }
    let signer = Signer::hs256(SECRET.as_bytes());
    signer.expect("the secret is a valid key").sign(&claims)
}

//! An archive on a bus in this process, with a database of each kind.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bus, BusOptions};
use grandstand_common::leaderboard::{LeaderboardPage, LeaderboardRequest, Measure};
use grandstand_common::process::admin::Status;
use grandstand_common::process::drain;
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::supervisor::Supervisor;
use grandstand_harness::nats::TempDir;
use grandstand_harness::postgres::PostgresServer;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::archive::batch::{Batch, StoreError, Stored};
use crate::archive::consumer::Consumer;
use crate::archive::health::Health;
use crate::archive::leaderboards::Leaderboards;
use crate::archive::metrics::{ArchiveMetrics, Outcome};
use crate::archive::postgres::PostgresDatabase;
use crate::archive::run::Archive;
use crate::archive::schema::{MIGRATIONS, Migration};
use crate::archive::sqlite::SqliteDatabase;
use crate::archive::store::Database;

/// The most time for anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The database of a test.
#[derive(Debug)]
pub(super) enum Place {
    Postgres(PostgresServer),
    Sqlite(TempDir),
}

impl Place {
    pub(super) async fn postgres() -> Self {
        Self::Postgres(PostgresServer::start().await)
    }

    pub(super) async fn sqlite() -> Self {
        Self::Sqlite(TempDir::new("archive"))
    }

    /// The file of SQLite.
    pub(super) fn file(&self) -> PathBuf {
        match self {
            Self::Postgres(_) => panic!("it is no file"),
            Self::Sqlite(dir) => dir.path().join("results.sqlite"),
        }
    }

    pub(super) fn server(&mut self) -> &mut PostgresServer {
        match self {
            Self::Postgres(server) => server,
            Self::Sqlite(_) => panic!("it is no server"),
        }
    }

    pub(super) fn open(&self) -> Database {
        self.open_with(MIGRATIONS).unwrap()
    }

    pub(super) fn open_with(
        &self,
        migrations: &'static [Migration],
    ) -> Result<Database, StoreError> {
        Ok(match self {
            Self::Postgres(server) => Database::Postgres(PostgresDatabase::new(
                &server.url(),
                None,
                migrations,
                &Supervisor::default(),
            )?),
            Self::Sqlite(_) => {
                Database::Sqlite(SqliteDatabase::open(Some(&self.file()), migrations)?)
            }
        })
    }

    /// The number that a statement answers with.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Postgres(server) => {
                let url = server.url();
                let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls);
                let (client, connection) = connected.await.unwrap();
                tokio::spawn(connection);
                client
                    .batch_execute("SET search_path TO grandstand")
                    .await
                    .unwrap();
                client.query_one(sql, &[]).await.unwrap().get(0)
            }
            Self::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                connection.query_row(sql, [], |row| row.get(0)).unwrap()
            }
        }
    }

    /// Changes something in PostgreSQL.
    pub(super) async fn execute(&self, sql: &str) {
        let Self::Postgres(server) = self else {
            panic!("it is no server");
        };
        let url = server.url();
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls);
        let (client, connection) = connected.await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }
}

/// A running archive.
pub(super) struct Running {
    pub(super) metrics: ArchiveMetrics,
    pub(super) status: Status,
    signal: drain::Signal,
    task: JoinHandle<Result<(), StoreError>>,
}

impl Running {
    pub(super) fn start(bus: &Bus, database: Database) -> Self {
        let mut registry = registry(Build {
            service: "archive",
            version: "0",
        });
        let metrics = ArchiveMetrics::register(&mut registry);
        let status = Status::new();
        let (signal, watch) = drain::channel();
        let archive = Archive {
            bus: bus.clone(),
            database,
            metrics: metrics.clone(),
            component: status.component("archive"),
            watch,
        };
        Self {
            metrics,
            status,
            signal,
            task: tokio::spawn(archive.run()),
        }
    }

    /// Ends the archive in order.
    pub(super) async fn end(self) {
        self.signal.start(Instant::now());
        self.task.await.unwrap().unwrap();
    }

    /// Waits for the archive to fail.
    pub(super) async fn failed(self) -> StoreError {
        self.task.await.unwrap().unwrap_err()
    }

    /// The number of messages with this outcome.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.metrics.results.get(outcome)
    }
}

pub(super) fn bus() -> Bus {
    Bus::embedded(&BusOptions::default()).unwrap()
}

/// Emits a result with this id.
pub(super) async fn emit(bus: &Bus, id: &str, data: Value) {
    let body = json!({
        "id": id, "room": "memory-1", "game": "memory", "topic": "results", "at_ms": 1_700_000_000_000_u64, "data": data,
    });
    emit_body(bus, id, body.to_string().into()).await;
}

pub(super) async fn emit_body(bus: &Bus, id: &str, body: Bytes) {
    let topic = "results".parse().unwrap();
    bus.emit(&topic, id, body).await.unwrap().await.unwrap();
}

/// A result of one player.
pub(super) fn one(player: &str, score: i64) -> Value {
    json!({"players": [{"player": player, "score": score}]})
}

pub(super) fn request(board: &str) -> LeaderboardRequest {
    LeaderboardRequest {
        board: board.parse().unwrap(),
        season: None,
        by: Measure::Best,
        limit: 10,
        around: None,
        after: None,
    }
}

/// The page of a leaderboard, read from the database.
pub(super) async fn page(database: &Database, request: &LeaderboardRequest) -> LeaderboardPage {
    let asked = Leaderboards::new(database.clone()).page(request).await;
    asked.unwrap_or_else(|error| panic!("{request:?}: {error}"))
}

/// The ranks, players and scores of a page.
pub(super) fn ranks(page: &LeaderboardPage) -> Vec<(u64, &str, i64)> {
    let rows = page.rows.iter();
    rows.map(|row| (row.rank, row.player.as_str(), row.score))
        .collect()
}

/// Waits until something holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Stores one batch as a running archive does.
pub(super) async fn store_alone(
    bus: &Bus,
    database: &Database,
    batch: Batch,
) -> Result<Stored, StoreError> {
    let mut registry = registry(Build {
        service: "archive",
        version: "0",
    });
    let metrics = ArchiveMetrics::register(&mut registry);
    let component = Status::new().component("archive");
    let (_signal, watch) = drain::channel();
    let consumer = Consumer {
        bus: bus.clone(),
        topic: "results".parse().unwrap(),
        database: database.clone(),
        health: Health::new(component.clone(), metrics.clone()),
        metrics,
        pulse: component.pulse("archive"),
        watch,
    };
    let mut store = database.store().await?;
    consumer.store(&mut store, batch).await
}

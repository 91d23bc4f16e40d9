//! The archive within `grandstand dev`, in SQLite, on a thread of its own because SQLite blocks.

use std::path::Path;

use grandstand_common::bus::Bus;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::Component;
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::metrics::ArchiveMetrics;
use super::run::Archive;
use super::schema::MIGRATIONS;
use super::sqlite::SqliteDatabase;
use super::store::Database;

/// The file in the folder of `--data`.
const FILE: &str = "results.sqlite";

/// An archive that is about to run.
pub(crate) struct EmbeddedArchive {
    database: Database,
    metrics: ArchiveMetrics,
}

/// A running archive.
pub(crate) struct ArchiveThread {
    signal: drain::Signal,
    ended: oneshot::Receiver<Result<(), Failure>>,
}

impl EmbeddedArchive {
    /// Opens the database: a file in this folder, or one in memory.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub(crate) fn open(dir: Option<&Path>, registry: &mut Registry) -> Result<Self, Failure> {
        let file = dir.map(|dir| dir.join(FILE));
        let database = SqliteDatabase::open(file.as_deref(), MIGRATIONS)?;
        Ok(Self {
            database: Database::Sqlite(database),
            metrics: ArchiveMetrics::register(registry),
        })
    }

    /// Starts to store results.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn start(
        self,
        bus: Bus,
        component: Component,
        supervisor: &Supervisor,
    ) -> Result<ArchiveThread, Failure> {
        let Self { database, metrics } = self;
        let (signal, watch) = drain::channel();
        let (ending, ended) = oneshot::channel();
        let archive = Archive {
            bus,
            database,
            metrics,
            component,
            watch,
        };
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| internal(&e))?;
            runtime.block_on(archive.run()).map_err(Failure::from)
        };
        // The receiver is gone if the process is already ending.
        let body = move || drop(ending.send(run()));
        supervisor
            .thread("archive", body)
            .map_err(|e| internal(&e))?;
        Ok(ArchiveThread { signal, ended })
    }
}

impl ArchiveThread {
    /// Waits until the archive ends unasked, which is a failure.
    pub(crate) async fn ended(&mut self) -> Failure {
        match (&mut self.ended).await {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) | Err(_) => internal(&"ended unexpectedly"),
        }
    }

    /// Ends the archive after the batch under way.
    pub(crate) async fn end(self) {
        self.signal.start(Instant::now());
        self.ended.await.ok();
    }
}

fn internal(error: &impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, format!("archive: {error}"))
}

//! The archive within `grandstand dev`, in SQLite, on a thread of its own because SQLite blocks.

use std::path::Path;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::Failure;
use grandstand_common::process::admin::Component;
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;
use prometheus_client::registry::Registry;

use super::metrics::ArchiveMetrics;
use super::run::Archive;
use super::schema::MIGRATIONS;
use super::sqlite::SqliteDatabase;
use super::store::Database;
use crate::beside::Beside;

/// The file in the folder of `--data`.
const FILE: &str = "results.sqlite";

/// An archive that is about to run.
pub(crate) struct EmbeddedArchive {
    database: Database,
    metrics: ArchiveMetrics,
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
}

impl Beside for EmbeddedArchive {
    const NAME: &'static str = "archive";
    const ROLE: BusRole = BusRole::Archive;
    type Ready = Archive;

    fn ready(self, bus: Bus, component: Component, watch: drain::Watch, _: &Supervisor) -> Archive {
        let Self { database, metrics } = self;
        Archive {
            bus,
            database,
            metrics,
            component,
            watch,
        }
    }

    async fn run(archive: Archive) -> Result<(), Failure> {
        archive.run().await.map_err(Failure::from)
    }
}

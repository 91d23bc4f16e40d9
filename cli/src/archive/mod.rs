//! `grandstand archive`: stores the results of games in a database, with leaderboards.
//!
//! A message goes through these modules from the top to the bottom: from the stream, by the topic `results`, in batches to
//! a database, and from there to those who ask for a leaderboard.

mod result;

mod tally;

mod batch;

mod schema;

mod value;

mod queries;

mod postgres;

mod sqlite;

mod reading;

mod store;

mod backoff;

mod metrics;

mod health;

mod consumer;

mod page;

mod leaderboards;

mod requests;

mod config;

mod run;

mod embedded;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::ExitCode;

use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::exit::Failure;
use grandstand_common::process;
use grandstand_common::supervisor::Supervisor;
use prometheus_client::registry::Registry;

use config::ArchiveConfig;
use postgres::PostgresDatabase;
use schema::MIGRATIONS;
use sqlite::SqliteDatabase;
use store::Database;

pub(crate) use embedded::EmbeddedArchive;
pub(crate) use leaderboards::Leaderboards;

pub(crate) use run::Args;

/// Registers the metrics of an archive that does not run, for a description.
pub(crate) fn describe(registry: &mut Registry) {
    metrics::ArchiveMetrics::register(registry);
    BusMetrics::default().register(registry.sub_registry_with_prefix("archive"));
}

/// Runs until TERM or INT, and returns the exit code.
pub(crate) fn run(args: &Args) -> ExitCode {
    let sources = args.sources();
    process::run(
        "grandstand-archive",
        &args.process,
        &sources,
        async |config: ArchiveConfig, frame| run::drive(config, sources.clone(), frame).await,
    )
}

/// The leaderboards of a database that is given, read without the archive process.
pub(crate) fn leaderboards(
    postgres: Option<&str>,
    sqlite: Option<&Path>,
) -> Result<Option<Leaderboards>, Failure> {
    let database = match (postgres, sqlite) {
        (Some(url), _) => {
            let supervisor = Supervisor::default();
            let database = PostgresDatabase::new(url, None, MIGRATIONS, &supervisor)?;
            Database::Postgres(database)
        }
        (None, Some(file)) => Database::Sqlite(SqliteDatabase::open_to_read(file)?),
        (None, None) => return Ok(None),
    };
    Ok(Some(Leaderboards::new(database)))
}

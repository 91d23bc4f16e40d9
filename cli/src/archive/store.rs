//! The database of the archive: PostgreSQL or SQLite.

use grandstand_common::bus::OutPosition;

use super::batch::{Batch, StoreError, Stored};
use super::postgres::{PostgresDatabase, PostgresReader, PostgresStore};
use super::reading::Reading;
use super::sqlite::{SqliteDatabase, SqliteReading, SqliteStore};

/// The place of a database, from which connections are made.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Postgres(PostgresDatabase),
    Sqlite(SqliteDatabase),
}

/// A connection that stores results.
#[derive(Debug)]
pub(super) enum Store {
    Postgres(PostgresStore),
    Sqlite(SqliteStore),
}

/// A connection that reads.
#[derive(Debug)]
pub(super) enum Reader {
    Postgres(PostgresReader),
    Sqlite(SqliteDatabase),
}

impl Database {
    /// Connects, and brings the tables up to date.
    pub(super) async fn store(&self) -> Result<Store, StoreError> {
        Ok(match self {
            Self::Postgres(database) => Store::Postgres(database.store().await?),
            Self::Sqlite(database) => Store::Sqlite(SqliteStore::new(database)),
        })
    }

    /// Connects for questions.
    pub(super) async fn reader(&self) -> Result<Reader, StoreError> {
        Ok(match self {
            Self::Postgres(database) => Reader::Postgres(database.reader().await?),
            Self::Sqlite(database) => Reader::Sqlite(database.clone()),
        })
    }
}

impl Store {
    /// Whether this process is the one that stores.
    pub(super) async fn leads(&self) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(store) => store.leads().await,
            Self::Sqlite(_) => Ok(true),
        }
    }

    /// The place in the stream up to which everything is stored.
    pub(super) async fn position(&self) -> Result<Option<OutPosition>, StoreError> {
        match self {
            Self::Postgres(store) => store.position().await,
            Self::Sqlite(store) => store.position(),
        }
    }

    /// Stores a batch and the place behind it, all or nothing.
    pub(super) async fn store(&mut self, batch: &Batch) -> Result<Stored, StoreError> {
        match self {
            Self::Postgres(store) => store.store(batch).await,
            Self::Sqlite(store) => store.store(batch),
        }
    }
}

impl Reader {
    /// Whether the connection is lost.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Postgres(reader) => reader.is_closed(),
            Self::Sqlite(_) => false,
        }
    }

    /// Begins to look at one state of the database.
    pub(super) async fn begin(&mut self) -> Result<Reading<'_>, StoreError> {
        Ok(match self {
            Self::Postgres(reader) => Reading::Postgres(reader.begin().await?),
            Self::Sqlite(database) => Reading::Sqlite(SqliteReading::begin(database)?),
        })
    }
}

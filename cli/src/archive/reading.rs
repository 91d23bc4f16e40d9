//! A look at either database that sees one state of it.

use super::batch::StoreError;
use super::postgres::PostgresReading;
use super::sqlite::SqliteReading;
use super::value::{Cell, Param};

/// The questions of one request.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    Postgres(PostgresReading<'a>),
    Sqlite(SqliteReading),
}

impl Reading<'_> {
    /// The rows of an answer.
    pub(super) async fn rows(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        match self {
            Self::Postgres(reading) => reading.rows(sql, params).await,
            Self::Sqlite(reading) => reading.rows(sql, params),
        }
    }

    /// Ends the look.
    pub(super) async fn end(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(reading) => reading.end().await,
            Self::Sqlite(reading) => reading.end(),
        }
    }
}

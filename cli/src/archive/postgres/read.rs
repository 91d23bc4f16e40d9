//! Questions to PostgreSQL.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::error::store_error;
use crate::archive::batch::StoreError;
use crate::archive::value::{Cell, Param};

/// A connection for questions, one at a time.
#[derive(Debug)]
pub(in crate::archive) struct PostgresReader {
    client: Client,
    /// The statements that are prepared: as many as there are questions. The lock is never waited for.
    statements: Mutex<HashMap<String, Statement>>,
}

/// A transaction that sees one state of the database.
#[derive(Debug)]
pub(in crate::archive) struct PostgresReading<'a>(&'a PostgresReader);

impl PostgresReader {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            statements: Mutex::default(),
        }
    }

    /// Whether the connection is lost.
    pub(in crate::archive) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Begins to look. After an error the connection is of no further use.
    pub(in crate::archive) async fn begin(&mut self) -> Result<PostgresReading<'_>, StoreError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        self.client
            .batch_execute(begin)
            .await
            .map_err(store_error)?;
        Ok(PostgresReading(self))
    }
}

impl PostgresReading<'_> {
    pub(in crate::archive) async fn rows(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        let statement = self.prepare(sql).await?;
        let params: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|param| match param {
                Param::Int(value) => value as &(dyn ToSql + Sync),
                Param::Text(text) => text,
            })
            .collect();
        let rows = self.0.client.query(&statement, &params).await;
        rows.map_err(store_error)?.iter().map(cells).collect()
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        let known = self.0.statements.lock().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.0.client.prepare(sql).await.map_err(store_error)?;
        let mut statements = self.0.statements.lock();
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(in crate::archive) async fn end(self) -> Result<(), StoreError> {
        let end = self.0.client.batch_execute("COMMIT");
        end.await.map_err(store_error)
    }
}

fn cells(row: &Row) -> Result<Vec<Cell>, StoreError> {
    let cell = |at: usize| {
        let cell = match *row.columns()[at].type_() {
            Type::TEXT => row
                .try_get::<_, Option<String>>(at)
                .map(|v| v.map(Cell::Text)),
            _ => row.try_get::<_, Option<i64>>(at).map(|v| v.map(Cell::Int)),
        };
        cell.map(|cell| cell.unwrap_or(Cell::Null))
            .map_err(store_error)
    };
    (0..row.len()).map(cell).collect()
}

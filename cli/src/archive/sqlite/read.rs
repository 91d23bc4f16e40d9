//! Questions to SQLite.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};

use super::open::{SqliteDatabase, store_error};
use crate::archive::batch::StoreError;
use crate::archive::queries;
use crate::archive::value::{Cell, Param};

/// A transaction that sees one state of the database. It does not wait between its questions, so that no other
/// transaction of this process comes between.
#[derive(Debug)]
pub(in crate::archive) struct SqliteReading {
    database: SqliteDatabase,
}

impl SqliteReading {
    pub(in crate::archive) fn begin(database: &SqliteDatabase) -> Result<Self, StoreError> {
        let begin = |connection: &mut Connection| connection.execute_batch("BEGIN");
        database.with(begin).map_err(store_error)?;
        Ok(Self {
            database: database.clone(),
        })
    }

    pub(in crate::archive) fn rows(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        let sql = queries::for_sqlite(sql);
        let read = |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(params))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let cell = |at| {
                    Ok(match row.get_ref(at)? {
                        ValueRef::Integer(value) => Cell::Int(value),
                        ValueRef::Text(text) => {
                            Cell::Text(String::from_utf8_lossy(text).into_owned())
                        }
                        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
                    })
                };
                all.push((0..columns).map(cell).collect::<rusqlite::Result<_>>()?);
            }
            Ok(all)
        };
        self.database.with(read).map_err(store_error)
    }

    pub(in crate::archive) fn end(self) -> Result<(), StoreError> {
        // Dropping it ends the transaction.
        Ok(())
    }
}

impl Drop for SqliteReading {
    fn drop(&mut self) {
        let end = |connection: &mut Connection| connection.execute_batch("ROLLBACK");
        if let Err(error) = self.database.with(end) {
            tracing::warn!(%error, "a look at the archive does not end");
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

//! A database of SQLite: a file, or in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

// The store and the questions share one connection, each for one transaction, in one thread.
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::archive::batch::StoreError;
use crate::archive::schema::{Migration, missing};

/// The most time for which another process may write, such as a tool of a developer.
const BUSY: Duration = Duration::from_secs(5);

/// The statements that stay prepared: more than there are.
const STATEMENTS: usize = 32;

/// The connection. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::archive) struct SqliteDatabase {
    connection: Arc<Mutex<Connection>>,
    /// The version of the tables that this program writes.
    pub(super) version: usize,
}

impl SqliteDatabase {
    /// Opens a file, which is created if it is missing, or a database in memory, and brings its tables up to date.
    ///
    /// # Errors
    /// If the file cannot be used, or its tables are newer than all migrations.
    pub(in crate::archive) fn open(
        file: Option<&Path>,
        migrations: &'static [Migration],
    ) -> Result<Self, StoreError> {
        let opened = match file {
            Some(file) => Connection::open(file),
            None => Connection::open_in_memory(),
        };
        let named = |error: StoreError| match (file, error) {
            (Some(file), StoreError::Unavailable(why)) => {
                StoreError::Unavailable(format!("{}: {why}", file.display()))
            }
            (_, error) => error,
        };
        let mut connection = opened.map_err(store_error).map_err(named)?;
        prepare(&connection).map_err(store_error).map_err(named)?;
        migrate(&mut connection, migrations).map_err(named)?;
        Ok(Self::new(connection, migrations.len()))
    }

    /// Opens an existing file for questions only.
    ///
    /// # Errors
    /// If there is no such file.
    pub(in crate::archive) fn open_to_read(file: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(file, flags);
        let connection = opened.map_err(|error| {
            let file = file.display();
            StoreError::Config(format!("{file} cannot be read: {error}"))
        })?;
        connection.busy_timeout(BUSY).map_err(store_error)?;
        Ok(Self::new(connection, 0))
    }

    fn new(connection: Connection, version: usize) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            version,
        }
    }

    /// Does something with the connection.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Connection) -> T) -> T {
        act(&mut self.connection.lock())
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A crash of the process loses nothing; a power cut may lose the last transactions, which then come again.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")
}

fn migrate(
    connection: &mut Connection,
    migrations: &'static [Migration],
) -> Result<(), StoreError> {
    let behavior = rusqlite::TransactionBehavior::Immediate;
    let tx = connection
        .transaction_with_behavior(behavior)
        .map_err(store_error)?;
    let missing = missing(migrations, version(&tx).map_err(store_error)?).map_err(|found| {
        StoreError::Newer {
            found,
            known: migrations.len(),
        }
    })?;
    for migration in missing {
        tx.execute_batch(migration.sqlite).map_err(store_error)?;
    }
    if !missing.is_empty() {
        tx.pragma_update(None, "user_version", migrations.len() as i64)
            .map_err(store_error)?;
    }
    tx.commit().map_err(store_error)
}

/// The number of the last migration; 0 for none.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The error of a statement.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) => {
            StoreError::Value(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

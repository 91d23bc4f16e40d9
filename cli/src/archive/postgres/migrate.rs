//! Brings the tables of a database up to date.

use tokio_postgres::{Client, Transaction};

use super::error::store_error;
use crate::archive::batch::StoreError;
use crate::archive::schema::{Migration, missing};

/// Processes that start together wait here for the one that migrates: "grandst" and a number.
pub(super) const MIGRATE_LOCK: i64 = 0x6772_616e_6473_7401;

/// The table with the version. It is older than all migrations.
const VERSIONS: &str = "CREATE SCHEMA IF NOT EXISTS grandstand; \
                        SET LOCAL search_path TO grandstand; \
                        CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)";

/// Runs the migrations that the database lacks, all or none.
///
/// # Errors
/// If the tables are newer than all migrations, or a statement fails.
pub(super) async fn migrate(
    client: &mut Client,
    migrations: &'static [Migration],
) -> Result<(), StoreError> {
    let tx = client.transaction().await.map_err(store_error)?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    tx.execute(lock, &[&MIGRATE_LOCK])
        .await
        .map_err(store_error)?;
    // A user who may not create a schema can use one that is there.
    let has_tables = "SELECT to_regclass('grandstand.schema_version') IS NOT NULL";
    let row = tx.query_one(has_tables, &[]).await.map_err(store_error)?;
    if !row.get::<_, bool>(0) {
        tx.batch_execute(VERSIONS).await.map_err(store_error)?;
    }
    let found = version(&tx).await?;
    let missing = missing(migrations, found).map_err(|found| StoreError::Newer {
        found,
        known: migrations.len(),
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    tx.batch_execute("SET LOCAL search_path TO grandstand")
        .await
        .map_err(store_error)?;
    for migration in missing {
        tx.batch_execute(migration.postgres)
            .await
            .map_err(store_error)?;
    }
    let now = migrations.len() as i64;
    tx.execute("DELETE FROM schema_version", &[])
        .await
        .map_err(store_error)?;
    tx.execute("INSERT INTO schema_version VALUES ($1)", &[&now])
        .await
        .map_err(store_error)?;
    tx.commit().await.map_err(store_error)?;
    tracing::info!(
        from = found,
        to = now,
        "the tables of the archive are up to date"
    );
    Ok(())
}

/// The number of the last migration; 0 for none.
pub(super) async fn version(tx: &Transaction<'_>) -> Result<i64, StoreError> {
    let newest = "SELECT COALESCE(MAX(version), 0) FROM grandstand.schema_version";
    let row = tx.query_one(newest, &[]).await.map_err(store_error)?;
    Ok(row.get(0))
}

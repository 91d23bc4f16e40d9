//! The configuration of the archive: `config/archive.toml` shows every key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use grandstand_common::bus::BusRole;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::id::ProcessId;
use grandstand_common::process::config::{Checks, Config, Secret};
use grandstand_common::process::telemetry::LogSection;
use grandstand_common::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use super::batch::StoreError;
use super::postgres::PostgresDatabase;
use super::schema::MIGRATIONS;
use crate::service::ServiceConfig;

/// The configuration of an archive process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ArchiveConfig {
    /// The process.
    pub(super) archive: ArchiveSection,
    /// The bus.
    pub(super) cluster: ClusterSettings,
    /// The log.
    pub(super) log: LogSection,
}

/// The configuration of the process and its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ArchiveSection {
    /// The name of the process in NATS.
    pub(super) name: String,
    /// The address for health and metrics.
    pub(super) admin: SocketAddr,
    /// The address of the database.
    pub(super) postgres: Secret,
    /// A PEM file with the authority that signed the database's certificate; empty for those that the system trusts.
    pub(super) postgres_ca_file: String,
    /// The time limit for the last batch at the end, milliseconds.
    pub(super) drain_ms: u64,
    /// The milliseconds for which the loop may stall before `/health` fails.
    pub(super) liveness_ms: u64,
}

impl Default for ArchiveSection {
    fn default() -> Self {
        Self {
            name: "archive".to_owned(),
            admin: SocketAddr::from(([127, 0, 0, 1], 8083)),
            postgres: Secret::default(),
            postgres_ca_file: String::new(),
            drain_ms: 10_000,
            liveness_ms: 5_000,
        }
    }
}

impl Config for ArchiveConfig {
    const ENV_PREFIX: &'static str = "GRANDSTAND_ARCHIVE";

    fn is_live(key: &str) -> bool {
        ["log.filter", "archive.drain_ms", "archive.liveness_ms"].contains(&key)
    }

    fn log_filter(&self) -> &str {
        &self.log.filter
    }

    fn validate(&self, checks: &mut Checks) {
        self.log.validate(checks);
        self.cluster.validate(checks);
        let section = &self.archive;
        let good = section.name.len() <= 80 && section.name.parse::<ProcessId>().is_ok();
        checks.require(
            "archive.name",
            good,
            || "must be letters, digits, `-` and `_`, at most 80",
        );
        checks.require(
            "archive.postgres",
            !section.postgres.is_empty(),
            || "must be the address of a database: postgres://USER:PASSWORD@HOST/DATABASE",
        );
        if !section.postgres.is_empty()
            && let Err(error) = self.database(&Supervisor::default())
        {
            checks.require("archive.postgres", false, || format!("is wrong: {error}"));
        }
        let ca_file = &section.postgres_ca_file;
        if !ca_file.is_empty()
            && let Err(error) = std::fs::read(ca_file)
        {
            checks.require("archive.postgres_ca_file", false, || {
                format!("cannot be read: {ca_file}: {error}")
            });
        }
        checks.range("archive.drain_ms", section.drain_ms, 0..=3_600_000);
        checks.range("archive.liveness_ms", section.liveness_ms, 500..=3_600_000);
    }
}

impl ServiceConfig for ArchiveConfig {
    const NAME: &'static str = "archive";
    const ADMIN_KEY: &'static str = "archive.admin";
    const ROLE: BusRole = BusRole::Archive;

    fn name(&self) -> &str {
        &self.archive.name
    }

    fn admin(&self) -> SocketAddr {
        self.archive.admin
    }

    fn cluster(&self) -> &ClusterSettings {
        &self.cluster
    }

    fn answer_within(&self) -> Duration {
        Duration::from_millis(self.archive.liveness_ms)
    }

    fn drain(&self) -> Duration {
        Duration::from_millis(self.archive.drain_ms)
    }
}

impl ArchiveConfig {
    /// The database.
    pub(super) fn database(&self, supervisor: &Supervisor) -> Result<PostgresDatabase, StoreError> {
        let section = &self.archive;
        let ca_file = &section.postgres_ca_file;
        let ca_file = (!ca_file.is_empty()).then(|| PathBuf::from(ca_file));
        PostgresDatabase::new(&section.postgres, ca_file, MIGRATIONS, supervisor)
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::process::config::{Sources, check_documented, load};

    use super::*;

    #[test]
    fn the_documented_file_has_every_key_and_its_default() {
        check_documented::<ArchiveConfig>(include_str!("../../../config/archive.toml")).unwrap();
    }

    #[test]
    fn a_database_is_needed_and_its_password_is_not_shown() {
        let load = |url: Option<&str>| {
            let none = [("", ""); 0];
            let sources = Sources::new(None).environment(none);
            load::<ArchiveConfig>(&sources.flag("--postgres", "archive.postgres", url))
        };
        let error = load(None).unwrap_err().to_string();
        assert!(error.contains("archive.postgres"), "{error}");
        let error = load(Some("postgres://u:secret@h/d?no=1"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--postgres") && !error.contains("secret"),
            "{error}"
        );
        load(Some("postgres://u:secret@h/d")).unwrap();
    }
}

//! The section `[cluster]` of a configuration.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use grandstand_types::layout::Layout;
use serde::{Deserialize, Serialize};

use super::name::check_cluster_name;
use crate::bus::options::LOG_MAX_AGE_S;
use crate::bus::{
    BusOptions, ConnectError, LogLimit, Servers, Storage, TlsFiles, check_credentials,
    check_tls_files,
};
use crate::process::config::Checks;
use crate::supervisor::Supervisor;

/// The section `[cluster]` of every process' configuration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSettings {
    /// NATS servers, separated by commas.
    pub url: String,
    /// The name of the cluster, which is a part of all names in NATS; empty for plain names.
    pub name: String,
    /// A `.creds` file for NATS, or a file with the seed of an nkey; empty for none.
    pub credentials: String,
    /// A PEM file with the authority that signed the certificates of NATS; empty for those that the system trusts.
    pub ca_file: String,
    /// A PEM file with the certificate that NATS wants of its clients, and its chain; empty for none.
    pub certificate_file: String,
    /// A PEM file with the key of that certificate.
    pub key_file: String,
    /// The time that a start waits for NATS, in seconds; 0 for forever.
    pub connect_timeout_s: u64,
    /// The number of partitions that rooms are hashed to. Counts only when the cluster is created.
    pub partitions: u16,
    /// The number of streams that partitions are spread over. Counts only when the cluster is created.
    pub streams: u16,
    /// The number of servers that keep each stream: 1, 3 or 5.
    pub replicas: u16,
    /// The time that the log keeps an entry, in seconds.
    pub log_max_age_s: u64,
    /// The most bytes that each stream of the log may hold; 0 for a share of the storage that NATS has left, -1 for no
    /// limit but the server's. Used when a stream is created.
    pub log_max_bytes: i64,
    /// Keeps streams in the memory of NATS. For tests and benches: the streams do not survive a restart of NATS.
    pub memory_storage: bool,
}

/// Leaves out the login in the URL.
impl fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = Servers::parse(&self.url).map(|servers| servers.to_string());
        f.debug_struct("ClusterSettings")
            .field("url", &url)
            .field("name", &self.name)
            .field("credentials", &self.credentials)
            .field("ca_file", &self.ca_file)
            .field("certificate_file", &self.certificate_file)
            .field("key_file", &self.key_file)
            .field("connect_timeout_s", &self.connect_timeout_s)
            .field("partitions", &self.partitions)
            .field("streams", &self.streams)
            .field("replicas", &self.replicas)
            .field("log_max_age_s", &self.log_max_age_s)
            .field("log_max_bytes", &self.log_max_bytes)
            .field("memory_storage", &self.memory_storage)
            .finish()
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            name: String::new(),
            credentials: String::new(),
            ca_file: String::new(),
            certificate_file: String::new(),
            key_file: String::new(),
            connect_timeout_s: 60,
            partitions: 256,
            streams: 4,
            replicas: 1,
            log_max_age_s: 3600,
            log_max_bytes: 0,
            memory_storage: false,
        }
    }
}

impl ClusterSettings {
    /// Checks ranges that the types cannot express, the addresses, and the credentials file.
    pub fn validate(&self, checks: &mut Checks) {
        let servers = Servers::parse(&self.url);
        if let Err(error) = &servers {
            checks.require("cluster.url", false, || format!("is wrong: {error}"));
        }
        if !self.credentials.is_empty() {
            if let Err(error) = check_credentials(Path::new(&self.credentials)) {
                checks.require("cluster.credentials", false, || {
                    format!("is wrong: {error}")
                });
            }
            checks.require(
                "cluster.credentials",
                !servers.is_ok_and(|servers| servers.has_login()),
                || "must be empty, because `cluster.url` names a user or token; use one of them",
            );
        }
        self.validate_tls(checks);
        if let Err(expected) = check_cluster_name(&self.name) {
            checks.require("cluster.name", false, || expected);
        }
        checks.range(
            "cluster.connect_timeout_s",
            self.connect_timeout_s,
            0..=86_400,
        );
        let max = u64::from(Layout::MAX_PARTITIONS);
        checks.range("cluster.partitions", self.partitions.into(), 1..=max);
        let streams = u64::from(self.partitions.max(1));
        checks.range("cluster.streams", self.streams.into(), 1..=streams);
        checks.require(
            "cluster.replicas",
            matches!(self.replicas, 1 | 3 | 5),
            || "must be 1, 3 or 5",
        );
        checks.range("cluster.log_max_age_s", self.log_max_age_s, LOG_MAX_AGE_S);
        checks.require(
            "cluster.log_max_bytes",
            self.log_max_bytes >= -1,
            || "must be a number of bytes, 0 for a share of NATS' storage, or -1 for no limit",
        );
    }

    fn validate_tls(&self, checks: &mut Checks) {
        let both = self.certificate_file.is_empty() == self.key_file.is_empty();
        checks.require(
            "cluster.key_file",
            both,
            || "must name the key of `cluster.certificate_file`: set both or neither",
        );
        if let Err(error) = check_tls_files(&self.tls_files()) {
            let key = match &error {
                ConnectError::TlsFile { path, .. } if *path == Path::new(&self.ca_file) => {
                    "cluster.ca_file"
                }
                ConnectError::TlsFile { path, .. } if *path == Path::new(&self.key_file) => {
                    "cluster.key_file"
                }
                _ => "cluster.certificate_file",
            };
            checks.require(key, false, || format!("is wrong: {error}"));
        }
    }

    fn tls_files(&self) -> TlsFiles {
        let file = |path: &String| (!path.is_empty()).then(|| path.into());
        TlsFiles {
            ca: file(&self.ca_file),
            client: file(&self.certificate_file).zip(file(&self.key_file)),
        }
    }

    /// The options of a bus connection called `name`, which the `nats` tool shows. `supervisor` starts its tasks.
    pub fn bus_options(&self, name: &str, supervisor: &Supervisor) -> BusOptions {
        BusOptions {
            supervisor: supervisor.clone(),
            streams: self.streams,
            partitions: self.partitions,
            log_max_age: Duration::from_secs(self.log_max_age_s),
            log_limit: match u64::try_from(self.log_max_bytes) {
                Ok(0) => LogLimit::Share,
                Ok(bytes) => LogLimit::Bytes(bytes),
                Err(_) => LogLimit::Unlimited,
            },
            replicas: self.replicas.into(),
            storage: if self.memory_storage {
                Storage::Memory
            } else {
                Storage::File
            },
            name: name.to_owned(),
            cluster: self.name.clone(),
            credentials: (!self.credentials.is_empty()).then(|| self.credentials.clone().into()),
            tls: self.tls_files(),
            ..BusOptions::default()
        }
    }

    /// Warns if the cluster has other numbers than are configured. They count only when a cluster is created.
    pub(super) fn compare(&self, layout: &Layout) {
        if (layout.partitions, layout.streams) != (self.partitions, self.streams) {
            tracing::warn!(
                partitions = layout.partitions,
                streams = layout.streams,
                configured_partitions = self.partitions,
                configured_streams = self.streams,
                "the cluster keeps the numbers of partitions and streams that it was created with; those of the \
                 configuration are ignored"
            );
        }
    }
}

//! The configuration of an outlet: `config/outlet.toml` shows every key.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use grandstand_common::bus::BusRole;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::id::{ProcessId, Topic};
use grandstand_common::process::config::{Checks, Config};
use grandstand_common::process::telemetry::LogSection;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::sections::EndpointSection;
use super::tls::roots;
use crate::service::ServiceConfig;

/// The configuration of an outlet process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutletConfig {
    /// The process.
    pub(super) outlet: OutletSection,
    /// The bus.
    pub(super) cluster: ClusterSettings,
    /// The log.
    pub(super) log: LogSection,
}

/// The configuration of the process and its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutletSection {
    /// The name of the process in NATS.
    pub(super) name: String,
    /// The address for health and metrics.
    pub(super) admin: SocketAddr,
    /// A PEM file with the authorities that sign the endpoints' certificates; empty for those that the system trusts.
    pub(super) ca_file: PathBuf,
    /// The days for which dead letters are kept.
    pub(super) dead_days: u64,
    /// The time limit for the requests under way at the end, milliseconds.
    pub(super) drain_ms: u64,
    /// The milliseconds for which the loop may stall before `/health` fails.
    pub(super) liveness_ms: u64,
    /// The endpoints.
    pub(super) endpoints: Vec<EndpointSection>,
}

impl Default for OutletSection {
    fn default() -> Self {
        Self {
            name: "outlet".to_owned(),
            admin: SocketAddr::from(([127, 0, 0, 1], 8084)),
            ca_file: PathBuf::new(),
            dead_days: 30,
            drain_ms: 15_000,
            liveness_ms: 5_000,
            endpoints: Vec::new(),
        }
    }
}

impl Config for OutletConfig {
    const ENV_PREFIX: &'static str = "GRANDSTAND_OUTLET";

    fn is_live(key: &str) -> bool {
        let live = [
            "log.filter",
            "outlet.ca_file",
            "outlet.dead_days",
            "outlet.drain_ms",
            "outlet.endpoints",
            "outlet.liveness_ms",
        ];
        live.contains(&key)
    }

    fn log_filter(&self) -> &str {
        &self.log.filter
    }

    fn validate(&self, checks: &mut Checks) {
        self.log.validate(checks);
        self.cluster.validate(checks);
        self.outlet.validate(checks);
    }
}

impl ServiceConfig for OutletConfig {
    const NAME: &'static str = "outlet";
    const ADMIN_KEY: &'static str = "outlet.admin";
    const ROLE: BusRole = BusRole::Outlet;

    fn name(&self) -> &str {
        &self.outlet.name
    }

    fn admin(&self) -> SocketAddr {
        self.outlet.admin
    }

    fn cluster(&self) -> &ClusterSettings {
        &self.cluster
    }

    fn answer_within(&self) -> Duration {
        Duration::from_millis(self.outlet.liveness_ms)
    }

    fn drain(&self) -> Duration {
        Duration::from_millis(self.outlet.drain_ms)
    }
}

impl OutletSection {
    pub(super) fn validate(&self, checks: &mut Checks) {
        let good = self.name.len() <= 80 && self.name.parse::<ProcessId>().is_ok();
        checks.require(
            "outlet.name",
            good,
            || "must be letters, digits, `-` and `_`, at most 80",
        );
        if let Err(why) = roots(&self.ca_file) {
            checks.require("outlet.ca_file", false, || why.to_string());
        }
        checks.range("outlet.dead_days", self.dead_days, 1..=3_650);
        checks.range("outlet.drain_ms", self.drain_ms, 0..=3_600_000);
        checks.range("outlet.liveness_ms", self.liveness_ms, 500..=3_600_000);
        checks.require(
            "outlet.endpoints",
            !self.endpoints.is_empty(),
            || "must have an endpoint: [[outlet.endpoints]] with name and url",
        );
        let mut names = BTreeSet::new();
        for endpoint in &self.endpoints {
            validate(endpoint, checks);
            let key = key(endpoint, "name");
            checks.require(&key, names.insert(&endpoint.name), || "is there twice");
        }
    }

    /// The time for which dead letters are kept.
    pub(super) fn dead_for(&self) -> Duration {
        Duration::from_secs(self.dead_days * 86_400)
    }
}

/// A key of an endpoint in messages.
fn key(endpoint: &EndpointSection, key: &str) -> String {
    format!("outlet.endpoints.{}.{key}", endpoint.name)
}

fn validate(endpoint: &EndpointSection, checks: &mut Checks) {
    let is_name = endpoint.name.parse::<Topic>().is_ok();
    checks.require(
        &key(endpoint, "name"),
        is_name,
        || "must be letters, digits, `-` and `_`, at most 64",
    );
    for topic in &endpoint.topics {
        if let Err(why) = topic.parse::<Topic>() {
            checks.require(&key(endpoint, "topics"), false, || {
                format!("{topic:?} {why}")
            });
        }
    }
    let mut range = |name: &str, value: u64, range| {
        checks.range(&key(endpoint, name), value, range);
    };
    range(
        "connect_timeout_ms",
        endpoint.connect_timeout_ms,
        1..=60_000,
    );
    range("timeout_ms", endpoint.timeout_ms, 1..=600_000);
    range("answer_bytes", endpoint.answer_bytes, 1..=262_144);
    range("concurrency", endpoint.concurrency, 1..=256);
    range("max_attempts", endpoint.max_attempts, 1..=1_000);
    range("max_age_s", endpoint.max_age_s, 1..=604_800);
    range("call_attempts", endpoint.call_attempts, 1..=100);
    range("max_backoff_ms", endpoint.max_backoff_ms, 1..=86_400_000);
    range(
        "backoff_ms",
        endpoint.backoff_ms,
        1..=endpoint.max_backoff_ms.max(1),
    );
    range("breaker_failures", endpoint.breaker_failures, 1..=1_000);
    range("max_breaker_ms", endpoint.max_breaker_ms, 1..=3_600_000);
    range(
        "breaker_ms",
        endpoint.breaker_ms,
        1..=endpoint.max_breaker_ms.max(1),
    );
    if let Err(why) = Endpoint::new(endpoint) {
        checks.require(&key(endpoint, why.key()), false, || why.to_string());
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::process::config::{Sources, check_documented, load};

    use super::*;

    const DOCUMENTED: &str = include_str!("../../../config/outlet.toml");

    #[test]
    fn the_documented_file_has_every_key_and_its_default() {
        check_documented::<OutletConfig>(DOCUMENTED).unwrap();
    }

    #[test]
    fn the_documented_endpoint_has_every_key_and_its_default() {
        let begin = DOCUMENTED.find("# [[outlet.endpoints]]").unwrap();
        let end = DOCUMENTED.find("[cluster]").unwrap();
        let lines = DOCUMENTED[begin..end].lines();
        let lines = lines.map(|line| line.strip_prefix("# ").unwrap_or_default());
        let text: Vec<_> = lines.collect();
        let mut found: OutletConfig = toml::from_str(&text.join("\n")).unwrap();
        let found = found.outlet.endpoints.remove(0);
        let default = EndpointSection {
            name: found.name.clone(),
            url: found.url.clone(),
            ..EndpointSection::default()
        };
        assert_eq!(found, default);
        let keys = toml::Table::try_from(&default).unwrap();
        for key in keys.keys() {
            let line = text
                .iter()
                .find(|line| line.starts_with(&format!("{key} = ")));
            assert!(line.is_some_and(|line| line.contains(" # ")), "{key}");
        }
    }

    #[test]
    fn each_mistake_is_named_with_its_endpoint() {
        let dir = std::env::temp_dir().join(format!("outlet-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("wrong.toml");
        let text = r#"
            [[outlet.endpoints]]
            name = "billing"
            url = "http://billing.internal/hook"
            [[outlet.endpoints]]
            name = "billing"
            url = "https://user:pass@billing.internal/hook"
            timeout_ms = 0
            [[outlet.endpoints]]
            name = "chat"
            url = "https://chat.internal/"
            secret = "whsec_secretsecret"
            topics = ["a b"]
        "#;
        std::fs::write(&file, text).unwrap();
        let none = [("", ""); 0];
        let sources = Sources::new(Some(file)).environment(none);
        let error = load::<OutletConfig>(&sources).unwrap_err().to_string();
        for wanted in [
            "allow_http",
            "is there twice",
            "no user and no password",
            "billing.timeout_ms",
            "24 to 64 bytes",
            "\"a b\"",
        ] {
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        assert!(!error.contains("secretsecret"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}

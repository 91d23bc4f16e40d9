//! The configuration of edge and worker: their defaults, overridden by the command line and the environment.

use grandstand_common::auth::{Inviter, Signer, SigningConfig};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::config::{self, Sources};
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::BusSource;
use grandstand_edge::process::config::EdgeConfig;
use grandstand_worker::process::WorkerSettings;
use grandstand_worker::process::config::WorkerConfig;

use super::args::Args;

/// The drain time of the edge. It is short because clients have no other edge to move to.
const DRAIN_MS: u64 = 250;

/// The time that a start waits for NATS. It is short because a developer waits too.
const CONNECT_TIMEOUT_S: u64 = 1;

/// The time that a part which takes another one's place waits for NATS. NATS was there, so that it is only slow.
pub(super) const RECONNECT_TIMEOUT_S: u64 = 30;

/// The number of partitions of a new folder, or without one, where a single worker owns them all. More spread nothing, and
/// each costs idle time and memory: with 256 `dev` takes twice the time while idle and 10 MiB more than with 64.
const PARTITIONS_ALONE: u16 = 64;

/// The configuration of the edge and the worker.
#[derive(Debug)]
pub(super) struct Settings {
    /// The edge's configuration. Its section `cluster` applies to the worker too.
    pub(super) edge: EdgeConfig,
    worker: WorkerConfig,
    /// The random secret, if none was given.
    pub(super) made_secret: Option<String>,
}

impl Settings {
    /// Reads flags and environment.
    pub(super) fn load(args: &Args) -> Result<Self, Failure> {
        Self::from(args, Sources::new(None))
    }

    fn from(args: &Args, sources: Sources) -> Result<Self, Failure> {
        let made_secret = args.secret.is_none().then(random_secret);
        let secret = args.secret.as_ref().or(made_secret.as_ref());
        let is_set = sources.has_variable("GRANDSTAND_EDGE_CLUSTER_PARTITIONS");
        let partitions = (args.nats.is_none() && !is_set).then_some(PARTITIONS_ALONE);
        // The lobby of the page needs it.
        let api = (!sources.has_variable("GRANDSTAND_EDGE_EDGE_API")).then_some(true);
        let for_edge = sources
            .clone()
            .flag("dev", "edge.api", api)
            .flag("dev", "cluster.partitions", partitions)
            .flag("--listen", "edge.listen", Some(args.listen))
            .flag("--admin", "edge.admin", Some(args.admin))
            .flag("--shards", "edge.shards", Some(args.shards))
            .flag("--nats", "cluster.url", args.nats.as_ref())
            .flag("--secret", "auth.secret", secret);
        let for_worker = sources
            .clone()
            .flag("--loops", "worker.loops", Some(args.loops));
        let mut edge: EdgeConfig = config::load(&for_edge)?;
        if edge.upgrade.path().is_some() {
            let text = "`upgrade.socket` has no effect in `grandstand dev`, whose rooms end with it; unset it";
            return Err(Failure::new(Exit::Config, text));
        }
        let mut worker: WorkerConfig = config::load(&for_worker)?;
        edge.edge.name = "dev".to_owned();
        // There is no balancer in front.
        edge.edge.drain_wait_ms = 0;
        edge.edge.drain_ms = DRAIN_MS;
        edge.cluster.connect_timeout_s = CONNECT_TIMEOUT_S;
        worker.worker.name = "dev".to_owned();
        worker.cluster = edge.cluster.clone();
        // Edge and worker keep the same updates.
        worker.rooms.ring_bytes = edge.rooms.ring_bytes;
        Ok(Self {
            edge,
            worker,
            made_secret,
        })
    }

    /// Signs invitations: with the worker's key if there is one, else with the secret of the edge.
    fn inviter(&self) -> Option<Inviter> {
        let auth = &self.edge.auth;
        let own = self.worker.auth.validated_inviter();
        own.or_else(|| {
            let signer = Signer::hs256(auth.secret.as_bytes()).ok()?;
            let config = SigningConfig {
                audience: auth.audience.clone(),
                issuer: auth.issuer.clone(),
                ..self.worker.auth.clone()
            };
            Some(Inviter::new(signer, &config))
        })
    }

    /// The worker's settings.
    pub(super) fn worker(&self, bus: &BusSource, supervisor: &Supervisor) -> WorkerSettings {
        WorkerSettings {
            alone: matches!(bus, BusSource::Shared(_)),
            supervisor: supervisor.clone(),
            inviter: self.inviter(),
            ..self.worker.settings()
        }
    }
}

fn random_secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn settings(line: &[&str], environment: &[(&str, &str)]) -> Result<Settings, Failure> {
        let line = Line::try_parse_from([&["dev"], line].concat()).unwrap();
        let sources = Sources::new(None).environment(environment.iter().copied());
        Settings::from(&line.args, sources)
    }

    #[test]
    fn the_command_line_and_the_environment_reach_edge_and_worker() {
        let line = [
            "--listen",
            "[::1]:9",
            "--nats",
            "nats://n:1",
            "--shards",
            "3",
            "--loops",
            "2",
        ];
        let both = settings(&line, &[("GRANDSTAND_EDGE_CLUSTER_PARTITIONS", "8")]).unwrap();
        assert_eq!(both.edge.edge.listen.to_string(), "[::1]:9");
        assert_eq!(both.edge.edge.shards, 3);
        let worker = both.worker(&BusSource::Nats, &Supervisor::default());
        assert_eq!(worker.loops, 2);
        assert!(!worker.alone);
        assert_eq!(both.edge.cluster.partitions, 8);
        let partitions = |line: &[&str], environment: &[_]| {
            settings(line, environment)
                .unwrap()
                .worker
                .cluster
                .partitions
        };
        let variable = ("GRANDSTAND_EDGE_CLUSTER_PARTITIONS", "256");
        assert_eq!(partitions(&[], &[]), PARTITIONS_ALONE);
        assert_eq!(partitions(&[], &[variable]), 256);
        assert_eq!(partitions(&["--nats", "nats://n:1"], &[]), 256);
        assert_eq!(both.worker.cluster.url, "nats://n:1");
    }

    #[test]
    fn the_http_api_is_on_unless_the_environment_says_otherwise() {
        let has_api = |environment: &[_]| settings(&[], environment).unwrap().edge.edge.api;
        assert!(has_api(&[]));
        assert!(!has_api(&[("GRANDSTAND_EDGE_EDGE_API", "false")]));
    }

    #[test]
    fn a_random_secret_is_created_only_if_none_is_given() {
        let secret = "a secret for tests only, 32 bytes";
        let given = settings(&["--secret", secret], &[]).unwrap();
        assert_eq!(
            (given.edge.auth.secret.as_str(), given.made_secret),
            (secret, None)
        );
        let made = [0; 2].map(|_| settings(&[], &[]).unwrap());
        assert_eq!(
            made[0].made_secret.as_ref(),
            Some(&made[0].edge.auth.secret)
        );
        assert_ne!(made[0].made_secret, made[1].made_secret);
    }

    #[test]
    fn errors_name_the_flag() {
        let failure = settings(&["--shards", "2000"], &[]).unwrap_err();
        assert_eq!(failure.exit().code(), 78);
        assert!(failure.to_string().contains("--shards"), "{failure}");
    }

    #[test]
    fn a_key_without_effect_is_an_error() {
        let variable = ("GRANDSTAND_EDGE_UPGRADE_SOCKET", "/run/edge.sock");
        let failure = settings(&[], &[variable]).unwrap_err();
        assert!(failure.to_string().contains("upgrade.socket"), "{failure}");
    }

    #[test]
    fn an_empty_secret_is_an_error_that_names_its_flag() {
        let refused = Line::try_parse_from(["dev", "--secret", ""]).err();
        let told = refused.expect("it is empty").to_string();
        assert!(told.contains("--secret"), "{told}");
    }
}

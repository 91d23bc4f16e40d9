//! `grandstand archive` as a process, and the archive within `grandstand dev`.

use std::path::PathBuf;
use std::time::Duration;

use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::{Exit, ExitError, Failure};
use grandstand_common::process::admin::{Admin, Component, Phase, Status};
use grandstand_common::process::config::Sources;
use grandstand_common::process::drain;
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::{Frame, ProcessArgs};
use tokio::time::{Instant, sleep_until};

use super::batch::StoreError;
use super::config::ArchiveConfig;
use super::consumer::Consumer;
use super::health::Health;
use super::leaderboards::Leaderboards;
use super::metrics::ArchiveMetrics;
use super::requests::answer_requests;
use super::store::Database;
use super::topic::TOPIC;

/// Store results of games in PostgreSQL, and answer questions about leaderboards
#[derive(Debug, clap::Args)]
#[command(version, after_help = grandstand_common::exit::HELP)]
pub(crate) struct Args {
    /// Configuration file; config/archive.toml lists every key
    #[arg(long, value_name = "FILE", env = "GRANDSTAND_ARCHIVE_CONFIG")]
    config: Option<PathBuf>,
    /// Database, for example postgres://grandstand@localhost/grandstand
    ///
    /// A password on the command line can be seen by other users of the machine: set it in the file, or in
    /// GRANDSTAND_ARCHIVE_ARCHIVE_POSTGRES.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
}

impl Args {
    /// The sources of the configuration.
    pub(super) fn sources(&self) -> Sources {
        let sources = self.process.sources("archive", self.config.clone());
        sources.flag("--postgres", "archive.postgres", self.postgres.as_ref())
    }
}

impl ExitError for StoreError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unavailable(_) | Self::Moved => Exit::Unavailable,
            Self::Value(_) => Exit::Internal,
            Self::Newer { .. } | Self::Config(_) => Exit::Config,
        }
    }
}

/// Runs until TERM or INT.
pub(super) async fn drive(
    config: ArchiveConfig,
    sources: Sources,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let mut reloads = Reloads::new(sources, config.clone(), frame.log.clone())
        .map_err(|e| Failure::new(Exit::Internal, format!("cannot wait for signals: {e}")))?;
    let status = Status::new();
    let component = status.component("archive");
    status.answer_within(config.answer_within());
    let mut registry = registry(Build {
        service: "archive",
        version: env!("CARGO_PKG_VERSION"),
    });
    frame.log.register(&mut registry);
    reloads.register(&mut registry);
    let metrics = ArchiveMetrics::register(&mut registry);
    let buses = BusMetrics::default();
    buses.register(registry.sub_registry_with_prefix("archive"));
    let supervisor = frame.supervisor.clone();
    let admin = config.archive.admin;
    let _admin = Admin::start(
        "archive.admin",
        admin,
        status.clone(),
        registry,
        None,
        &supervisor,
    )?;
    component.set(Phase::Starting("connecting to the bus".into()));
    let (name, scope) = (&config.archive.name, supervisor.scope("archive"));
    let bus = tokio::select! {
        bus = config.cluster.start(name, BusRole::Archive, &component, &scope) => bus?,
        signal = frame.signals.next() => {
            tracing::info!(signal, "ending before the start is complete");
            supervisor.stand_down();
            return frame.result();
        }
    };
    buses.add(&bus);
    let database = Database::Postgres(config.database(&scope)?);
    let (signal, watch) = drain::channel();
    let archive = Archive {
        bus,
        database,
        metrics,
        component: component.clone(),
        watch,
    };
    let running = archive.run();
    tokio::pin!(running);
    let mut drain = Duration::from_millis(config.archive.drain_ms);
    let mut deadline = None;
    let ended = loop {
        let reload = tokio::select! {
            ended = &mut running => break ended.map_err(Failure::from),
            _ = frame.failures.first(), if deadline.is_none() => break Ok(()),
            () = until(deadline) => {
                tracing::warn!("the last batch takes too long; it is stored at the next start");
                break Ok(());
            }
            name = frame.signals.next() => {
                if deadline.is_some() {
                    tracing::warn!(signal = name, "ending at once");
                    break Ok(());
                }
                tracing::info!(signal = name, "ending; a second signal ends the process at once");
                component.set(Phase::Draining);
                supervisor.stand_down();
                let end = Instant::now() + drain;
                signal.start(end);
                deadline = Some(end);
                continue;
            }
            reload = reloads.next() => reload,
        };
        drain = Duration::from_millis(reload.config.archive.drain_ms);
        status.answer_within(reload.config.answer_within());
        reloads.apply(reload);
    };
    frame.result()?;
    ended
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// An archive on any bus with any database.
pub(super) struct Archive {
    pub(super) bus: Bus,
    pub(super) database: Database,
    pub(super) metrics: ArchiveMetrics,
    pub(super) component: Component,
    pub(super) watch: drain::Watch,
}

impl Archive {
    /// Stores results and answers questions until the drain begins.
    ///
    /// # Errors
    /// If the tables of the database are newer than the program.
    pub(super) async fn run(self) -> Result<(), StoreError> {
        let Self {
            bus,
            database,
            metrics,
            component,
            watch,
        } = self;
        let topic = TOPIC
            .parse()
            .map_err(|error| StoreError::Config(format!("the topic {TOPIC} is wrong: {error}")))?;
        let leaderboards = Leaderboards::new(database.clone());
        let answering = answer_requests(bus.clone(), leaderboards, metrics.clone());
        let pulse = component.pulse("archive");
        let consumer = Consumer {
            bus,
            topic,
            database,
            health: Health::new(component, metrics.clone()),
            metrics,
            pulse,
            watch,
        };
        tokio::select! {
            stored = consumer.run() => stored,
            () = answering => Ok(()),
        }
    }
}

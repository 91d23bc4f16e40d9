//! `grandstand archive` as a process, and the archive within `grandstand dev`.

use std::path::PathBuf;

use grandstand_common::bus::Bus;
use grandstand_common::exit::{Exit, ExitError, Failure};
use grandstand_common::process::admin::Component;
use grandstand_common::process::config::Sources;
use grandstand_common::process::{Frame, ProcessArgs, drain};
use grandstand_common::scores::TOPIC;

use super::batch::StoreError;
use super::config::ArchiveConfig;
use super::consumer::Consumer;
use super::health::Health;
use super::leaderboards::Leaderboards;
use super::metrics::ArchiveMetrics;
use super::requests::answer_requests;
use super::store::Database;
use crate::service::Service;

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
    let register = ArchiveMetrics::register;
    let (mut service, metrics) = Service::start(config.clone(), sources, frame, register)?;
    let Some(bus) = service.connect().await? else {
        return Ok(());
    };
    let database = Database::Postgres(config.database(&service.scope())?);
    let (signal, watch) = drain::channel();
    let archive = Archive {
        bus,
        database,
        metrics,
        component: service.component(),
        watch,
    };
    let work = async { archive.run().await.map_err(Failure::from) };
    let late = "the last batch takes too long; it is stored at the next start";
    service.run(signal, work, |_| Ok(()), late).await
}

/// An archive on any bus with any database.
pub(crate) struct Archive {
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

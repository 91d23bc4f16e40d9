//! `grandstand worker`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Admin, Status};
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::{self, ProcessArgs};
use grandstand_common::process::{drain, shutdown};
use grandstand_game::Games;
use grandstand_worker::process::config::WorkerConfig;
use tokio::time::Instant;

/// Run a worker, which owns rooms and runs their games
#[derive(Debug, clap::Args)]
#[command(version, after_help = grandstand_common::exit::HELP)]
pub(crate) struct Args {
    /// Configuration file; config/worker.toml lists every key
    #[arg(long, value_name = "FILE", env = "GRANDSTAND_WORKER_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    process: ProcessArgs,
}

/// Runs until TERM or INT, and returns the exit code.
pub(crate) fn run(args: &Args, games: Games) -> ExitCode {
    let sources = args.process.sources("worker", args.config.clone());
    process::run(
        "grandstand-worker",
        &args.process,
        &sources,
        async |config| drive(config, games).await,
    )
}

async fn drive(config: WorkerConfig, games: Games) -> Result<(), Failure> {
    let status = Status::new();
    let component = status.component("worker");
    let settings = config.settings();
    let mut registry = registry(Build {
        service: "worker",
        version: env!("CARGO_PKG_VERSION"),
    });
    settings.metrics.register(&mut registry);
    let _admin = Admin::start("worker.admin", config.worker.admin, status, registry)
        .map_err(|e| Failure::new(e.exit(), e.to_string()))?;
    let bus = config.cluster.connect(&config.worker.name).await;
    let bus = bus.map_err(|e| Failure::new(e.exit(), e.to_string()))?;
    let joined = config.cluster.join(&bus).await;
    joined.map_err(|e| Failure::new(e.exit(), e.to_string()))?;
    tokio::spawn(config.cluster.clone().keep_joined(bus.clone()));

    let (signal, watch) = drain::channel();
    let worker = grandstand_worker::process::run(bus, games, settings, watch, component);
    tokio::pin!(worker);
    let ended = tokio::select! {
        ended = &mut worker => ended,
        name = shutdown::signaled() => {
            tracing::info!(signal = name, "ending");
            signal.start(Instant::now() + Duration::from_millis(config.worker.drain_ms));
            worker.await
        }
    };
    ended.map_err(|e| Failure::new(Exit::Internal, e.to_string()))
}

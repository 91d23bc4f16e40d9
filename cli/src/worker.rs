//! `grandstand worker`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Admin, ApiAccess, Component, Phase, Status};
use grandstand_common::process::config::Sources;
use grandstand_common::process::drain;
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::{self, Frame, ProcessArgs};
use grandstand_game::Games;
use grandstand_worker::process::api::WorkerApi;
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
        async |config, frame| drive(config, sources.clone(), games, frame).await,
    )
}

/// The most time for handing partitions over after a part has failed.
const FAILED_DRAIN: Duration = Duration::from_secs(2);

async fn drive(
    config: WorkerConfig,
    sources: Sources,
    games: Games,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let mut reloads = Reloads::new(sources, config.clone(), frame.log.clone())
        .map_err(|e| Failure::new(Exit::Internal, format!("cannot wait for signals: {e}")))?;
    let status = Status::new();
    let component = status.component("worker");
    status.answer_within(config.answer_within());
    let supervisor = &frame.supervisor;
    let mut settings = config.settings();
    settings.supervisor = supervisor.clone();
    let mut registry = registry(Build {
        service: "worker",
        version: env!("CARGO_PKG_VERSION"),
    });
    settings.metrics.register(&mut registry);
    frame.log.register(&mut registry);
    reloads.register(&mut registry);
    let admin = config.worker.admin;
    let api = WorkerApi::new(frame.log.clone(), settings.questions.clone());
    let access = ApiAccess::new(Arc::clone(&api), &config.worker.admin_token);
    let _admin = Admin::start(
        "worker.admin",
        admin,
        status.clone(),
        registry,
        Some(access.clone()),
        supervisor,
    )?;
    let Some(bus) = connect(&config, &component, &api, frame).await? else {
        return frame.result();
    };

    let supervisor = &frame.supervisor;
    let (signal, watch) = drain::channel();
    let worker = grandstand_worker::process::run(bus, games, settings, watch, component);
    tokio::pin!(worker);
    let mut drain = Duration::from_millis(config.worker.drain_ms);
    let ended = loop {
        let reload = tokio::select! {
            ended = &mut worker => break ended,
            // The loop has not failed, so the rooms are whole and can be handed over.
            _ = frame.failures.first() => {
                supervisor.stand_down();
                signal.start(Instant::now() + drain.min(FAILED_DRAIN));
                break worker.await;
            }
            name = api.ending_wanted(&mut frame.signals) => {
                tracing::info!(signal = name, "ending; a second signal ends the process at once");
                supervisor.stand_down();
                signal.start(Instant::now() + drain);
                tokio::select! {
                    ended = &mut worker => break ended,
                    name = frame.signals.next() => {
                        tracing::warn!(signal = name, "ending at once");
                        return frame.result();
                    }
                }
            }
            reload = reloads.next() => reload,
        };
        drain = Duration::from_millis(reload.config.worker.drain_ms);
        status.answer_within(reload.config.answer_within());
        access.set_token(&reload.config.worker.admin_token);
        reloads.apply(reload);
    };
    frame.result()?;
    ended.map_err(|e| Failure::new(Exit::Internal, e.to_string()))
}

/// Connects to the bus. Returns `None` if a signal ends the process before.
async fn connect(
    config: &WorkerConfig,
    component: &Component,
    api: &WorkerApi,
    frame: &mut Frame,
) -> Result<Option<Bus>, Failure> {
    component.set(Phase::Starting("connecting to the bus".into()));
    let scope = frame.supervisor.scope("worker");
    let name = &config.worker.name;
    tokio::select! {
        bus = config.cluster.start(name, BusRole::Worker, component, &scope) => Ok(Some(bus?)),
        signal = frame.supervisor.stand_down_at(api.ending_wanted(&mut frame.signals)) => {
            tracing::info!(signal, "ending before the start is complete");
            Ok(None)
        }
    }
}

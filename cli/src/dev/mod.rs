//! `grandstand dev`: a whole server in one process.

mod banner;

mod pages;

mod settings;

mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use grandstand_common::bus::Bus;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Admin, Phase, Status};
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::telemetry::{self, LogFormat};
use grandstand_common::process::{shutdown, sys};
use grandstand_edge::process::{self as edge, BusSource, EdgeError, EdgeOptions};
use grandstand_edge::shard::admission::AdmissionPolicy;
use grandstand_edge::shard::metrics::EdgeMetrics;
use grandstand_game::Games;

use banner::Banner;
use settings::Settings;
use worker::WorkerThread;

/// How long the worker may take to store its rooms and give its partitions free.
const WORKER_DRAIN: Duration = Duration::from_secs(1);

/// Run a whole server in this process: edge, worker and bus, with a page to play on
///
/// Every other key of config/edge.toml and config/worker.toml may be set in the environment:
/// GRANDSTAND_EDGE_LIMITS_ROOMS=8.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where players and spectators connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where health and metrics are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// Keep rooms in this folder, so that they are there after a restart
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use these NATS servers instead of a bus in this process
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    nats: Option<String>,
    /// Shards of the edge, each a thread with a listener of its own; 0 for one a core
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: u16,
    /// Add /v1/echo, which sends every message back as it came: for testing WebSockets
    #[arg(long)]
    echo: bool,
    /// What tokens are signed with; a random one if not given
    #[arg(
        long,
        value_name = "TEXT",
        env = "GRANDSTAND_SECRET",
        hide_env_values = true,
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    secret: Option<String>,
    /// How the log's lines look
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged, on stderr: levels and targets, like info,grandstand_edge=debug
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn",
        env = "GRANDSTAND_LOG"
    )]
    log: String,
}

/// Runs until TERM or INT.
pub(crate) fn run(args: Args, games: Games) -> Result<(), Failure> {
    let settings = Settings::load(&args)?;
    telemetry::init(args.log_format, &args.log)
        .map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    sys::raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Internal, format!("cannot start: {e}")))?;
    runtime.block_on(drive(args, settings, games))
}

async fn drive(args: Args, settings: Settings, games: Games) -> Result<(), Failure> {
    let bus = match &args.nats {
        Some(_) => BusSource::Nats,
        None => {
            let options = settings.edge.cluster.bus_options("dev");
            let bus = Bus::open_embedded(args.data.as_deref(), &options).await;
            BusSource::Shared(bus.map_err(|e| Failure::new(e.exit(), e.to_string()))?)
        }
    };
    let status = Status::new();
    let components = [status.component("edge"), status.component("worker")];
    let [edge_component, worker_component] = components;
    let mut registry = registry(Build {
        service: "dev",
        version: env!("CARGO_PKG_VERSION"),
    });
    let worker = settings.worker(&bus);
    worker.metrics.register(&mut registry);
    let options = EdgeOptions {
        bus: bus.clone(),
        admission: AdmissionPolicy {
            trust_user: true,
            ..edge::admission(&settings.edge)
                .map_err(|e| Failure::new(Exit::Config, format!("auth: {e}")))?
        },
        pages: pages::pages(),
        echo: args.echo,
    };
    let metrics = EdgeMetrics::register(&mut registry);
    let mut edge = edge::start(&settings.edge, options, &edge_component, &metrics)
        .await
        .map_err(|error| edge_failure(&error))?;
    let admin = Admin::start("--admin", args.admin, status, registry)
        .map_err(|e| Failure::new(e.exit(), e.to_string()))?;
    let names = games.names().collect();
    let mut worker = WorkerThread::start(
        &settings.edge.cluster,
        (bus, games),
        worker,
        worker_component,
    )?;
    Banner {
        program: std::env::args().next().unwrap_or_default(),
        games: names,
        listen: edge.address(),
        admin: admin.address(),
        data: args.data,
        nats: args.nats,
        echo: args.echo,
        secret: settings.made_secret,
    }
    .print();
    tokio::select! {
        error = edge.failed() => return Err(edge_failure(&error)),
        ended = worker.ended() => return Err(ended),
        signal = shutdown::signaled() => tracing::info!(signal, "ending"),
    }
    edge_component.set(Phase::Draining);
    tokio::select! {
        ended = async { edge.end().await; worker.end(WORKER_DRAIN).await } => ended,
        signal = shutdown::signaled() => {
            tracing::warn!(signal, "ending at once");
            Ok(())
        }
    }
}

fn edge_failure(error: &EdgeError) -> Failure {
    let flag = match error {
        EdgeError::Listen(_) => "--listen: ",
        _ => "",
    };
    Failure::new(error.exit(), format!("{flag}{error}"))
}

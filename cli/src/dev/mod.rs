//! `grandstand dev`: edge, worker and bus in one process.

mod args;

mod banner;

mod pages;

mod settings;

mod worker;

#[cfg(feature = "archive")]
mod archive;

#[cfg(not(feature = "archive"))]
mod no_archive;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::{self, Exit, ExitError as _, Failure};
use grandstand_common::process::admin::{Admin, ApiAccess, Component, Phase, Status};
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::{Frame, frame};
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::api::EdgeApi;
use grandstand_edge::process::upgrade::Sockets;
use grandstand_edge::process::{self as edge, BusSource, Edge, EdgeError, EdgeOptions};
use grandstand_edge::shard::admission::AdmissionPolicy;
use grandstand_edge::shard::metrics::EdgeMetrics;
use grandstand_game::Games;

#[cfg(feature = "archive")]
use archive::DevArchive;
pub(crate) use args::Args;
use banner::Banner;
#[cfg(not(feature = "archive"))]
use no_archive::DevArchive;
use settings::Settings;
use worker::WorkerThread;

/// The time limit for the worker to store its rooms and release its partitions.
const WORKER_DRAIN: Duration = Duration::from_secs(1);

/// Runs until TERM or INT, and returns the exit code.
pub(crate) fn run(args: Args, games: Games) -> ExitCode {
    let name = "grandstand";
    match Settings::load(&args) {
        Ok(settings) => frame(
            name,
            args.log_format,
            &args.log.clone(),
            async move |frame| drive(args, settings, games, frame).await,
        ),
        Err(failure) => exit::say(name, &failure),
    }
}

async fn drive(
    args: Args,
    settings: Settings,
    games: Games,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let mut dev = Dev::start(args, settings, games, frame).await?;
    let failure = dev.wait(frame).await;
    dev.end(failure, frame).await
}

/// The running parts of the process.
struct Dev {
    bus: BusSource,
    edge: Edge,
    worker: WorkerThread,
    archive: DevArchive,
    api: Arc<EdgeApi>,
    edge_component: Component,
    /// Serves the admin port until it is dropped.
    _admin: Admin,
}

impl Dev {
    /// Starts all parts, and prints the banner.
    async fn start(
        args: Args,
        settings: Settings,
        games: Games,
        frame: &Frame,
    ) -> Result<Self, Failure> {
        let supervisor = &frame.supervisor;
        let bus = open_bus(&args, &settings, supervisor).await?;
        let status = Status::new();
        let edge_component = status.component("edge");
        let worker_component = status.component("worker");
        let mut registry = registry(Build {
            service: "dev",
            version: env!("CARGO_PKG_VERSION"),
        });
        frame.log.register(&mut registry);
        status.answer_within(settings.edge.answer_within());
        let worker = settings.worker(&bus, supervisor);
        // The worker's connection creates the cluster that the edge waits for.
        let worker_bus = match &bus {
            BusSource::Shared(bus) => bus.clone(),
            BusSource::Nats => {
                connect(&settings, &worker.name, &worker_component, supervisor).await?
            }
        };
        worker.metrics.register(&mut registry);
        let archive = DevArchive::open(&args, &status, &mut registry)?;
        let api = EdgeApi::new(frame.log.clone());
        let options = EdgeOptions {
            bus: bus.clone(),
            admission: admission(&settings)?,
            pages: pages::pages(),
            echo: args.echo,
            api: Some(Arc::clone(&api)),
            supervisor: supervisor.clone(),
        };
        let metrics = EdgeMetrics::register(&mut registry);
        // An edge that runs already would log the end of its parts beside the error.
        let listener = Admin::bind("--admin", args.admin)?;
        let mut sockets = Sockets::default();
        let edge = edge::start(
            &settings.edge,
            options,
            &mut sockets,
            &edge_component,
            &metrics,
        )
        .await
        .map_err(|error| edge_failure(&error))?;
        let access = ApiAccess::new(Arc::clone(&api), &settings.edge.edge.admin_token);
        let admin = Admin::start_at(listener, status, registry, Some(access), supervisor)
            .map_err(|e| Failure::new(Exit::Internal, format!("--admin: {e}")))?;
        let names = games.names().collect();
        let archive = archive.start(&bus, &settings, supervisor).await?;
        let worker = WorkerThread::start(worker_bus, games, worker, worker_component)?;
        let banner = Banner {
            program: std::env::args().next().unwrap_or_default(),
            games: names,
            listen: edge.address(),
            tls: edge.tls_address(),
            quic: edge.quic_address(),
            admin: admin.address(),
            data: args.data,
            nats: args.nats,
            echo: args.echo,
            secret: settings.made_secret,
        };
        banner.print(supervisor);
        Ok(Self {
            bus,
            edge,
            worker,
            archive,
            api,
            edge_component,
            _admin: admin,
        })
    }

    /// Waits until the process is told to end. Returns the failure if a part has failed instead.
    async fn wait(&mut self, frame: &mut Frame) -> Option<Failure> {
        tokio::select! {
            // Edge and worker fail with the store, and do not know why.
            biased;
            failure = store_failed(&self.bus) => Some(failure),
            ended = frame.failures.first() => Some(ended.into()),
            failure = self.worker.ended() => Some(failure),
            failure = self.archive.ended() => Some(failure),
            signal = self.api.ending_wanted(&mut frame.signals) => {
                tracing::info!(signal, "ending");
                None
            }
        }
    }

    /// Ends the edge, then the worker: in order, or at once at a signal or after a failure.
    async fn end(self, failure: Option<Failure>, frame: &mut Frame) -> Result<(), Failure> {
        self.edge_component.set(Phase::Draining);
        let has_failed = failure.is_some();
        let ending = async {
            if has_failed {
                self.edge.give_up().await
            } else {
                self.edge.end().await
            }
            let ended = self.worker.end(WORKER_DRAIN).await;
            self.archive.end().await;
            ended
        };
        let ended = tokio::select! {
            biased;
            failure = store_failed(&self.bus), if !has_failed => Err(failure),
            ended = ending => ended,
            signal = frame.signals.next() => {
                tracing::warn!(signal, "ending at once");
                Ok(())
            }
        };
        match failure {
            Some(failure) => Err(failure),
            None => frame.result().and(ended),
        }
    }
}

/// Opens the embedded bus, unless the process uses NATS.
async fn open_bus(
    args: &Args,
    settings: &Settings,
    supervisor: &Supervisor,
) -> Result<BusSource, Failure> {
    if args.nats.is_some() {
        return Ok(BusSource::Nats);
    }
    let mut options = settings.edge.cluster.bus_options("dev", supervisor);
    options.accept_loss = args.accept_loss;
    let bus = Bus::open_embedded(args.data.as_deref(), &options).await?;
    Ok(BusSource::Shared(bus))
}

/// Connects the worker to NATS.
async fn connect(
    settings: &Settings,
    name: &str,
    component: &Component,
    supervisor: &Supervisor,
) -> Result<Bus, Failure> {
    let cluster = &settings.edge.cluster;
    let bus = cluster
        .start(name, BusRole::Worker, component, supervisor)
        .await?;
    Ok(bus)
}

/// Returns who may connect: also clients without a token, which choose their names.
fn admission(settings: &Settings) -> Result<AdmissionPolicy, Failure> {
    let policy = edge::admission(&settings.edge);
    Ok(AdmissionPolicy {
        trust_user: true,
        ..policy.map_err(|e| Failure::new(Exit::Config, e.to_string()))?
    })
}

/// Waits until the disk of the data folder fails.
async fn store_failed(bus: &BusSource) -> Failure {
    let BusSource::Shared(bus) = bus else {
        return std::future::pending().await;
    };
    bus.store_failed().await.into()
}

fn edge_failure(error: &EdgeError) -> Failure {
    let flag = match error {
        EdgeError::Listen(_) => "--listen: ",
        EdgeError::Quic(_) => "quic.listen: ",
        _ => "",
    };
    Failure::new(error.exit(), format!("{flag}{error}"))
}

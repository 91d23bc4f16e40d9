//! `grandstand dev`: edge, worker and bus in one process.

mod args;

mod banner;

mod plug;

mod admin_link;

mod pages;

mod settings;

mod edge;

mod owners;

mod worker;

mod parts;

mod part;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use grandstand_common::auth::Signer;
use grandstand_common::bus::Bus;
use grandstand_common::exit::{self, Exit, Failure};
use grandstand_common::process::admin::{Admin, ApiAccess, Status};
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::{Frame, frame};
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::api::EdgeApi;
use grandstand_edge::process::{self as edge_process, BusSource, EdgeOptions};
use grandstand_edge::shard::admission::AdmissionPolicy;
use grandstand_edge::shard::metrics::EdgeMetrics;
use grandstand_game::Games;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};

use admin_link::AdminLink;
pub(crate) use args::Args;
use banner::Banner;
use edge::EdgeStart;
use pages::DevPages;
use part::{DevPart, RunningPart};
use parts::Parts;
use plug::{Histories, Pull};
use settings::Settings;
use worker::WorkerStart;

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

/// The running process.
struct Dev {
    parts: Parts,
    pulls: mpsc::Receiver<Pull>,
    ends: Ends,
    /// Serves the admin port until it is dropped.
    _admin: Admin,
}

/// The reasons why the process ends, and the parts that no plug replaces.
struct Ends {
    bus: BusSource,
    archive: RunningPart,
    outlet: RunningPart,
    api: Arc<EdgeApi>,
    hangups: Signal,
}

impl Ends {
    /// Waits until the process is told to end. Returns the failure if a part has failed instead.
    async fn next(&mut self, frame: &mut Frame) -> Option<Failure> {
        tokio::select! {
            // Edge and worker fail with the store, and do not know why.
            biased;
            failure = store_failed(&self.bus) => Some(failure),
            ended = frame.failures.first() => Some(ended.into()),
            failure = self.archive.ended() => Some(failure),
            failure = self.outlet.ended() => Some(failure),
            signal = self.api.ending_wanted(&mut frame.signals) => {
                tracing::info!(signal, "ending");
                None
            }
            // The terminal was closed. There is no configuration to be read again.
            _ = self.hangups.recv() => {
                tracing::info!(signal = "HUP", "ending");
                None
            }
        }
    }
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
        let hangups = signal(SignalKind::hangup())
            .map_err(|e| Failure::new(Exit::Internal, format!("cannot wait for HUP: {e}")))?;
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
        let worker = WorkerStart {
            source: bus.clone(),
            cluster: settings.edge.cluster.clone(),
            games,
            settings: settings.worker(&bus, supervisor),
            component: worker_component.clone(),
        };
        // The worker's connection creates the cluster that the edge waits for.
        let worker_bus = worker.connect().await?;
        worker.settings.metrics.register(&mut registry);
        let archive = DevPart::open(&status, part::archive(&args, &mut registry))?;
        let outlet = DevPart::open(&status, part::outlet(&args, &mut registry))?;
        let api = EdgeApi::new(frame.log.clone());
        // An edge that runs already would log the end of its parts beside the error.
        let listener = Admin::bind("--admin", args.admin)?;
        let token = &settings.edge.edge.admin_token;
        let link = listener.local_addr().ok();
        let link = link.and_then(|address| AdminLink::new(address, token));
        let names: Vec<_> = worker.games.names().collect();
        let pages = DevPages::open(args.pages.clone(), &names)?.with_admin(link);
        let page_folder = pages.folder().map(Path::to_owned);
        let options = EdgeOptions {
            bus: bus.clone(),
            admission: admission(&settings)?,
            pages: Arc::new(pages),
            echo: args.echo,
            is_replaceable: true,
            api: Some(Arc::clone(&api)),
            supervisor: supervisor.clone(),
        };
        let edge = EdgeStart {
            config: settings.edge.clone(),
            options,
            component: edge_component.clone(),
            metrics: Arc::new(EdgeMetrics::register(&mut registry)),
        };
        let edge = edge.start().await?;
        let addresses = edge.addresses();
        let plain = settings.edge.tls.plain.then_some(addresses.first);
        let histories = Histories {
            bus: bus.clone(),
            cluster: worker.cluster.clone(),
            games: worker.games.clone(),
            questions: worker.settings.questions.clone(),
            supervisor: supervisor.clone(),
            only: Arc::new(Semaphore::new(1)),
        };
        let (plugs, pulls) = plug::api(histories);
        let pages = plug::access(plug::origins(plain, addresses.tls));
        let access = ApiAccess::new(Arc::clone(&api), token).with_pages(pages, plugs);
        let admin = Admin::start_at(listener, status, registry, Some(access), supervisor)
            .map_err(|e| Failure::new(Exit::Internal, format!("--admin: {e}")))?;
        let archive = archive.start(&bus, &settings, supervisor).await?;
        let outlet = outlet.start(&bus, &settings, supervisor).await?;
        let worker = worker.start(worker_bus)?;
        let banner = Banner {
            program: std::env::args().next().unwrap_or_default(),
            games: names,
            listen: addresses.first,
            tls: addresses.tls,
            quic: addresses.quic,
            admin: admin.address(),
            data: args.data,
            pages: page_folder,
            nats: args.nats,
            echo: args.echo,
            secret: settings.made_secret,
        };
        banner.print(supervisor);
        Ok(Self {
            parts: Parts {
                bus: bus.clone(),
                edge,
                edge_component,
                worker,
                worker_component,
            },
            pulls,
            ends: Ends {
                bus,
                archive,
                outlet,
                api,
                hangups,
            },
            _admin: admin,
        })
    }

    /// Waits until the process is told to end, and pulls plugs meanwhile. Returns the failure if a part has failed instead.
    async fn wait(&mut self, frame: &mut Frame) -> Option<Failure> {
        loop {
            let pull = tokio::select! {
                biased;
                end = self.ends.next(frame) => return end,
                failure = self.parts.ended() => return Some(failure),
                Some(pull) = self.pulls.recv() => pull,
            };
            let pulled = tokio::select! {
                biased;
                end = self.ends.next(frame) => return end,
                pulled = self.parts.pull(pull.plug) => pulled,
            };
            match pulled {
                Ok(pulled) => pull.answer(pulled),
                Err(failure) => return Some(failure),
            }
        }
    }

    /// Ends all parts: in order, or at once at a signal or after a failure.
    async fn end(self, failure: Option<Failure>, frame: &mut Frame) -> Result<(), Failure> {
        frame.supervisor.stand_down();
        let has_failed = failure.is_some();
        let bus = self.ends.bus.clone();
        let ending = async {
            let ended = self.parts.end(has_failed).await;
            self.ends.archive.end().await;
            self.ends.outlet.end().await;
            ended
        };
        let ended = tokio::select! {
            biased;
            failure = store_failed(&bus), if !has_failed => Err(failure),
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

/// Returns who may connect: also clients without a token, which choose their names.
fn admission(settings: &Settings) -> Result<AdmissionPolicy, Failure> {
    let policy = edge_process::admission(&settings.edge);
    let policy = policy.map_err(|e| Failure::new(Exit::Config, e.to_string()))?;
    let auth = &settings.edge.auth;
    let own = || {
        let signer = Signer::hs256(auth.secret.as_bytes()).ok()?;
        Some(auth.issuer_with(signer))
    };
    Ok(AdmissionPolicy {
        trust_user: true,
        issuer: policy.issuer.clone().or_else(own),
        ..policy
    })
}

/// Waits until the disk of the data folder fails.
async fn store_failed(bus: &BusSource) -> Failure {
    let BusSource::Shared(bus) = bus else {
        return std::future::pending().await;
    };
    bus.store_failed().await.into()
}

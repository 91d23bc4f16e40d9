//! The edge as a program: its command line, and its run from start to drain.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use grandstand_common::exit::{Exit, ExitError as _, Failure};
use grandstand_common::process::admin::{Admin, ApiAccess, Component, Phase, Status};
use grandstand_common::process::config::Sources;
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::telemetry::Log;
use grandstand_common::process::{self as program, Frame, ProcessArgs};
use grandstand_common::supervisor::{PartEnded, Supervisor};
use tokio::net::UnixStream;

use crate::process::api::EdgeApi;
use crate::process::config::EdgeConfig;
use crate::process::upgrade::{Earlier, Offer, Sockets, Successor, Takeover, UpgradeError};
use crate::process::{self, BusSource, Edge, EdgeError, EdgeOptions};
use crate::server::listen::{ListenError, SocketKind, adopt, capped};
#[cfg(feature = "quic")]
use crate::server::quic::capped_buffers;
use crate::server::routes::Pages;
use crate::shard::metrics::EdgeMetrics;

/// The configuration key of the admin port, by which its socket is handed over.
const ADMIN: &str = "edge.admin";

/// Hold the connections of players and spectators, in front of workers on NATS
#[derive(Debug, Parser)]
#[command(version, after_help = grandstand_common::exit::HELP)]
pub struct Args {
    /// The configuration file; every key is in config/edge.toml
    #[arg(long, value_name = "FILE", env = "GRANDSTAND_EDGE_CONFIG")]
    config: Option<PathBuf>,
    /// Address for clients
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Number of shards, each a thread with its own listener; 0 for one per core
    #[arg(long)]
    shards: Option<u16>,
    #[command(flatten)]
    process: ProcessArgs,
}

impl Args {
    fn sources(&self) -> Sources {
        self.process
            .sources("edge", self.config.clone())
            .flag("--listen", "edge.listen", self.listen.as_ref())
            .flag("--shards", "edge.shards", self.shards)
    }
}

/// Runs the edge until TERM or INT, or until a new process has taken over, and returns the process' exit code.
pub fn run(args: &Args) -> ExitCode {
    let sources = args.sources();
    let activated = Sockets::activated();
    program::run(
        "grandstand-edge",
        &args.process,
        &sources,
        async |config, frame| drive(config, sources.clone(), activated?, frame).await,
    )
}

/// The parts of the process that an edge needs to start.
struct ProcessParts<'a> {
    status: Status,
    component: &'a Component,
    log: &'a Log,
    reloads: &'a Reloads<EdgeConfig>,
    api: &'a Arc<EdgeApi>,
    supervisor: &'a Supervisor,
}

/// A running edge with its admin port.
struct Running {
    edge: Edge,
    admin: Admin,
    /// The right to use the API of the admin port.
    access: ApiAccess,
    /// The socket at which the next process takes over.
    offer: Option<Offer>,
    /// The sockets that the next process gets.
    sockets: Sockets,
}

async fn drive(
    mut config: EdgeConfig,
    sources: Sources,
    activated: Sockets,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let mut reloads = Reloads::new(sources, config.clone(), frame.log.clone()).map_err(internal)?;
    let status = Status::new();
    let component = status.component("edge");
    status.answer_within(config.answer_within());
    let api = EdgeApi::new(frame.log.clone());
    let process = ProcessParts {
        status: status.clone(),
        component: &component,
        log: &frame.log,
        reloads: &reloads,
        api: &api,
        supervisor: &frame.supervisor,
    };
    let signals = &mut frame.signals;
    let started = tokio::select! {
        started = start(&config, activated, process) => started,
        signal = signals.next() => {
            tracing::info!(signal, "ending before the start is complete");
            frame.supervisor.stand_down();
            return frame.result();
        }
    };
    let Running {
        mut edge,
        mut admin,
        access,
        offer,
        sockets,
    } = started?;
    let event = {
        let taken = taken(offer.as_ref(), &sockets);
        tokio::pin!(taken);
        loop {
            let reload = tokio::select! {
                ended = frame.failures.first() => break Event::Failed(ended),
                signal = api.ending_wanted(&mut frame.signals) => break Event::Signal(signal),
                successor = &mut taken => break Event::Replaced(successor),
                reload = reloads.next() => reload,
            };
            match edge.reload(&reload.config) {
                Ok(()) => {
                    config = reload.config.clone();
                    status.answer_within(config.answer_within());
                    access.set_token(&config.edge.admin_token);
                    reloads.apply(reload);
                }
                Err(error) => reloads.refuse(&error),
            }
        }
    };
    // No other process can take over any more.
    drop((offer, sockets));
    match event {
        Event::Failed(ended) => {
            component.set(Phase::Draining);
            edge.give_up().await;
            Err(ended.into())
        }
        Event::Signal(signal) => {
            tracing::info!(signal, "ending; a second signal ends the process at once");
            component.set(Phase::Draining);
            let wait = Duration::from_millis(config.edge.drain_wait_ms);
            end(edge, wait, frame).await
        }
        Event::Replaced(successor) => {
            component.set(Phase::Draining);
            end_replaced(edge, &mut admin, successor, frame).await
        }
    }
}

/// The reason why an edge ends.
enum Event {
    /// A part of it has failed.
    Failed(PartEnded),
    /// A signal asks it to.
    Signal(&'static str),
    /// A new process has taken over.
    Replaced(Successor),
}

/// Starts the edge and its admin port. If a process runs that can be replaced, its sockets are used, and it is told to end
/// once this one accepts.
async fn start(
    config: &EdgeConfig,
    activated: Sockets,
    process: ProcessParts<'_>,
) -> Result<Running, Failure> {
    let ProcessParts {
        status,
        component,
        log,
        reloads,
        api,
        supervisor,
    } = process;
    let mut registry = registry(Build {
        service: "edge",
        version: env!("CARGO_PKG_VERSION"),
    });
    log.register(&mut registry);
    reloads.register(&mut registry);
    let options = EdgeOptions {
        bus: BusSource::Nats,
        admission: process::admission(config)
            .map_err(|e| Failure::new(Exit::Config, e.to_string()))?,
        pages: Pages::new(),
        echo: false,
        api: Some(Arc::clone(api)),
        supervisor: supervisor.clone(),
    };
    let metrics = EdgeMetrics::register(&mut registry);
    let (takeover, mut sockets) = inherited(config, activated).await?;
    let listener = admin_listener(config, &mut sockets)?;
    let copy = listener.try_clone();
    let access = ApiAccess::new(Arc::clone(api), &config.edge.admin_token);
    let shared = access.clone();
    let answer = || {
        let started = Admin::start_at(listener, status, registry, Some(shared), supervisor);
        started.map_err(internal)
    };
    let starting = process::start(config, options, &mut sockets, component, &metrics);
    let (admin, mut edge) = match takeover {
        None => {
            let admin = answer()?;
            (admin, starting.await.map_err(not_started)?)
        }
        // Until this process is ready, the one that runs answers.
        Some(_) => {
            let edge = starting.await.map_err(not_started)?;
            (answer()?, edge)
        }
    };
    announce(config, &edge);
    sockets.close_rest();
    let mut offer = config.upgrade.path().map(Offer::new).transpose()?;
    match (takeover, &mut offer) {
        (None, Some(offer)) => offer.publish()?,
        (Some(takeover), Some(offer)) => {
            complete(takeover, api, supervisor).await;
            if let Err(error) = offer.publish() {
                tracing::error!(%error, "the next process cannot take over from this one");
            }
        }
        (_, None) => {}
    }
    edge.take_packets().map_err(not_started)?;
    let mut sockets = edge.take_sockets();
    if offer.is_some() {
        let copied = copy.and_then(|copy| sockets.push_copy(ADMIN, copy));
        copied.map_err(internal)?;
    }
    Ok(Running {
        edge,
        admin,
        access,
        offer,
        sockets,
    })
}

/// Logs where clients may connect, and which settings of the kernel hold them back.
fn announce(config: &EdgeConfig, edge: &Edge) {
    tracing::info!(address = %edge.address(), "clients may connect");
    if let Some(address) = edge.tls_address() {
        tracing::info!(%address, "clients may connect with TLS");
    }
    if let Some(address) = edge.quic_address() {
        tracing::info!(%address, "clients may connect with QUIC");
        #[cfg(feature = "quic")]
        warn_of_small_buffers(config.quic.buffer_bytes as usize);
    }
    advise(config);
}

/// Tells the earlier process to end, and keeps the way to it while it drains.
async fn complete(takeover: Takeover, api: &EdgeApi, supervisor: &Supervisor) {
    let Some(Earlier { process, stream }) = takeover.complete().await else {
        return;
    };
    if let Err(error) = api.earlier().add(process, stream, supervisor).await {
        tracing::warn!(process, %error, "the earlier process does not answer: its metrics are missing");
    }
}

/// The sockets that come from the process that runs, or else from the service manager.
async fn inherited(
    config: &EdgeConfig,
    activated: Sockets,
) -> Result<(Option<Takeover>, Sockets), UpgradeError> {
    if let Some(path) = config.upgrade.path()
        && let Some((takeover, sockets)) = Takeover::begin(path).await?
    {
        return Ok((Some(takeover), sockets));
    }
    Ok((None, activated))
}

fn admin_listener(config: &EdgeConfig, sockets: &mut Sockets) -> Result<TcpListener, Failure> {
    let address = config.edge.admin;
    for socket in sockets.take(ADMIN) {
        let adopted = adopt(socket, SocketKind::Listener, address);
        if let Some(listener) = adopted.map_err(|e| Failure::new(Exit::Config, e.to_string()))? {
            return Ok(listener);
        }
    }
    Ok(Admin::bind(ADMIN, address)?)
}

fn not_started(error: EdgeError) -> Failure {
    let key = match error {
        EdgeError::Listen(ListenError::HandedOver(_)) => "",
        EdgeError::Listen(_) => "edge.listen: ",
        EdgeError::Quic(ListenError::HandedOver(_)) => "",
        EdgeError::Quic(_) => "quic.listen: ",
        _ => "",
    };
    Failure::new(error.exit(), format!("{key}{error}"))
}

fn internal(error: std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("{ADMIN}: {error}"))
}

fn advise(config: &EdgeConfig) {
    let wanted = config.listener().backlog;
    if let Some(cap) = capped(wanted) {
        tracing::info!(
            cap,
            wanted,
            "net.core.somaxconn caps tcp.backlog: clients beyond the cap retry only after a second when many connect at \
             once; to raise it, run sysctl -w net.core.somaxconn={wanted}"
        );
    }
}

/// Waits until a new process has taken over.
async fn taken(offer: Option<&Offer>, sockets: &Sockets) -> Successor {
    match offer {
        Some(offer) => offer.taken(sockets).await,
        None => std::future::pending().await,
    }
}

/// Ends the edge in order, after `wait`, during which it still accepts clients. A part that fails shortens that, and a
/// signal ends the process at once.
async fn end(edge: Edge, wait: Duration, frame: &mut Frame) -> Result<(), Failure> {
    let ending = async {
        tokio::select! {
            () = tokio::time::sleep(wait) => edge.end().await,
            _ = frame.failures.first() => edge.give_up().await,
        }
    };
    tokio::select! {
        () = ending => {}
        signal = frame.signals.next() => end_at_once(signal, &frame.supervisor),
    }
    frame.result()
}

/// Ends the edge in order while another process accepts. The second signal ends the process at once.
async fn end_replaced(
    edge: Edge,
    admin: &mut Admin,
    successor: Successor,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let signals = &mut frame.signals;
    // The new process answers at the admin port, also for this one.
    let answer = |by: UnixStream| match by.into_std() {
        Ok(by) => admin.hand_over(by),
        Err(error) => {
            tracing::warn!(%error, "the next process cannot read the metrics of this one");
        }
    };
    let twice = async {
        let signal = signals.next().await;
        tracing::info!(
            signal,
            "ending already; a second signal ends the process at once"
        );
        signals.next().await
    };
    tokio::select! {
        () = edge.hand_over(successor, answer) => {}
        signal = twice => end_at_once(signal, &frame.supervisor),
    }
    frame.result()
}

/// Notes that the parts of the process end because it ends.
fn end_at_once(signal: &'static str, supervisor: &Supervisor) {
    tracing::warn!(signal, "ending at once");
    supervisor.stand_down();
}

/// Says how the kernel's buffers for packets can be as large as they are configured.
#[cfg(feature = "quic")]
fn warn_of_small_buffers(wanted: usize) {
    if let Some(cap) = capped_buffers(wanted) {
        tracing::info!(
            cap,
            wanted,
            "net.core.rmem_max and wmem_max cap quic.buffer_bytes: when many packets arrive at once, those beyond the cap \
             are lost and sent again; to raise them, run sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}"
        );
    }
}

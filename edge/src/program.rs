//! The edge as a program: its command line, and its run from start to drain.

mod start;

mod announce;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use grandstand_common::exit::Failure;
use grandstand_common::process::admin::{Admin, Phase, Status};
use grandstand_common::process::config::Sources;
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::{self as program, Frame, ProcessArgs};
use grandstand_common::supervisor::PartEnded;
use tokio::net::UnixStream;

use crate::process::Edge;
use crate::process::api::EdgeApi;
use crate::process::config::EdgeConfig;
use crate::process::upgrade::{Offer, Sockets, Successor};

use start::{ProcessParts, Running, internal, start};

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
        signal = frame.supervisor.stand_down_at(signals.next()) => {
            tracing::info!(signal, "ending before the start is complete");
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
        signal = frame.supervisor.stand_down_at(frame.signals.next()) => {
            tracing::warn!(signal, "ending at once");
        }
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
        signal = frame.supervisor.stand_down_at(twice) => tracing::warn!(signal, "ending at once"),
    }
    frame.result()
}

//! The edge as a program: its command line, and its run from start to drain.

mod start;

mod announce;

mod ending;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use grandstand_common::exit::Failure;
use grandstand_common::process::admin::{Phase, Status};
use grandstand_common::process::config::Sources;
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::{self as program, Frame, ProcessArgs};

use crate::process::api::EdgeApi;
use crate::process::config::EdgeConfig;
use crate::process::upgrade::{Offer, Sockets, Successor};

use ending::Event;
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
    let mut registry = registry(Build {
        service: "edge",
        version: env!("CARGO_PKG_VERSION"),
    });
    frame.log.register(&mut registry);
    reloads.register(&mut registry);
    let process = ProcessParts {
        status: status.clone(),
        component: &component,
        registry,
        api: &api,
        supervisor: &frame.supervisor,
    };
    let signals = &mut frame.signals;
    let started = tokio::select! {
        started = reloads.postpone_while(start(&config, activated, process)) => started,
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
    component.set(Phase::Draining);
    api.note_ending();
    let wait = Duration::from_millis(config.edge.drain_wait_ms);
    let ending = ending::drive(event, edge, wait, &mut admin, frame);
    reloads.refuse_while(ending).await
}

/// Waits until a new process has taken over.
async fn taken(offer: Option<&Offer>, sockets: &Sockets) -> Successor {
    match offer {
        Some(offer) => offer.taken(sockets).await,
        None => std::future::pending().await,
    }
}

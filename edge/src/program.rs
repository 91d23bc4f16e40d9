//! The edge as a program: its command line, and its run from start to drain.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Admin, Phase, Status};
use grandstand_common::process::config::Sources;
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::{self as program, Frame, ProcessArgs};

use crate::process::config::EdgeConfig;
use crate::process::{self, BusSource, Edge, EdgeError, EdgeOptions};
use crate::server::listen::capped;
use crate::server::quic::capped_buffers;
use crate::server::routes::Pages;
use crate::shard::metrics::EdgeMetrics;

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

/// Runs the edge until TERM or INT and returns the process' exit code.
pub fn run(args: &Args) -> ExitCode {
    program::run("grandstand-edge", &args.process, &args.sources(), drive)
}

async fn drive(config: EdgeConfig, frame: &mut Frame) -> Result<(), Failure> {
    let status = Status::new();
    let component = status.component("edge");
    let mut registry = registry(Build {
        service: "edge",
        version: env!("CARGO_PKG_VERSION"),
    });
    frame.log.register(&mut registry);
    status.answer_within(config.answer_within());
    let supervisor = &frame.supervisor;
    let options = EdgeOptions {
        bus: BusSource::Nats,
        admission: process::admission(&config)
            .map_err(|e| Failure::new(Exit::Config, e.to_string()))?,
        pages: Pages::new(),
        echo: false,
        supervisor: supervisor.clone(),
    };
    let metrics = EdgeMetrics::register(&mut registry);
    let admin = config.edge.admin;
    let _admin = Admin::start("edge.admin", admin, status, registry, supervisor)
        .map_err(|e| Failure::new(e.exit(), e.to_string()))?;
    let started = tokio::select! {
        started = process::start(&config, options, &component, &metrics) => started,
        signal = frame.signals.next() => {
            tracing::info!(signal, "ending before the start is complete");
            supervisor.stand_down();
            return frame.result();
        }
    };
    let edge = started.map_err(|e| match &e {
        EdgeError::Listen(_) => Failure::new(e.exit(), format!("edge.listen: {e}")),
        EdgeError::Quic(_) => Failure::new(e.exit(), format!("quic.listen: {e}")),
        _ => Failure::new(e.exit(), e.to_string()),
    })?;
    tracing::info!(address = %edge.address(), "clients may connect");
    if let Some(address) = edge.tls_address() {
        tracing::info!(%address, "clients may connect with TLS");
    }
    if let Some(address) = edge.quic_address() {
        tracing::info!(%address, "clients may connect with QUIC");
        warn_of_small_buffers(config.quic.buffer_bytes as usize);
    }
    let wanted = config.listener().backlog;
    if let Some(cap) = capped(wanted) {
        tracing::info!(
            cap,
            wanted,
            "net.core.somaxconn caps tcp.backlog: clients beyond the cap retry only after a second when many connect at \
             once; to raise it, run sysctl -w net.core.somaxconn={wanted}"
        );
    }
    tokio::select! {
        ended = frame.failures.first() => {
            component.set(Phase::Draining);
            edge.give_up().await;
            Err(ended.into())
        }
        signal = frame.signals.next() => {
            tracing::info!(signal, "ending; a second signal ends the process at once");
            component.set(Phase::Draining);
            let wait = Duration::from_millis(config.edge.drain_wait_ms);
            end(edge, wait, frame).await
        }
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
        signal = frame.signals.next() => tracing::warn!(signal, "ending at once"),
    }
    frame.result()
}

/// Says how the kernel's buffers for packets can be as large as they are configured.
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

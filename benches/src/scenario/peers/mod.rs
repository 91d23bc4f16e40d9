//! `peers`: the servers that people would use instead, and ours, in one run.

mod server;

mod table;

use std::path::PathBuf;

use grandstand_tests::ports::Port;

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::servers::{Servers, ServersUsage, Wanted};
use crate::load::job::{Command, Job, LoadRole};
use crate::load::remote::Load;
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::run::{Common, Outcome};
use crate::scenario::common::{drain, job, measure, publisher, settle};
use server::{Peer, Server};
use table::{Fanout, Row};

/// The same fan-out with other servers, in one run: Bun, Node's ws, Socket.IO, NATS, Nchan, as far as they are installed
///
/// `benches/peers/setup` installs them. Messages carry the same bytes with all; envelopes are each server's own.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Who watches
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Messages per second, one measurement for each
    #[arg(long, value_delimiter = ',', default_values_t = [60.0, 200.0])]
    pub rates: Vec<f64>,
    /// Bytes of a message
    #[arg(long, default_value_t = 128)]
    pub size: u32,
    /// The folder with the other servers
    #[arg(long, default_value = "benches/peers", value_name = "DIR")]
    pub dir: PathBuf,
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Peer::ALL)]
    pub only: Vec<Peer>,
    /// Write the table into this file, between its markers
    #[arg(long, value_name = "FILE.md")]
    pub write: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// If servers or clients cannot be had.
pub async fn run(
    options: &Options,
    common: &Common,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut report = Report::new("peers");
    let mut rows = Vec::new();
    for peer in &options.only {
        if let Err(why) = peer.installed(&options.dir) {
            report.warn(format!("{} is left out: {why}", peer.label()));
            continue;
        }
        match one(*peer, options, common, progress).await {
            Ok(row) => rows.push(row),
            // One that breaks down is a finding too; the others are still to be measured.
            Err(error) => report.warn(format!("{} could not be measured: {error}", peer.label())),
        }
    }
    let servers_of_others = rows.iter().any(|row| row.peer != Peer::Grandstand);
    if !servers_of_others {
        return Err(BenchError::NoPeers);
    }
    let settings = &mut report.settings;
    settings.put("spectators", options.spectators);
    settings.put("size_bytes", options.size);
    settings.put_number("seconds", common.seconds);
    for row in &rows {
        row.put(&mut report.figures);
    }
    let table = table::markdown(&rows, options, common.seconds);
    if let Some(path) = &options.write {
        table::write(path, &table)?;
    }
    if !common.json {
        eprintln!("{table}");
    }
    Ok(Outcome {
        chart: chart(&rows, options),
        report,
    })
}

/// What is measured: ours, or a peer.
#[derive(Debug)]
enum Running {
    Ours(Box<Servers>),
    Theirs(Server),
}

impl Running {
    fn usage(&self) -> Result<ServersUsage, BenchError> {
        match self {
            // Whatever is needed to deliver a message counts.
            Self::Ours(servers) => Ok(ServersUsage {
                edges: servers.usage()?.all(),
                ..ServersUsage::default()
            }),
            Self::Theirs(server) => server.usage(),
        }
    }
}

async fn one(
    peer: Peer,
    options: &Options,
    common: &Common,
    progress: &mut Progress,
) -> Result<Row, BenchError> {
    let cores = Cores::apart();
    progress.phase(peer.label());
    let port = Port::try_take()?;
    let running = match peer {
        Peer::Grandstand => {
            let wanted = Wanted {
                workers: 1,
                edges: 1,
                cores,
            };
            Running::Ours(Box::new(Servers::start(wanted).await?))
        }
        _ => Running::Theirs(Server::start(peer, &options.dir, &port, cores).await?),
    };
    let target = match &running {
        Running::Ours(servers) => servers.address(),
        Running::Theirs(_) => port.address(),
    };
    let mut player = Load::start(&Job {
        dialect: peer.dialect(),
        ..publisher(target, cores, options.size)
    })
    .await?;
    player.entered(progress).await?;
    // What is made once is no connection's.
    let warm = Job {
        dialect: peer.dialect(),
        source: 250,
        ..job(target, LoadRole::Spectator, 64, cores)
    };
    let mut warm = Load::start(&Job {
        first_player: 20_000_000,
        ..warm
    })
    .await?;
    warm.entered(progress).await?;
    settle(1.0).await;
    let before = running.usage()?.edges.memory;
    let mut load = Load::start(&Job {
        dialect: peer.dialect(),
        size: options.size,
        ..job(target, LoadRole::Spectator, options.spectators, cores)
    })
    .await?;
    load.entered(progress).await?;
    drop(warm);
    settle(3.0).await;
    let memory = running.usage()?.edges.memory.saturating_sub(before);
    let mut row = Row {
        peer,
        bytes_per_connection: memory as f64 / f64::from(options.spectators),
        fanouts: Vec::new(),
    };
    for &rate in &options.rates {
        progress.phase(format!("{}, {rate}/s", peer.label()));
        player.tell(Command::Rate(rate)).await?;
        settle(common.seconds.min(3.0)).await;
        let mut loads = [&mut load, &mut player];
        let mut measured =
            measure(|| running.usage(), &mut loads, common.seconds, progress).await?;
        loads[1].tell(Command::Silence).await?;
        drain(&mut loads, &mut measured).await?;
        row.fanouts
            .push(Fanout::new(rate, options.spectators, &measured));
    }
    Ok(row)
}

fn chart(rows: &[Row], options: &Options) -> Chart {
    let names: Vec<_> = rows.iter().map(|row| row.peer.label().to_owned()).collect();
    let bars = |value: &dyn Fn(&Row) -> f64| {
        let values = rows.iter().map(value);
        values
            .enumerate()
            .map(|(at, value)| (at as f64, value))
            .collect::<Vec<_>>()
    };
    let of_rates = |value: fn(&Fanout) -> f64| {
        let rates = options.rates.iter().enumerate();
        let line = |(at, rate): (usize, &f64)| {
            Line::new(
                format!("{rate}/s"),
                bars(&|row| row.fanouts.get(at).map_or(0.0, value)),
            )
        };
        rates.map(line).collect::<Vec<_>>()
    };
    let panel = |y, lines| Panel {
        x: Axis::Names(names.clone()),
        y,
        lines,
    };
    Chart {
        title: format!(
            "One room of {} spectators, messages of {} bytes",
            options.spectators, options.size
        ),
        subtitle:
            "each server on one core, the load generator on another, one after the other in one run"
                .to_owned(),
        panels: vec![
            panel("deliveries a second", of_rates(|fanout| fanout.per_second)),
            panel("p99, ms", of_rates(|fanout| fanout.p99_ms)),
            panel(
                "KB per connection",
                vec![Line::new(
                    "memory",
                    bars(&|row| row.bytes_per_connection / 1000.0),
                )],
            ),
        ],
    }
}

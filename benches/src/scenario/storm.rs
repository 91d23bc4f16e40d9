//! `storm`: all spectators reconnect at once while others play.

use crate::error::BenchError;
use crate::host::limits::{self, Demand};
use crate::host::priority::Priority;
use crate::load::clock::now_ns;
use crate::load::job::{Command, Job};
use crate::load::remote::Load;
use crate::load::swarm::PER_SOURCE;
use crate::load::tally::Tally;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::measure::{Measured, measure, settle, warm_up};
use crate::scenario::stage::Stage;
use crate::scenario::variant::{Repeat, Variant};

/// All spectators reconnect at once: the time until all are back, and the latency of players meanwhile
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of clients that reconnect
    #[arg(long, default_value_t = 15_000)]
    pub clients: u32,
    /// Number of two-player rooms that continue meanwhile
    #[arg(long, default_value_t = 100)]
    pub rooms: u32,
    /// Inputs per second, over all two-player rooms
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Number of storms
    #[arg(long, default_value_t = 3)]
    pub storms: u32,
    /// The variants and rounds.
    #[command(flatten)]
    pub repeat: Repeat,
}

/// Size of an input's data in bytes.
const SIZE: u32 = 128;

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable, or clients do not come back.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    // The kernel drops connects beyond its backlog, and a client retries only after a second.
    let small = limits::too_small(&Demand {
        connections: options.clients.into(),
        per_source: options.clients.min(PER_SOURCE as u32).into(),
        at_once: options.clients.into(),
    });
    for limit in &small {
        progress.note(&limit.to_string());
    }
    let mut outcome = options
        .repeat
        .run("during_p99_ms", progress, async |variant, progress| {
            run_once(options, common, variant, progress).await
        })
        .await?;
    for limit in small {
        outcome.report.warn(limit.to_string());
    }
    Ok(outcome)
}

async fn run_once(
    options: &Options,
    common: &RunOptions,
    variant: &Variant,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let stage = Stage::start(variant, SIZE, progress).await?;
    let crowd = Job {
        priority: Priority::Last,
        ..stage.spectators(options.clients)
    };
    let mut crowd = Load::connect_all(&crowd, progress).await?;
    let mut small = Load::connect_all(&stage.pairs(options.rooms, SIZE), progress).await?;
    let servers = &stage.servers;
    small.tell(Command::Rate(options.rate)).await?;
    warm_up(common).await;

    progress.phase("before");
    let before = measure(servers, &mut [&mut small], common, progress).await?;
    crowd.tell(Command::AtOnce(options.clients)).await?;
    let mut recovery_s = Vec::new();
    let mut during = Tally::default();
    let mut reconnects = Tally::default();
    let cpu = servers.usage()?.edges;
    for storm in 0..options.storms {
        progress.phase(format!("storm {} of {}", storm + 1, options.storms));
        settle(2.0).await;
        small.collect().await?;
        crowd.collect().await?;
        small.tell(Command::Window(now_ns(), u64::MAX)).await?;
        crowd.tell(Command::Reconnect).await?;
        recovery_s.push(crowd.wait_connected(progress).await?);
        // Inputs that are due until now count; their updates come within this second.
        small.tell(Command::Window(0, 0)).await?;
        during.add_later(&small.collect().await?);
        reconnects.add_later(&crowd.collect().await?);
    }
    let cpu = servers.usage()?.edges - cpu;

    let mut report = Report::new("storm");
    let settings = &mut report.settings;
    settings.put("clients", options.clients);
    settings.put("rooms", options.rooms);
    settings.put_number("rate_per_s", options.rate);
    settings.put("storms", options.storms);
    let figures = &mut report.figures;
    let mean_s = recovery_s.iter().sum::<f64>() / recovery_s.len().max(1) as f64;
    figures.put_number("back_seconds", mean_s);
    figures.put_number(
        "back_max_seconds",
        recovery_s.iter().copied().fold(0.0, f64::max),
    );
    figures.put_number("connects_per_s", f64::from(options.clients) / mean_s);
    figures.put_latencies("reconnect_", &reconnects.entries);
    figures.put("retries", reconnects.retries);
    if let Some(percent) = reconnects.resumed_percent() {
        figures.put_number("resumed_percent", percent);
    }
    figures.put_latencies("before_", &before.tallies[0].latencies);
    figures.put_latencies("during_", &during.latencies);
    let p99 = |tally: &Tally| tally.latencies.quantile_ms(0.99).unwrap_or(0.0);
    let ratio = p99(&during) / p99(&before.tallies[0]).max(0.001);
    figures.put_number("p99_ratio", ratio);
    let connects = f64::from(options.clients * options.storms).max(1.0);
    figures.put_number("edge_cpu_us_per_connect", cpu.cpu_s * 1e6 / connects);
    figures.put("errors", during.errors);
    if let Some(error) = during.error.clone().or(reconnects.error.clone()) {
        report.warn(error);
    }
    Ok(Outcome {
        chart: chart(&report, options, (&before, &during, &reconnects)),
        report,
    })
}

fn chart(report: &Report, options: &Options, phases: (&Measured, &Tally, &Tally)) -> Chart {
    let (before, during, reconnects) = phases;
    Chart {
        title: format!("{} clients reconnect at once", options.clients),
        subtitle: format!(
            "all are back after {:.1} s; p99 of players: {:.1} ms before, {:.1} ms meanwhile",
            report.figure("back_seconds"),
            report.figure("before_p99_ms"),
            report.figure("during_p99_ms"),
        ),
        panels: vec![
            Panel {
                x: Axis::Percentile,
                y: "ms from input to update",
                lines: vec![
                    Line::spread("before", &before.tallies[0].latencies),
                    Line::spread("meanwhile", &during.latencies),
                ],
            },
            Panel {
                x: Axis::Percentile,
                y: "ms until a client is back",
                lines: vec![Line::spread("reconnect", &reconnects.entries)],
            },
        ],
    }
}

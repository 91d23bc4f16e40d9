//! `mixed`: small rooms on the shard of a giant one.

use crate::error::BenchError;
use crate::host::priority::Priority;
use crate::load::job::{Command, Job};
use crate::load::remote::Load;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::figures::put_servers;
use crate::scenario::measure::{Measured, drain, measure, warm_up};
use crate::scenario::stage::Stage;
use crate::scenario::variant::{Repeat, Variant};

/// Two-player rooms on the shard of a room with thousands of spectators: their latency alone and beside it
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of spectators of the giant room
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Messages per second of the giant room
    #[arg(long, default_value_t = 5.0)]
    pub giant_rate: f64,
    /// Number of two-player rooms
    #[arg(long, default_value_t = 100)]
    pub rooms: u32,
    /// Inputs per second, over all two-player rooms
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Size of an input's data in bytes
    #[arg(long, default_value_t = 128)]
    pub size: u32,
    /// The variants and rounds.
    #[command(flatten)]
    pub repeat: Repeat,
}

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    options
        .repeat
        .run("beside_p99_ms", progress, async |variant, progress| {
            run_once(options, common, variant, progress).await
        })
        .await
}

async fn run_once(
    options: &Options,
    common: &RunOptions,
    variant: &Variant,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut stage = Stage::start(variant, options.size, progress).await?;
    let crowd = Job {
        priority: Priority::Last,
        ..stage.spectators(options.spectators)
    };
    let mut crowd = Load::connect_all(&crowd, progress).await?;
    let mut small = Load::connect_all(&stage.pairs(options.rooms, options.size), progress).await?;
    let Stage {
        player: giant,
        servers,
        ..
    } = &mut stage;

    small.tell(Command::Rate(options.rate)).await?;
    warm_up(common).await;
    progress.phase("small rooms alone");
    let alone = measure(servers, &mut [&mut small], common, progress).await?;
    giant.tell(Command::Rate(options.giant_rate)).await?;
    warm_up(common).await;
    progress.phase("beside the giant room");
    let mut loads = [&mut small, &mut crowd, giant];
    let mut beside = measure(servers, &mut loads, common, progress).await?;
    for sender in [0, 2] {
        loads[sender].tell(Command::Silence).await?;
    }
    drain(&mut loads, &mut beside).await?;

    let mut report = Report::new("mixed");
    let settings = &mut report.settings;
    settings.put("spectators", options.spectators);
    settings.put_number("giant_rate_per_s", options.giant_rate);
    settings.put("rooms", options.rooms);
    settings.put_number("rate_per_s", options.rate);
    settings.put("size_bytes", options.size);
    settings.put_number("seconds", common.seconds);
    put(&mut report, &alone, &beside, options.spectators);
    Ok(Outcome {
        chart: chart(&report, options, &alone, &beside),
        report,
    })
}

fn put(report: &mut Report, alone: &Measured, beside: &Measured, spectators: u32) {
    let [small, crowd, giant] = [0, 1, 2].map(|load| &beside.tallies[load]);
    let figures = &mut report.figures;
    figures.put_latencies("alone_", &alone.tallies[0].latencies);
    figures.put_latencies("beside_", &small.latencies);
    let missing = (small.sent_in_window * 2).saturating_sub(small.in_window);
    figures.put("updates_missing", missing);
    figures.put_latencies("giant_", &crowd.latencies);
    let offered = giant.sent_in_window * u64::from(spectators);
    let share = crowd.in_window as f64 / offered.max(1) as f64;
    figures.put_number("giant_delivered_percent", share * 100.0);
    figures.put("errors", small.errors + crowd.errors + giant.errors);
    for tally in &beside.tallies {
        if let Some(error) = &tally.error {
            report.warn(error.clone());
        }
    }
    put_servers(report, beside);
    report.put_generator(beside.generator);
}

fn chart(report: &Report, options: &Options, alone: &Measured, beside: &Measured) -> Chart {
    Chart {
        title: format!(
            "{} two-player rooms beside a room with {} messages per second and {} spectators",
            options.rooms, options.giant_rate, options.spectators
        ),
        subtitle: format!(
            "p99 from input to update: {:.1} ms alone, {:.1} ms beside the giant room",
            report.figure("alone_p99_ms"),
            report.figure("beside_p99_ms"),
        ),
        panels: vec![Panel {
            x: Axis::Percentile,
            y: "ms from input to update",
            lines: vec![
                Line::spread("small rooms alone", &alone.tallies[0].latencies),
                Line::spread("beside the giant room", &beside.tallies[0].latencies),
            ],
        }],
    }
}

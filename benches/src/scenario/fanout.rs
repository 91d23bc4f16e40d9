//! `fanout`: one room with one player and thousands of spectators.

use crate::error::BenchError;
use crate::load::job::{Command, Job};
use crate::load::remote::Load;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::figures::{put_deliveries, put_servers};
use crate::scenario::measure::{Measured, drain, measure, settle, warm_up};
use crate::scenario::stage::Stage;
use crate::scenario::variant::{OFFERED, Repeat, Variant};

/// One room with thousands of spectators: deliveries, latency from the player's send, CPU per delivery
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of spectators
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Inputs per second of the one player
    #[arg(long, default_value_t = 60.0)]
    pub rate: f64,
    /// Size of an input's data in bytes, without the protocol's envelope
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
        .run("p99_ms", progress, async |variant, progress| {
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
    let job = Job {
        size: options.size,
        ..stage.spectators(options.spectators)
    };
    let mut load = Load::connect_all(&job, progress).await?;
    let Stage {
        player, servers, ..
    } = &mut stage;
    settle(1.0).await;

    progress.phase("warming up");
    player.tell(Command::Rate(options.rate)).await?;
    warm_up(common).await;
    progress.phase("measuring");
    let mut loads = [&mut load, player];
    let mut measured = measure(servers, &mut loads, common, progress).await?;
    loads[1].tell(Command::Silence).await?;
    progress.phase("waiting for late messages");
    drain(&mut loads, &mut measured).await?;

    let mut report = Report::new("fanout");
    let settings = &mut report.settings;
    settings.put("spectators", options.spectators);
    settings.put_number("rate_per_s", options.rate);
    settings.put("size_bytes", options.size);
    settings.put_number("seconds", common.seconds);
    put_deliveries(&mut report, &measured, options.spectators);
    put_servers(&mut report, &measured);
    report.put_generator(measured.generator);
    Ok(Outcome {
        chart: chart(&report, &measured, options),
        report,
    })
}

fn chart(report: &Report, measured: &Measured, options: &Options) -> Chart {
    let offered = options.rate * f64::from(options.spectators);
    let samples = &measured.samples;
    let received = samples
        .iter()
        .map(|sample| (sample.at_s, sample.received))
        .collect();
    let level = samples
        .iter()
        .map(|sample| (sample.at_s, offered))
        .collect();
    Chart {
        title: format!(
            "{} spectators of one room, {} messages of {} bytes a second",
            options.spectators, options.rate, options.size
        ),
        subtitle: format!(
            "{:.1} % of {:.0} deliveries a second arrived; p99 {:.1} ms; {:.2} µs of the edge's CPU each",
            report.figure("delivered_percent"),
            offered,
            report.figure("p99_ms"),
            report.figure("edge_cpu_us_per_delivery"),
        ),
        panels: vec![
            Panel {
                x: Axis::Seconds,
                y: "deliveries a second",
                lines: vec![Line::new("received", received), Line::new(OFFERED, level)],
            },
            Panel {
                x: Axis::Percentile,
                y: "ms from the player's send",
                lines: vec![Line::spread("latency", &measured.tallies[0].latencies)],
            },
        ],
    }
}

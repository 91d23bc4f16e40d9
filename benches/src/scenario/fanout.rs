//! `fanout`: one room, one player who sends, and very many who watch.

use crate::error::BenchError;
use crate::load::job::{Command, Job};
use crate::load::remote::Load;
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::run::{Common, Outcome};
use crate::scenario::common::{Measured, drain, measure, settle};
use crate::scenario::stage::Stage;
use crate::scenario::variant::{OFFERED, Repeat, Variant};

/// One room with very many spectators: deliveries, latency from the player's send on, CPU per delivery
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Who watches
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Inputs per second of the one player
    #[arg(long, default_value_t = 60.0)]
    pub rate: f64,
    /// Bytes of what an input carries; the protocol's envelope comes on top
    #[arg(long, default_value_t = 128)]
    pub size: u32,
    /// What is measured side by side, and how often.
    #[command(flatten)]
    pub repeat: Repeat,
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
    options
        .repeat
        .run("p99_ms", progress, async |variant, progress| {
            once(options, common, variant, progress).await
        })
        .await
}

async fn once(
    options: &Options,
    common: &Common,
    variant: &Variant,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut stage = Stage::start(variant, options.size, progress).await?;
    let job = Job {
        size: options.size,
        ..stage.spectators(options.spectators)
    };
    let mut load = Load::enter(&job, progress).await?;
    let Stage {
        player, servers, ..
    } = &mut stage;
    settle(1.0).await;

    progress.phase("warming up");
    player.tell(Command::Rate(options.rate)).await?;
    settle(common.seconds.min(3.0)).await;
    progress.phase("measuring");
    let mut loads = [&mut load, player];
    let mut measured = measure(|| servers.usage(), &mut loads, common.seconds, progress).await?;
    loads[1].tell(Command::Silence).await?;
    progress.phase("waiting for the rest");
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

/// What was offered and what came: of the first load as watchers, of the second as the publisher.
pub fn put_deliveries(report: &mut Report, measured: &Measured, watchers: u32) {
    let (watching, publishing) = (&measured.tallies[0], &measured.tallies[1]);
    let offered = publishing.sent_in_window * u64::from(watchers);
    let figures = &mut report.figures;
    figures.put("offered", offered);
    figures.put("delivered", watching.in_window);
    let share = watching.in_window as f64 / offered.max(1) as f64;
    figures.put_number("delivered_percent", share * 100.0);
    figures.put_number(
        "deliveries_per_s",
        measured.received as f64 / measured.seconds,
    );
    figures.put_latencies("", &watching.latencies);
    let us = |cpu_s: f64| cpu_s * 1e6 / measured.received.max(1) as f64;
    figures.put_number("edge_cpu_us_per_delivery", us(measured.used.edges.cpu_s));
    let bytes = watching.bytes as f64 / watching.received.max(1) as f64;
    figures.put_number("bytes_per_delivery", bytes);
    figures.put_number(
        "deliveries_per_read",
        watching.received as f64 / watching.reads.max(1) as f64,
    );
    figures.put("snapshots", watching.snapshots);
    figures.put("errors", watching.errors + publishing.errors);
    if publishing.unsent > 0 {
        report.warn(format!("{} inputs could not be sent", publishing.unsent));
    }
    if let Some(error) = watching.error.as_ref().or(publishing.error.as_ref()) {
        report.warn(error.clone());
    }
}

/// How busy the servers were.
pub fn put_servers(report: &mut Report, measured: &Measured) {
    let percent = |cpu_s: f64| cpu_s / measured.seconds * 100.0;
    let used = &measured.used;
    let figures = &mut report.figures;
    figures.put_number("edge_cpu_percent", percent(used.edges.cpu_s));
    figures.put_number("worker_cpu_percent", percent(used.workers.cpu_s));
    figures.put_number("nats_cpu_percent", percent(used.nats.cpu_s));
    let memory = measured
        .samples
        .iter()
        .map(|sample| sample.edge_memory)
        .max();
    figures.put("edge_memory_bytes", memory.unwrap_or(0));
}

fn chart(report: &Report, measured: &Measured, options: &Options) -> Chart {
    let figure = |name| report.figures.number(name).unwrap_or(0.0);
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
            figure("delivered_percent"),
            offered,
            figure("p99_ms"),
            figure("edge_cpu_us_per_delivery"),
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

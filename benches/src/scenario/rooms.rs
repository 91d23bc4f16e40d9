//! `rooms`: latency of many small rooms through the whole system.

use serde_json::{Map, Value};

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::servers::{Servers, Wanted};
use crate::load::job::{Command, Job, LoadRole, Rooms};
use crate::load::remote::Load;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::figures::put_servers;
use crate::scenario::jobs::job;
use crate::scenario::measure::{Measured, drain, measure, warm_up};

/// Many two-player rooms: latency from input to update and to ack through edge, NATS, the durable log, worker and back
///
/// NATS, edge, worker and generator share all cores.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of two-player rooms
    #[arg(long, default_value_t = 1000)]
    pub rooms: u32,
    /// Inputs per second, over all rooms
    #[arg(long, default_value_t = 5000.0)]
    pub rate: f64,
    /// Size of an input's data in bytes
    #[arg(long, default_value_t = 64)]
    pub size: u32,
    /// Number of workers
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// Game of this program to play instead of relay; it needs a scripted player
    ///
    /// `games.add::<G>().played_by(play)` names one. Its inputs have no fixed size, and the generator is this process.
    #[arg(long, value_name = "NAME", conflicts_with = "size")]
    pub game: Option<String>,
    /// Number of players of each room of that game
    #[arg(long, value_name = "N", default_value_t = 2, requires = "game", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub players: u32,
    /// Parameters of the rooms of that game: a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", requires = "game", value_parser = params)]
    pub params: Value,
}

fn params(text: &str) -> Result<Value, String> {
    let members = serde_json::from_str::<Map<String, Value>>(text);
    members
        .map(Value::Object)
        .map_err(|error| format!("must be a JSON object: {error}"))
}

/// The players of this many two-player rooms.
pub fn pairs(servers: &Servers, rooms: u32, size: u32, cores: Cores) -> Job {
    Job {
        rooms: Rooms {
            prefix: "relay-pair-".to_owned(),
            each: 2,
            per_connection: 1,
        },
        size,
        source: 1,
        ..job(servers.address(), LoadRole::Player, rooms * 2, cores)
    }
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
    progress.phase("starting");
    let servers = Servers::start(Wanted {
        workers: options.workers,
        edges: 1,
        cores: Cores::SHARED,
    })
    .await?;
    progress.phase("connecting");
    let players = pairs(&servers, options.rooms, options.size, Cores::SHARED);
    let mut load = Load::connect_all(&players, progress).await?;
    progress.phase("warming up");
    load.tell(Command::Rate(options.rate)).await?;
    warm_up(common).await;
    progress.phase("measuring");
    let mut measured = measure(&servers, &mut [&mut load], common, progress).await?;
    load.tell(Command::Silence).await?;
    progress.phase("waiting for late messages");
    drain(&mut [&mut load], &mut measured).await?;

    let mut report = Report::new("rooms");
    let settings = &mut report.settings;
    settings.put("rooms", options.rooms);
    settings.put_number("rate_per_s", options.rate);
    settings.put("size_bytes", options.size);
    settings.put("workers", options.workers);
    settings.put_number("seconds", common.seconds);
    let tally = &measured.tallies[0];
    let figures = &mut report.figures;
    figures.put("inputs", tally.sent_in_window);
    figures.put_number("inputs_per_s", tally.sent_in_window as f64 / common.seconds);
    figures.put_latencies("update_", &tally.latencies);
    figures.put_latencies("ack_", &tally.acks);
    // Each input becomes an update for both players.
    let missing = (tally.sent_in_window * 2).saturating_sub(tally.in_window);
    figures.put("updates_missing", missing);
    figures.put(
        "acks_missing",
        tally.sent_in_window.saturating_sub(tally.acks.count()),
    );
    figures.put("unsent", tally.unsent);
    figures.put("rejected", tally.rejected);
    figures.put("errors", tally.errors);
    let us = |cpu_s: f64| cpu_s * 1e6 / tally.sent_in_window.max(1) as f64;
    figures.put_number("edge_cpu_us_per_input", us(measured.used.edges.cpu_s));
    figures.put_number("worker_cpu_us_per_input", us(measured.used.workers.cpu_s));
    figures.put_number("nats_cpu_us_per_input", us(measured.used.nats.cpu_s));
    if let Some(error) = tally.error.clone() {
        report.warn(error);
    }
    put_servers(&mut report, &measured);
    report.put_generator(measured.generator);
    Ok(Outcome {
        chart: chart(&report, &measured, options),
        report,
    })
}

fn chart(report: &Report, measured: &Measured, options: &Options) -> Chart {
    let tally = &measured.tallies[0];
    let p99 = measured
        .samples
        .iter()
        .map(|sample| (sample.at_s, sample.p99_ms));
    Chart {
        title: format!(
            "{} two-player rooms, {} inputs a second",
            options.rooms, options.rate
        ),
        subtitle: format!(
            "through edge, NATS, the log, worker and back: p50 {:.2} ms, p99 {:.1} ms from input to update",
            report.figure("update_p50_ms"),
            report.figure("update_p99_ms"),
        ),
        panels: vec![
            Panel {
                x: Axis::Percentile,
                y: "ms from due time",
                lines: vec![
                    Line::spread("input to update", &tally.latencies),
                    Line::spread("input to ack", &tally.acks),
                ],
            },
            Panel {
                x: Axis::Seconds,
                y: "p99 of each second, ms",
                lines: vec![Line::new("input to update", p99.collect())],
            },
        ],
    }
}

//! `arena`: rooms in real time through the whole system.

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
use crate::scenario::measure::{Measured, measure, warm_up};

/// The ticks of an arena per second.
const RATE_HZ: f64 = 30.0;

/// Arenas at 30 ticks a second: how regularly frames reach their players, and what that costs
///
/// Servers share one core, and the generator has another if there is one.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of arenas
    #[arg(long, default_value_t = 200)]
    pub rooms: u32,
    /// Number of players of each arena, at most 16
    #[arg(long, default_value_t = 8)]
    pub players: u32,
    /// Controls per second of each player
    #[arg(long, default_value_t = 2.0)]
    pub controls: f64,
    /// Let servers and generator share all cores
    #[arg(long)]
    pub shared: bool,
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
    let cores = if options.shared {
        Cores::SHARED
    } else {
        Cores::apart()
    };
    let servers = Servers::start(Wanted {
        workers: 1,
        edges: 1,
        cores,
    })
    .await?;
    progress.phase("connecting");
    let players = options.rooms * options.players;
    let players = Job {
        rooms: Rooms {
            prefix: "arena-bench-".to_owned(),
            each: options.players,
            per_connection: 1,
        },
        controls: true,
        source: 1,
        ..job(servers.address(), LoadRole::Player, players, cores)
    };
    let mut load = Load::connect_all(&players, progress).await?;
    progress.phase("warming up");
    let rate = f64::from(players.connections) * options.controls;
    load.tell(Command::Rate(rate)).await?;
    warm_up(common).await;
    progress.phase("measuring");
    let measured = measure(&servers, &mut [&mut load], common, progress).await?;

    let mut report = Report::new("arena");
    let settings = &mut report.settings;
    settings.put("rooms", options.rooms);
    settings.put("players", options.players);
    settings.put_number("controls_per_s", options.controls);
    settings.put("shared", u32::from(options.shared));
    settings.put_number("seconds", common.seconds);
    put(&mut report, &measured, options);
    Ok(Outcome {
        chart: chart(&report, &measured, options),
        report,
    })
}

fn put(report: &mut Report, measured: &Measured, options: &Options) {
    let tally = &measured.tallies[0];
    let clients = f64::from(options.rooms * options.players);
    let offered = clients * RATE_HZ * measured.seconds;
    let figures = &mut report.figures;
    figures.put_number("frames_per_s", measured.received as f64 / measured.seconds);
    let share = measured.received as f64 / offered.max(1.0);
    figures.put_number("frames_percent", share * 100.0);
    figures.put_latencies("jitter_", &tally.latencies);
    let us = |cpu_s: f64, each: f64| cpu_s * 1e6 / each.max(1.0);
    let ticks = f64::from(options.rooms) * RATE_HZ * measured.seconds;
    figures.put_number(
        "worker_cpu_us_per_tick",
        us(measured.used.workers.cpu_s, ticks),
    );
    let frames = measured.received as f64;
    figures.put_number(
        "edge_cpu_us_per_frame",
        us(measured.used.edges.cpu_s, frames),
    );
    figures.put("snapshots", tally.snapshots);
    figures.put("errors", tally.errors);
    if let Some(error) = tally.error.clone() {
        report.warn(error);
    }
    put_servers(report, measured);
    report.put_generator(measured.generator);
}

fn chart(report: &Report, measured: &Measured, options: &Options) -> Chart {
    Chart {
        title: format!(
            "{} arenas of {} players at 30 ticks a second",
            options.rooms, options.players
        ),
        subtitle: format!(
            "a frame comes p50 {:.2} ms, p99 {:.1} ms away from its time",
            report.figure("jitter_p50_ms"),
            report.figure("jitter_p99_ms"),
        ),
        panels: vec![Panel {
            x: Axis::Percentile,
            y: "ms between a frame and its time after the one before",
            lines: vec![Line::spread("all players", &measured.tallies[0].latencies)],
        }],
    }
}

//! `engine`: how the engine of the room loops scales with their number.

mod memory_loop;

use std::sync::Barrier;
use std::time::Duration;

use grandstand_game::Games;
use tokio::time::Instant;

use crate::error::BenchError;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use memory_loop::{LoopShare, MemoryLoop};

/// The number of partitions.
const PARTITIONS: u16 = 64;

/// Engines of room loops, each on a thread, fed from memory without NATS and edges: inputs per second of several
/// against one
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of rooms, each with a player and watched by one edge
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(64..))]
    pub rooms: u32,
    /// Size of an input's data in bytes
    #[arg(long, default_value_t = 64)]
    pub size: u32,
    /// Number of room loops to compare with one
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=64))]
    pub loops: u16,
    /// Number of rounds, each with one loop and with several
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

/// Runs the scenario.
///
/// # Errors
/// If its thread ends.
pub async fn run(
    options: &Options,
    games: &Games,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let rounds = options.rounds.max(1);
    let part = Duration::from_secs_f64(common.seconds / (2 * rounds) as f64);
    progress.phase("measuring");
    let mut reports = Vec::new();
    for round in 0..rounds {
        let mut rates = [0.0; 2];
        for (rate, loops) in rates.iter_mut().zip([1, options.loops]) {
            let options = options.clone();
            let games = games.clone();
            let measured =
                tokio::task::spawn_blocking(move || measure(&options, &games, loops, part)).await;
            *rate = measured.map_err(|e| BenchError::Failed(e.to_string()))?;
        }
        let [one, several] = rates;
        let mut report = Report::new("engine");
        let figures = &mut report.figures;
        figures.put_number("one_loop_inputs_per_s", one);
        figures.put_number("loops_inputs_per_s", several);
        figures.put_number("ratio", several / one.max(1.0));
        reports.push(report);
        let done = (round + 1) as f64 / rounds as f64;
        progress.step(done, &format!("{:.2} times one loop", several / one));
    }
    let mut report = Report::median(&reports.iter().collect::<Vec<_>>());
    let settings = &mut report.settings;
    settings.put("rooms", options.rooms);
    settings.put("size_bytes", options.size);
    settings.put("loops", options.loops);
    settings.put("rounds", rounds as u64);
    settings.put_number("seconds", common.seconds);
    Ok(Outcome {
        chart: chart(&report, options),
        report,
    })
}

/// The inputs per second of this many loops.
fn measure(options: &Options, games: &Games, loops: u16, part: Duration) -> f64 {
    let start = Barrier::new(usize::from(loops));
    let rates: Vec<f64> = std::thread::scope(|threads| {
        let start = &start;
        let driven = (0..loops).map(|index| {
            let games = games.clone();
            threads.spawn(move || {
                let share = LoopShare {
                    partitions: PARTITIONS,
                    loops,
                    index,
                };
                let mut fed = MemoryLoop::new(games, options.rooms, options.size, share);
                fed.open();
                // The first entries of a room allocate.
                let warm_up = Instant::now() + part / 4;
                while Instant::now() < warm_up {
                    fed.turn();
                }
                start.wait();
                let begun = Instant::now();
                let before = fed.inputs();
                while begun.elapsed() < part {
                    fed.turn();
                }
                (fed.inputs() - before) as f64 / begun.elapsed().as_secs_f64()
            })
        });
        let driven: Vec<_> = driven.collect();
        let rates = driven.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.unwrap_or(0.0)).collect()
    });
    rates.iter().sum()
}

fn chart(report: &Report, options: &Options) -> Chart {
    let names = ["1 loop".to_owned(), format!("{} loops", options.loops)];
    let points = [
        report.figure("one_loop_inputs_per_s"),
        report.figure("loops_inputs_per_s"),
    ];
    let points = points.iter().enumerate();
    Chart {
        title: "The engine on one thread and on several".to_owned(),
        subtitle: format!(
            "{} rooms, fed from memory: {:.2} times the inputs of one loop",
            options.rooms,
            report.figure("ratio"),
        ),
        panels: vec![Panel {
            x: Axis::Names(names.to_vec()),
            y: "inputs per second",
            lines: vec![Line::new(
                "inputs",
                points.map(|(at, value)| (at as f64, *value)).collect(),
            )],
        }],
    }
}

//! `views`: what automatic updates cost beside those that a game writes, by the size of the view.

mod board;

use std::hint::black_box;
use std::time::Duration;

use grandstand_common::data::Data;
use grandstand_game::host::{GameInstance, Output};
use grandstand_game::{Auto, Event, FromInput as _, Games, Lane, PlayerId, Raw};
use serde_json::json;
use tokio::time::Instant;

use crate::error::BenchError;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use board::{Board, Move, Moved, Told, cell_name};

/// The bytes of the views.
const SIZES: [usize; 3] = [512, 4_096, 32_768];
/// The bytes of a cell in a view.
const CELL_BYTES: usize = 34;

/// Automatic updates beside those that a game writes: the time of an event by the size of the view
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of rounds; in each all variants are measured in turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

/// Runs the scenario.
///
/// # Errors
/// If its thread ends, or a game fails.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let rounds = options.rounds.max(1);
    let part = Duration::from_secs_f64(common.seconds / (rounds * (SIZES.len() * 3 + 1)) as f64);
    progress.phase("measuring");
    let mut reports = Vec::new();
    for round in 0..rounds {
        let measured = tokio::task::spawn_blocking(move || measure(part)).await;
        reports.push(measured.map_err(|e| BenchError::Failed(e.to_string()))??);
        progress.step((round + 1) as f64 / rounds as f64, "");
    }
    let mut report = Report::median(&reports.iter().collect::<Vec<_>>());
    report.settings.put("rounds", rounds as u64);
    report.settings.put_number("seconds", common.seconds);
    Ok(Outcome {
        chart: chart(&report),
        report,
    })
}

/// One round.
fn measure(part: Duration) -> Result<Report, BenchError> {
    let mut report = Report::new("views");
    let figures = &mut report.figures;
    for size in SIZES {
        let mut own = Room::<Moved>::new(size)?;
        let mut auto = Room::<Auto>::new(size)?;
        figures.put(format!("{size}_view_bytes"), auto.view_bytes()? as u64);
        auto.unwatch();
        let unwatched = auto.time(part)?;
        auto.watch()?;
        let watched = auto.time(part)?;
        let written = own.time(part)?;
        figures.put_number(format!("{size}_own_us"), written.us);
        figures.put_number(format!("{size}_auto_us"), watched.us);
        figures.put_number(format!("{size}_auto_unwatched_us"), unwatched.us);
        figures.put_number(format!("{size}_own_bytes"), written.bytes);
        figures.put_number(format!("{size}_auto_bytes"), watched.bytes);
    }
    let data = input(7, 1)?;
    let typed = time(part / 2, || {
        black_box(Move::from_input(black_box(&data))).map_err(failed)?;
        Ok(())
    })?;
    let raw = time(part / 2, || {
        black_box(Raw::from_input(black_box(&data))).map_err(failed)?;
        Ok(())
    })?;
    figures.put_number("typed_input_us", typed);
    figures.put_number("raw_input_us", raw);
    Ok(report)
}

/// The cost of an event.
struct EventCost {
    /// The time, microseconds.
    us: f64,
    /// The bytes of its updates for one lane.
    bytes: f64,
}

/// A room of the game.
struct Room<U> {
    game: GameInstance,
    player: PlayerId,
    cells: usize,
    moves: u64,
    updates: std::marker::PhantomData<fn(U)>,
}

impl<U: Told> Room<U> {
    fn new(size: usize) -> Result<Self, BenchError> {
        let cells = size / CELL_BYTES;
        let kind = Games::new().with::<Board<U>>().get(U::NAME);
        let room = format!("{}-1", U::NAME).parse();
        let (Some(kind), Ok(room), Ok(player)) = (kind, room, "alice".parse()) else {
            return Err(failed("the names are valid"));
        };
        let params = json!({"cells": cells});
        let game = GameInstance::create(kind, &room, &params, [0; 32], 0)
            .map_err(failed)?
            .map_err(|reject| failed(reject.message))?;
        Ok(Self {
            game,
            player,
            cells,
            moves: 0,
            updates: std::marker::PhantomData,
        })
    }

    fn view_bytes(&mut self) -> Result<usize, BenchError> {
        let view = self.game.view(Lane::Players).map_err(failed)?;
        Ok(view.data.len())
    }

    fn watch(&mut self) -> Result<(), BenchError> {
        self.game.watch().map_err(failed)
    }

    fn unwatch(&mut self) {
        for lane in Lane::ALL {
            self.game.unwatch(lane);
        }
    }

    /// Applies moves for `part`, each to another cell.
    fn time(&mut self, part: Duration) -> Result<EventCost, BenchError> {
        let inputs = (0..self.cells.min(64)).map(|cell| input(cell, self.moves + 1));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let (mut bytes, mut events) = (0, 0_u64);
        let us = time(part, || {
            self.moves += 1;
            let data = &inputs[self.moves as usize % inputs.len()];
            let event = Event::Input {
                player: &self.player,
                input: data,
            };
            let applied = self.game.apply(self.moves, event, &[], |output| {
                if let Output::Update { data, .. } = black_box(output) {
                    bytes += data.len();
                }
            });
            events += 1;
            match applied.map_err(failed)? {
                None => Ok(()),
                Some(reject) => Err(failed(reject.message)),
            }
        })?;
        Ok(EventCost {
            us,
            bytes: bytes as f64 / events as f64,
        })
    }
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Failed(error.to_string())
}

fn input(cell: usize, value: u64) -> Result<Data, BenchError> {
    let cell = cell_name(cell);
    Data::json(&Move { cell, value }).map_err(failed)
}

/// The microseconds of a call, over `part`.
fn time(
    part: Duration,
    mut call: impl FnMut() -> Result<(), BenchError>,
) -> Result<f64, BenchError> {
    /// The calls between two looks at the clock.
    const BATCH: u32 = 64;
    let begun = Instant::now();
    let mut calls = 0_u64;
    while begun.elapsed() < part {
        for _ in 0..BATCH {
            call()?;
        }
        calls += u64::from(BATCH);
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / calls as f64)
}

fn chart(report: &Report) -> Chart {
    let names = SIZES.map(|size| format!("{} KiB", size as f64 / 1024.0));
    let line = |name, suffix| {
        let points = SIZES.iter().enumerate();
        let points =
            points.map(|(at, size)| (at as f64, report.figure(&format!("{size}_{suffix}"))));
        Line::new(name, points.collect())
    };
    Chart {
        title: "An event by the size of the view".to_owned(),
        subtitle: "one cell of a board changes, and both lanes are watched".to_owned(),
        panels: vec![Panel {
            x: Axis::Names(names.to_vec()),
            y: "microseconds",
            lines: vec![line("own updates", "own_us"), line("automatic", "auto_us")],
        }],
    }
}

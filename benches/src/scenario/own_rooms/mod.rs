//! `rooms --game`: rooms of a game of the program, played by its scripted player. The players are tasks of this process.

mod table;

mod player;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::envelope::Role;
use grandstand_game::Games;
use grandstand_harness::client::ClientOptions;
use grandstand_harness::site::token;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::proc::Usage;
use crate::host::servers::{Servers, ServersUsage, Wanted};
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::figures::put_servers;
use crate::scenario::measure::{Measured, Sample, settle};
use crate::scenario::rooms::Options;
use player::{Played, enter};
use table::Table;

/// Players that may be connecting at a time.
const AT_ONCE: usize = 64;
/// The most time until all players are in their rooms.
const JOIN_TIMEOUT: Duration = Duration::from_secs(120);
/// The lifetime of a player's token.
const TOKEN_LIFETIME_S: u64 = 24 * 3600;
/// The most time for late answers.
const LATE: Duration = Duration::from_secs(5);
/// Runs the scenario.
///
/// # Errors
/// If the game cannot be played, or servers or clients are unavailable.
pub async fn run(
    options: &Options,
    games: &Games,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let name = options.game.clone().unwrap_or_default();
    let game = Arc::new(Played {
        scripted: games.scripted(&name)?,
        name,
        params: options.params.clone(),
    });
    progress.phase("starting");
    let servers = Servers::start(Wanted {
        workers: options.workers,
        edges: 1,
        cores: Cores::SHARED,
    })
    .await?;
    let table = Rc::new(RefCell::new(Table::new(options.rooms as usize)));
    let run = Run {
        options,
        common,
        servers: &servers,
        table: Rc::clone(&table),
        players: JoinSet::new(),
    };
    let measured = LocalSet::new()
        .run_until(run.drive(&game, progress))
        .await?;
    let table = table.borrow();
    let report = report(options, common, &table, &measured);
    Ok(Outcome {
        chart: chart(&report, &measured, options),
        report,
    })
}

/// A run with its players.
struct Run<'a> {
    options: &'a Options,
    common: &'a RunOptions,
    servers: &'a Servers,
    table: Rc<RefCell<Table>>,
    players: JoinSet<Result<(), BenchError>>,
}

impl Run<'_> {
    async fn drive(
        mut self,
        game: &Arc<Played>,
        progress: &mut Progress,
    ) -> Result<Measured, BenchError> {
        progress.phase("connecting");
        let wanted = self.options.rooms * self.options.players;
        self.enter(game);
        let since = Instant::now();
        loop {
            let live = self.table.borrow().tally.live;
            progress.step(f64::from(live) / f64::from(wanted.max(1)), "");
            if live >= wanted {
                break;
            }
            self.check()?;
            if since.elapsed() > JOIN_TIMEOUT {
                return Err(BenchError::NotConnected {
                    live,
                    wanted,
                    seconds: JOIN_TIMEOUT.as_secs(),
                    error: None,
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
        progress.phase("warming up");
        let interval = f64::from(wanted) / self.options.rate.max(0.001);
        self.table.borrow_mut().interval = Some(Duration::from_secs_f64(interval));
        settle(self.common.seconds.min(3.0)).await;
        self.check()?;
        progress.phase("measuring");
        let measured = self.measure(progress).await?;
        progress.phase("waiting for late messages");
        self.table.borrow_mut().is_over = true;
        let deadline = Instant::now() + LATE;
        while !self.players.is_empty() && Instant::now() < deadline {
            self.check()?;
            sleep(Duration::from_millis(50)).await;
        }
        Ok(measured)
    }

    /// Starts the players.
    fn enter(&mut self, game: &Arc<Played>) {
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        for place in 0..self.options.rooms as usize {
            for number in 1..=self.options.players {
                let name = format!("player{number}-{place}");
                let options = client_options(self.servers, &name);
                let (game, gate) = (Arc::clone(game), Arc::clone(&gate));
                let table = Rc::clone(&self.table);
                self.players.spawn_local(async move {
                    let mut player = enter(options, &name, place, game, table, &gate).await?;
                    player.play().await
                });
            }
        }
    }

    /// Returns the error of a player who has ended.
    fn check(&mut self) -> Result<(), BenchError> {
        while let Some(ended) = self.players.try_join_next() {
            ended.map_err(|error| BenchError::Failed(error.to_string()))??;
        }
        Ok(())
    }

    async fn measure(&mut self, progress: &mut Progress) -> Result<Measured, BenchError> {
        let own = || Usage::read(std::process::id()).map_err(BenchError::Proc);
        let seconds = self.common.seconds;
        let start = Instant::now();
        self.table.borrow_mut().window = Some((start, start + Duration::from_secs_f64(seconds)));
        let (before, idle) = (self.servers.usage()?, own()?);
        let steps = seconds.ceil().max(1.0) as u32;
        let mut measured = Measured::default();
        for step in 1..=steps {
            let share = f64::from(step) / f64::from(steps);
            sleep_until(start + Duration::from_secs_f64(seconds * share)).await;
            self.check()?;
            let usage = self.servers.usage()?;
            let table = self.table.borrow();
            measured.samples.push(Sample {
                at_s: start.elapsed().as_secs_f64(),
                p99_ms: table.tally.latencies.quantile_ms(0.99).unwrap_or_default(),
                edge_memory: usage.edges.memory,
                ..Sample::default()
            });
            let sent = table.tally.sent_in_window;
            progress.step(share, &format!("{sent} inputs"));
        }
        measured.seconds = start.elapsed().as_secs_f64();
        let after = self.servers.usage()?;
        measured.used = ServersUsage {
            edges: after.edges - before.edges,
            workers: after.workers - before.workers,
            nats: after.nats - before.nats,
        };
        measured.generator = (own()? - idle).cpu_s / measured.seconds;
        Ok(measured)
    }
}

/// The connection of a player with access to the rooms of all games.
fn client_options(servers: &Servers, player: &str) -> ClientOptions {
    let token = token(player, TOKEN_LIFETIME_S, &[("*", Role::Player)]);
    ClientOptions::new(servers.address()).token(&token)
}

fn report(options: &Options, common: &RunOptions, table: &Table, measured: &Measured) -> Report {
    let tally = &table.tally;
    let mut report = Report::new("rooms");
    let settings = &mut report.settings;
    settings.put("game", options.game.clone().unwrap_or_default());
    settings.put("rooms", options.rooms);
    settings.put("players", options.players);
    settings.put_number("rate_per_s", options.rate);
    settings.put("workers", options.workers);
    settings.put_number("seconds", common.seconds);
    let figures = &mut report.figures;
    let sent = tally.sent_in_window;
    figures.put("inputs", sent);
    figures.put_number("inputs_per_s", sent as f64 / common.seconds);
    figures.put_latencies("update_", &tally.latencies);
    figures.put_latencies("ack_", &tally.acks);
    figures.put("acks_missing", sent.saturating_sub(tally.acks.count()));
    figures.put("rejected", tally.rejected);
    figures.put("unsent", tally.unsent);
    figures.put("passes", table.passes);
    figures.put("rooms_finished", table.finished);
    let us = |cpu_s: f64| cpu_s * 1e6 / sent.max(1) as f64;
    figures.put_number("edge_cpu_us_per_input", us(measured.used.edges.cpu_s));
    figures.put_number("worker_cpu_us_per_input", us(measured.used.workers.cpu_s));
    figures.put_number("nats_cpu_us_per_input", us(measured.used.nats.cpu_s));
    put_servers(&mut report, measured);
    report.put_generator(measured.generator);
    report
}

fn chart(report: &Report, measured: &Measured, options: &Options) -> Chart {
    let p99 = measured
        .samples
        .iter()
        .map(|sample| (sample.at_s, sample.p99_ms));
    Chart {
        title: format!(
            "{} rooms of {}, {} inputs a second",
            options.rooms,
            options.game.as_deref().unwrap_or_default(),
            options.rate
        ),
        subtitle: format!(
            "through edge, NATS, the log, worker and back: p50 {:.2} ms, p99 {:.1} ms from input to ack",
            report.figure("ack_p50_ms"),
            report.figure("ack_p99_ms"),
        ),
        panels: vec![Panel {
            x: Axis::Seconds,
            y: "p99 so far, ms",
            lines: vec![Line::new("input to update", p99.collect())],
        }],
    }
}

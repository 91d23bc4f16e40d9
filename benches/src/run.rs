//! The command line of `grandstand bench`.

use grandstand_common::exit::{Exit, Failure};
use grandstand_game::Games;

use crate::error::BenchError;
use crate::load;
use crate::outcome::{Outcome, RunOptions};
use crate::progress::Progress;
use crate::scenario::front::Profile;
use crate::scenario::{
    arena, crowd, engine, fanout, front, hostile, idle, matching, mixed, own_rooms, pause, peers,
    quic, rooms, slow, storm, views,
};

/// Measure a Grandstand on this machine
///
/// Starts NATS, workers, edges and load generators as separate processes. Workers and edges are this program (or
/// `grandstand` in GRANDSTAND_BIN_DIR); nats-server is taken from PATH or GRANDSTAND_NATS_SERVER.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    scenario: Scenario,
    #[command(flatten)]
    common: RunOptions,
}

#[derive(Debug, clap::Subcommand)]
enum Scenario {
    Idle(idle::Options),
    Fanout(fanout::Options),
    Rooms(rooms::Options),
    Mixed(mixed::Options),
    Storm(storm::Options),
    Slow(slow::Options),
    Crowd(crowd::Options),
    Quic(quic::Options),
    Hostile(hostile::Options),
    Pause(pause::Options),
    Peers(peers::Options),
    Engine(engine::Options),
    Views(views::Options),
    Matching(matching::Options),
    Arena(arena::Options),
    /// Players join a running Grandstand one after the other: latency and errors, with targets to pass
    Ramp(front::Options),
    /// More players than usual in a running Grandstand, for ten minutes, with targets to pass
    Stress(front::Options),
    /// Most players join a running Grandstand at once, with targets to pass
    Spike(front::Options),
    /// Players in a running Grandstand for an hour, with targets to pass
    Soak(front::Options),
    /// Internal: the load generator
    #[command(hide = true)]
    Load,
}

impl Args {
    /// The built-in games that the scenario plays.
    pub fn needed(&self) -> &'static [&'static str] {
        match &self.scenario {
            Scenario::Rooms(options) if options.game.is_some() => &[],
            // Its games run elsewhere.
            Scenario::Ramp(_) | Scenario::Stress(_) | Scenario::Spike(_) | Scenario::Soak(_) => &[],
            _ => &["relay"],
        }
    }
}

/// Runs the scenario with these games, and prints its figures.
///
/// # Errors
/// If it cannot be completed. The text says how to fix it.
pub fn run(args: &Args, games: &Games) -> Result<(), Failure> {
    if let Scenario::Load = args.scenario {
        return load::run()
            .map_err(|e| Failure::new(Exit::Internal, format!("the load generator failed: {e}")));
    }
    Ok(try_run(args, games)?)
}

fn try_run(args: &Args, games: &Games) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::Runtime)?;
    let common = &args.common;
    let outcome = runtime.block_on(async {
        let mut progress = Progress::new();
        tokio::select! {
            outcome = measure(&args.scenario, games, common, &mut progress) => outcome.map(Some),
            // Dropping the scenario ends servers and generators.
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    })?;
    let Some(Outcome { report, chart }) = outcome else {
        return Ok(());
    };
    if let Some(path) = &common.plot {
        chart.write(path)?;
    }
    if common.json {
        println!("{}", report.json())
    } else {
        print!("{}", report.text())
    }
    if report.missed.is_empty() {
        Ok(())
    } else {
        Err(BenchError::Missed(report.missed.join("; ")))
    }
}

async fn measure(
    scenario: &Scenario,
    games: &Games,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    match scenario {
        Scenario::Idle(options) => idle::run(options, common, progress).await,
        Scenario::Fanout(options) => fanout::run(options, common, progress).await,
        Scenario::Rooms(options) if options.game.is_some() => {
            own_rooms::run(options, games, common, progress).await
        }
        Scenario::Rooms(options) => rooms::run(options, common, progress).await,
        Scenario::Mixed(options) => mixed::run(options, common, progress).await,
        Scenario::Storm(options) => storm::run(options, common, progress).await,
        Scenario::Slow(options) => slow::run(options, common, progress).await,
        Scenario::Crowd(options) => crowd::run(options, common, progress).await,
        Scenario::Quic(options) => quic::run(options, common, progress).await,
        Scenario::Hostile(options) => hostile::run(options, common, progress).await,
        Scenario::Pause(options) => pause::run(options, common, progress).await,
        Scenario::Peers(options) => peers::run(options, common, progress).await,
        Scenario::Engine(options) => engine::run(options, games, common, progress).await,
        Scenario::Views(options) => views::run(options, common, progress).await,
        Scenario::Matching(options) => matching::run(options, common, progress).await,
        Scenario::Arena(options) => arena::run(options, common, progress).await,
        Scenario::Ramp(options) => front::run(Profile::Ramp, options, progress).await,
        Scenario::Stress(options) => front::run(Profile::Stress, options, progress).await,
        Scenario::Spike(options) => front::run(Profile::Spike, options, progress).await,
        Scenario::Soak(options) => front::run(Profile::Soak, options, progress).await,
        Scenario::Load => unreachable!("the generator has no runtime"),
    }
}

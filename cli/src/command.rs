//! The command line.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
#[cfg(any(feature = "bench", feature = "chaos"))]
use grandstand_common::exit::Failure;
use grandstand_common::exit::{self, Exit};
use grandstand_edge::program as edge;
use grandstand_game::Games;

#[cfg(not(all(
    feature = "archive",
    feature = "bench",
    feature = "chaos",
    feature = "outlet",
    feature = "top"
)))]
use crate::absent;
#[cfg(feature = "archive")]
use crate::archive;
#[cfg(feature = "chaos")]
use crate::chaos;
#[cfg(feature = "outlet")]
use crate::outlet;
#[cfg(feature = "top")]
use crate::top;
use crate::{
    check, check_health, cluster, completions, dev, doctor, leaderboard, man, metrics, new, replay,
    rooms, smoke, token, worker,
};

/// A connection edge for multiplayer games.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = exit::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Args),
    Edge(edge::Args),
    Worker(worker::Args),
    #[cfg(feature = "archive")]
    Archive(archive::Args),
    #[cfg(not(feature = "archive"))]
    #[command(hide = true)]
    Archive(absent::Args),
    #[cfg(feature = "outlet")]
    Outlet(outlet::Args),
    #[cfg(not(feature = "outlet"))]
    #[command(hide = true)]
    Outlet(absent::Args),
    Leaderboard(leaderboard::Args),
    #[cfg(feature = "bench")]
    Bench(Box<grandstand_bench::run::Args>),
    #[cfg(not(feature = "bench"))]
    #[command(hide = true)]
    Bench(absent::Args),
    #[cfg(feature = "chaos")]
    Chaos(chaos::Args),
    #[cfg(not(feature = "chaos"))]
    #[command(hide = true)]
    Chaos(absent::Args),
    Cluster(cluster::Args),
    Replay(replay::Args),
    Check(check::Args),
    Rooms(rooms::Args),
    #[cfg(feature = "top")]
    Top(top::Args),
    #[cfg(not(feature = "top"))]
    #[command(hide = true)]
    Top(absent::Args),
    CheckHealth(check_health::Args),
    Smoke(smoke::Args),
    Doctor(doctor::Args),
    Token(token::Args),
    Metrics(metrics::Args),
    New(new::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command of the command line, and returns the exit code.
pub(crate) fn run(games: Games) -> ExitCode {
    let args: Args = match exit::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let done = match args.command {
        Command::Dev(args) => return dev::run(args, games),
        Command::Edge(args) => return edge::run(&args),
        Command::Worker(args) => return worker::run(&args, games),
        #[cfg(feature = "archive")]
        Command::Archive(args) => return archive::run(&args),
        #[cfg(not(feature = "archive"))]
        Command::Archive(_) => Err(absent::failure("archive")),
        #[cfg(feature = "outlet")]
        Command::Outlet(args) => return outlet::run(args),
        #[cfg(not(feature = "outlet"))]
        Command::Outlet(_) => Err(absent::failure("outlet")),
        Command::Leaderboard(args) => leaderboard::run(args),
        #[cfg(feature = "bench")]
        Command::Bench(args) => needs(&games, "bench", args.needed())
            .and_then(|()| grandstand_bench::run::run(&args, &games)),
        #[cfg(not(feature = "bench"))]
        Command::Bench(_) => Err(absent::failure("bench")),
        #[cfg(feature = "chaos")]
        Command::Chaos(args) => {
            needs(&games, "chaos", args.needed()).and_then(|()| chaos::run(&args, &games))
        }
        #[cfg(not(feature = "chaos"))]
        Command::Chaos(_) => Err(absent::failure("chaos")),
        Command::Cluster(args) => cluster::run(args),
        Command::Replay(args) => replay::run(args, &games),
        Command::Check(args) => check::run(args, &games),
        Command::Rooms(args) => rooms::run(args),
        #[cfg(feature = "top")]
        Command::Top(args) => top::run(args),
        #[cfg(not(feature = "top"))]
        Command::Top(_) => Err(absent::failure("top")),
        Command::CheckHealth(args) => check_health::run(&args),
        Command::Smoke(args) => smoke::run(args, &games),
        Command::Doctor(args) => doctor::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::New(args) => new::run(&args),
        Command::Completions(args) => completions::run(&args, Args::command()),
        Command::Man(args) => man::run(&args, Args::command()),
    };
    match done {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => exit::say("grandstand", &failure),
    }
}

/// Checks that the program has the games that a command needs.
#[cfg(any(feature = "bench", feature = "chaos"))]
fn needs(games: &Games, command: &str, needed: &[&str]) -> Result<(), Failure> {
    match needed.iter().find(|name| games.get(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let message = format!(
                "`{command}` plays rooms of the game {name}, which this program does not have; add the type of this \
                 name in grandstand::games"
            );
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}

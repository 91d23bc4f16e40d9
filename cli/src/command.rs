//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use grandstand_common::exit::{self, Exit};
use grandstand_edge::program as edge;
use grandstand_game::Games;

use crate::{chaos, dev, replay, token, worker};

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
    Bench(Box<grandstand_bench::run::Args>),
    Chaos(chaos::Args),
    Replay(replay::Args),
    Token(token::Args),
}

/// Runs the command that the process was started with, and returns how it went.
pub(crate) fn run(games: Games) -> ExitCode {
    let args: Args = match exit::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let done = match args.command {
        Command::Dev(args) => dev::run(args, games),
        Command::Edge(args) => return edge::run(&args),
        Command::Worker(args) => return worker::run(&args, games),
        Command::Bench(args) => grandstand_bench::run::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Replay(args) => replay::run(args, &games),
        Command::Token(args) => token::run(&args),
    };
    match done {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            eprintln!("grandstand: {failure}");
            failure.exit().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}

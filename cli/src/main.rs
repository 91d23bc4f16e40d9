//! The command line for people.

mod chaos;

mod dev;

mod replay;

mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use grandstand_common::exit::{self, Exit};

/// The edge's, which `dev` has in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A connection edge for multiplayer games.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = exit::HELP)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Args),
    Bench(Box<grandstand_bench::run::Args>),
    Chaos(chaos::Args),
    Replay(replay::Args),
    Token(token::Args),
}

fn main() -> ExitCode {
    let args: Args = match exit::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let done = match args.command {
        Command::Dev(args) => dev::run(args),
        Command::Bench(args) => grandstand_bench::run::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Replay(args) => replay::run(args),
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

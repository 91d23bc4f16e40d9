//! `grandstand completions`: the script with which a shell completes the command line.

use std::io::{self, Write as _};

use clap::Command;
use clap_complete::Shell;
use grandstand_common::exit::Failure;

use crate::print::{cannot_print, ignore_closed_pipe};

/// Print the script with which a shell completes commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Shell
    shell: Shell,
}

const EXAMPLE: &str =
    "Example: grandstand completions bash > /usr/share/bash-completion/completions/grandstand";

/// Prints the script for a command line.
pub(crate) fn run(args: &Args, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    io::stdout()
        .write_all(&script)
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)
}

//! `grandstand man`: the pages of the manual.

use std::fs;
use std::path::PathBuf;

use clap::Command;
use grandstand_common::exit::{Exit, Failure};

use crate::print::say;

/// Write the pages of the manual to a folder, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Folder, which is created if it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

const EXAMPLE: &str = "Example: grandstand man /usr/share/man/man1";

/// Writes the pages for a command line.
pub(crate) fn run(args: &Args, command: Command) -> Result<(), Failure> {
    let dir = args.dir.display();
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(command, &args.dir))
        .map_err(|why| {
            let text =
                format!("the pages cannot be written to {dir}: {why}; name a folder that can be");
            Failure::new(Exit::NoInput, text)
        })?;
    say(format_args!("wrote the pages to {dir}"));
    Ok(())
}

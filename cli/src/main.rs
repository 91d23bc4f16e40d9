//! Grandstand with the games that come with it.

use std::process::ExitCode;

use grandstand::games::{Memory, Relay};

fn main() -> ExitCode {
    grandstand::main(|games| {
        games.add::<Memory>();
        games.add::<Relay>();
    })
}

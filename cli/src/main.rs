//! Grandstand with the games that come with it.

use std::process::ExitCode;

use grandstand::games::{Memory, MemoryQueue, Relay};

fn main() -> ExitCode {
    grandstand::main(|games| {
        games.add::<Memory>();
        games.add::<Relay>();
        games.add_queue::<MemoryQueue>();
    })
}

//! Grandstand with the games that come with it.

use std::process::ExitCode;

use grandstand::games::{Arena, HttpRoom, Memory, MemoryQueue, Relay};

fn main() -> ExitCode {
    grandstand::main(|games| {
        games.add::<Memory>();
        games.add::<Relay>();
        games.add::<HttpRoom>();
        games.add_queue::<MemoryQueue>();
        games.add_realtime::<Arena>().played_by(Arena::play)
    })
}

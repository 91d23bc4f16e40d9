//! The edge as a program of its own, without games and workers.

use std::process::ExitCode;

use grandstand_common::exit;
use grandstand_edge::program;

/// Takes the fewest bytes and cycles per connection of the allocators measured in `benches/README.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match exit::parse::<program::Args>() {
        Ok(args) => program::run(&args),
        Err(code) => code,
    }
}

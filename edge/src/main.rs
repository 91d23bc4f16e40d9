//! The edge by itself.

use std::process::ExitCode;

use grandstand_common::exit;
use grandstand_edge::program;

/// The fewest bytes and cycles per connection of the allocators that were tried: see `benches/README.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match exit::parse::<program::Args>() {
        Ok(args) => program::run(&args),
        Err(code) => code,
    }
}

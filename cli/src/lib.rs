//! Grandstand as a library: a program of one's own games.
//!
//! [`main`] makes a function that adds games a whole program, with the commands `dev`, `edge`, `worker`, `replay` and
//! `token`, and with the features of these names `chaos` and `bench`.

mod command;

mod dev;

mod worker;

mod replay;

mod token;

mod new;

#[cfg(feature = "chaos")]
mod chaos;

#[cfg(not(all(feature = "bench", feature = "chaos")))]
mod absent;

pub mod prelude;

pub mod games;

use std::process::ExitCode;

pub use grandstand_game::Games;

/// The fewest bytes and cycles per connection of the allocators that were tried: see `benches/README.md`.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the command that the process was started with, for the games that `add` adds.
pub fn main(add: impl FnOnce(&mut Games)) -> ExitCode {
    let mut games = Games::new();
    add(&mut games);
    command::run(games)
}

/// The examples of the README, which are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

//! Grandstand as a library, for programs with their own games.
//!
//! [`main`] runs a complete program for the games that it is given. Its commands are `new`, `dev`, `edge`, `worker`,
//! `leaderboard`, `cluster`, `replay`, `check`, `rooms`, `check-health`, `smoke`, `doctor`, `token`, `completions` and `man`. The
//! features `archive`, `outlet`, `top`, `chaos` and `bench` add the commands of these names.
//!
//! The modules are declared from the command line on, with one for each command.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod command;

mod dev;

mod worker;

mod print;

mod runtime;

mod beside;

#[cfg(any(feature = "archive", feature = "outlet"))]
mod service;

mod nats;

mod replay;

mod rooms;

mod check;

#[cfg(feature = "archive")]
mod archive;

#[cfg(feature = "outlet")]
mod outlet;

mod leaderboard;

mod progress;

mod cluster;

mod admin;

mod check_health;

mod token;

mod smoke;

mod doctor;

#[cfg(feature = "top")]
mod top;

mod completions;

mod man;

mod metrics;

mod new;

#[cfg(feature = "chaos")]
mod chaos;

#[cfg(not(all(
    feature = "archive",
    feature = "bench",
    feature = "chaos",
    feature = "outlet",
    feature = "top"
)))]
mod absent;

pub mod prelude;

pub mod games;

use std::process::ExitCode;

pub use grandstand_game::{Games, matching, testing};

/// This allocator needs the fewest bytes and cycles per connection of those measured in `benches/README.md`.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the command of the command line with the games that `add` adds. What `add` returns does not matter.
pub fn main<T>(add: impl FnOnce(&mut Games) -> T) -> ExitCode {
    let mut games = Games::new();
    add(&mut games);
    command::run(games)
}

/// Compiles the examples of the README with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Runs the examples of the pages for authors of games.
#[cfg(doctest)]
#[doc = include_str!("../../docs/games/first-game.md")]
#[doc = include_str!("../../docs/games/testing.md")]
#[doc = include_str!("../../docs/games/outside.md")]
#[doc = include_str!("../../docs/games/bots.md")]
#[doc = include_str!("../../docs/games/hidden-information.md")]
#[doc = include_str!("../../docs/games/versions.md")]
#[doc = include_str!("../../docs/games/matchmaking.md")]
#[doc = include_str!("../../docs/games/lobbies.md")]
#[doc = include_str!("../../docs/games/real-time.md")]
#[doc = include_str!("../../docs/games/archive.md")]
pub struct GamePages;

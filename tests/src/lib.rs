//! Shared parts of the tests: a player of `memory`.

pub mod play;

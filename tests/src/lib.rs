//! Shared parts of the tests: a single room without a bus, and a player of `memory`.

pub mod play;

pub mod solo;

//! Helpers of several tests: a room by itself, and a player of `memory`.

pub mod play;

pub mod solo;

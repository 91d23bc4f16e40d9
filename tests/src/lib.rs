//! Helpers of several tests: a room by itself, and a player of `memory`.

pub mod play;

pub mod solo;

/// The examples of the README, which are compiled with the examples in the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

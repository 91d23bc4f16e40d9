//! What the tests share, and `grandstand chaos` runs: real processes, and clients that are not ours.

pub mod error;

pub mod ports;

pub mod programs;

mod child;

pub mod nats;

pub mod nats_cluster;

pub mod proxy;

pub mod process;

pub mod site;

pub mod rig;

pub mod client;

pub mod memory;

pub mod play;

pub mod chaos;

pub mod solo;

/// The examples of the README, which are compiled with the examples in the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

//! What the tests share.

pub mod ports;

pub mod nats;

pub mod process;

pub mod site;

pub mod client;

pub mod memory;

pub mod solo;

/// The examples of the README, which are compiled with the examples in the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

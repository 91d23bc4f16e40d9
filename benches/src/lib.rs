//! Scenarios that load a real Grandstand and measure it, run by `grandstand bench`.
//!
//! Servers and load generators are separate processes. A scenario starts both, lets them work, and reads their usage
//! from `/proc`.
//!
//! The modules are declared from the command down, each before those that it uses.

pub mod run;

pub mod scenario;

pub mod outcome;

pub mod report;

pub mod plot;

pub mod load;

pub mod host;

pub mod progress;

pub mod error;

//! Scenarios that load a real Grandstand and measure it, run by `grandstand bench`.
//!
//! Servers and load generators are separate processes. A scenario starts both, lets them work, and reads their usage
//! from `/proc`.

pub mod error;

pub mod load;

pub mod host;

pub mod report;

pub mod progress;

pub mod plot;

pub mod outcome;

pub mod scenario;

pub mod run;

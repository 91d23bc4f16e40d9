//! Scenarios that load a real Grandstand and say what it can do, run by `grandstand bench`.
//!
//! Servers are processes of their own, and so are the load generators; a scenario starts both, lets them work, and reads
//! from `/proc` what they used.

pub mod error;

pub mod load;

pub mod host;

pub mod report;

pub mod progress;

pub mod plot;

pub mod outcome;

pub mod scenario;

pub mod run;

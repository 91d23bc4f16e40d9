//! Timers and coarse times.

pub mod wheel;

pub mod coarse;

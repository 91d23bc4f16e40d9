//! Timers, coarse times and rate limits.

pub mod wheel;

pub mod coarse;

pub mod token_bucket;

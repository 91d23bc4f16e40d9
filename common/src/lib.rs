//! What edges and workers share: names, messages, the bus, and the frame around a process.
//!
//! Read in this order; it is the order in which the modules build on each other.

pub mod id;

pub mod data;

pub mod error;

pub mod envelope;

pub mod wire;

pub mod record;

pub mod subject;

pub mod bus;

pub mod clock;

pub mod auth;

pub mod config;

pub mod cluster;

pub mod exit;

pub mod telemetry;

pub mod metrics;

pub mod admin;

pub mod drain;

pub mod shutdown;

pub mod process;

pub mod sys;

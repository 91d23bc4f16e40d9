//! What edges and workers share: names, messages, the bus, and the frame around a process.
//!
//! Read in this order; it is the order in which the modules build on each other.

pub use grandstand_types::{data, id};

pub mod error;

pub mod envelope;

pub mod wire;

pub mod record;

pub mod subject;

pub mod bus;

pub mod clock;

pub mod exit;

pub mod process;

pub mod auth;

pub mod cluster;

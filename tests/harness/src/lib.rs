//! Real processes, faults and independent clients for tests, benches and `grandstand chaos`.
//!
//! The modules are declared in the order in which they build on each other.

pub mod error;

pub mod ports;

pub mod programs;

mod log;

pub mod child;

pub mod nats;

pub mod postgres;

pub mod admin;
pub mod process;

pub mod nats_cluster;

pub mod wall_clock;

pub mod proxy;

pub mod memory;

pub mod client;

pub mod site;

pub mod rig;

pub mod hostile;

pub mod chaos;

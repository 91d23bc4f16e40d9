//! Real processes, faults and independent clients for tests, benches and `grandstand chaos`.

pub mod error;

pub mod ports;

pub mod programs;

mod log;

pub mod child;

pub mod nats;

pub mod nats_cluster;

pub mod proxy;

pub mod process;

pub mod wall_clock;

pub mod site;

pub mod rig;

pub mod client;

pub mod memory;

pub mod chaos;

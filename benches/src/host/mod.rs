//! The machine: CPU and memory of processes, cores, and the servers of a scenario.

pub mod pin;

pub mod priority;

pub mod proc;

pub mod kernel;

pub mod limits;

pub mod tls;

pub mod servers;

//! The machine under the scenarios: what processes use, which cores they run on, and the servers themselves.

pub mod pin;

pub mod priority;

pub mod proc;

pub mod kernel;

pub mod limits;

pub mod servers;

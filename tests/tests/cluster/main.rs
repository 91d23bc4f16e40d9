//! Several workers and edges as real processes on real NATS, while one after the other of them gets into trouble.

#![allow(clippy::unwrap_used)]

mod flow;

mod owners;

mod workers;

mod edges;

mod bus;

mod wiped;

mod replicated;

mod setup;

mod full;

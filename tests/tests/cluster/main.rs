//! Several workers and edges as real processes on real NATS, with faults of one process at a time.

#![allow(clippy::unwrap_used)]

mod flow;

mod owners;

mod workers;

mod real_time;

mod edges;

mod upgrades;

mod versions;

mod reloads;

mod shedding;

mod bus;

mod wiped;

mod rolled_back;

mod replicated;

mod setup;

mod full;

mod buckets;

mod revocations;

mod archive;

mod outlet;

mod sizes;

mod clocks;

mod waiting;

mod names;
mod permissions;

mod taken_away;

mod reported;

mod repartition;

//! Tests of `memory` through its public API, without a bus.

#![allow(clippy::unwrap_used)]

mod solo;

mod rules;

mod views;

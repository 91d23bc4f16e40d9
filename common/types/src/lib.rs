//! Ids and payloads that games, edges and workers share.
//!
//! The crate has no runtime and no bus, so that a game built on it compiles fast.

pub mod id;

pub mod layout;

pub mod listing;

pub mod scores;

pub mod data;

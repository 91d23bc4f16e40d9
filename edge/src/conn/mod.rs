//! What is told of connections: their keys, and what takes bytes for them.

pub mod key;

pub mod transport;

pub mod map;

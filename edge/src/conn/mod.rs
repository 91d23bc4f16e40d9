//! Connections as the core sees them: keys, and the transport that sends their bytes.

pub mod key;

pub mod name;

pub mod session;

pub mod transport;

pub mod map;

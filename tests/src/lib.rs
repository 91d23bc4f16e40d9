//! What the tests share.

pub mod memory;

pub mod solo;

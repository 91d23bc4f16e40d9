//! Listeners: one per shard on the same address, and the loop that accepts from one.

mod bind;

mod accept;

#[cfg(test)]
mod tests;

pub(crate) use accept::drive_accept;
pub use bind::{ListenError, ListenOptions, bind, capped};

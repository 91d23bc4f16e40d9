//! Listeners: one per shard on the same address, and their accept loops.

mod bind;

mod spare;

mod accept;

#[cfg(test)]
mod tests;

pub use accept::Listener;
pub(crate) use accept::drive_accept;
pub use bind::{ListenError, ListenOptions, bind, capped};

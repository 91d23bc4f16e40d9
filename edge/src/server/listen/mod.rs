//! Listeners: one per shard on the same address, and their accept loops.

mod bind;

mod spare;

mod accept;

#[cfg(test)]
mod tests;

pub(crate) use accept::drive_accept;
pub use accept::{Listener, ListenerEnd};
pub use bind::{ListenError, ListenOptions, bind, capped};

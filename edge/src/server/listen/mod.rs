//! Listeners: one per shard on the same address, and their accept loops.

mod adopt;

mod bind;

mod spare;

mod accept;

#[cfg(test)]
mod tests;

pub(crate) use accept::drive_accept;
pub use accept::{Listener, ListenerEnd};
pub use adopt::{HandedOver, SocketKind, WrongKind, adopt};
pub use bind::{ListenError, ListenOptions, bind, bind_beside, capped};

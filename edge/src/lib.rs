//! An edge holds clients' connections, and knows nothing of the game.
//!
//! Read in this order, as data flows.

pub mod session;

pub mod outbox;

pub mod wheel;

pub mod sink;

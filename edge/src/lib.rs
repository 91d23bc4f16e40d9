//! An edge holds clients' connections, and knows nothing of the game.
//!
//! Read in this order, as data flows.

pub mod sink;

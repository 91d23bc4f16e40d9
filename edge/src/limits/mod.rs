//! The limits of addresses, players, rooms and the process, which all shards share.
//!
//! They are asked when a connection begins and ends and when a player joins a room, never for a message, but for the
//! bytes of inputs, which are charged without a lock. They know nothing of sockets, so that they hold for every
//! transport.

mod networks;

mod settings;

mod address;

mod entry;

mod table;

mod byte_budget;

mod budgets;

mod refusal;

mod most_limited;

mod pressure;

mod shared;

mod presence;

#[cfg(test)]
mod tests;

pub use byte_budget::ByteBudget;
pub use most_limited::Limited;
pub use networks::{NetworkError, Networks};
pub use presence::{Arrived, Presence};
pub use pressure::Pressure;
pub use refusal::{Limit, Refused};
pub use settings::LimitSettings;
pub use shared::SharedLimits;

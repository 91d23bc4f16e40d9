//! SharedLimits of addresses, players and the process, which all shards share.
//!
//! They are asked when a connection begins and ends and when a player joins a room, never for a message. They know nothing
//! of sockets, so that they hold for every transport.

mod networks;

mod settings;

mod address;

mod entry;

mod table;

mod refusal;

mod most_limited;

mod pressure;

mod shared;

mod presence;

#[cfg(test)]
mod tests;

pub use most_limited::Limited;
pub use networks::{NetworkError, Networks};
pub use presence::{Arrived, Presence};
pub use pressure::Pressure;
pub use refusal::{Limit, Refused};
pub use settings::LimitSettings;
pub use shared::SharedLimits;

//! One client in one room: it checks messages against the protocol, plays the script and fills the ledger.

mod protocol;

mod errors;

mod play;

pub(super) use protocol::Seat;

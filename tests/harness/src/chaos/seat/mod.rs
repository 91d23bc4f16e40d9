//! One client in one room: the rules of the protocol, the script, and what goes into the ledger.

mod protocol;

mod play;

pub(super) use protocol::Seat;

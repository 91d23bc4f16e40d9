//! An upgrade in place: a new process takes the listening sockets of the one that runs, starts to accept, and only then
//! tells it to drain. No connection is refused or reset meanwhile, because each socket, with its queue, is open in one of
//! the two at any time.
//!
//! A UDP socket of QUIC has no queue of connections, and one process alone can read it. The new one does so once the
//! earlier one has released it, and forwards the packets of the earlier one's connections.
//!
//! [`Takeover`] is the side of the new process, [`Offer`] that of the one that runs. They speak over a Unix socket at
//! `upgrade.socket`. A new process that ends before it is ready changes nothing. A process that is ready gets the admin
//! port as well, and asks the earlier one over the Unix socket what operators want to know of it while it drains.

mod sockets;

mod error;

mod wire;

mod takeover;

mod offer;

pub use error::UpgradeError;
pub use offer::{Offer, Successor};
pub use sockets::Sockets;
pub use takeover::{Earlier, Takeover};

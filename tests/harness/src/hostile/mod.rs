//! Hostile clients: what strangers on the internet send to an edge, each kind on its own or all at once.
//!
//! They share no code with the edge's sockets. Each kind comes from an address of its own on the loopback, so that the
//! edge's limits of addresses tell them apart: `limits.exempt` must not contain 127.1.0.0/16.

mod attack;

mod end;

mod frames;

mod raw;

mod attacker;

mod connections;

mod floods;

mod renegotiation;

mod amplification;

mod run;

mod stage;

pub use attack::Attack;
pub use attacker::Target;
pub use end::{End, Ends};
pub use run::{Running, start};
pub use stage::Stage;

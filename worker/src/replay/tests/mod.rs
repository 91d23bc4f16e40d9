//! Replays of a game that breaks rules on request, of random games, and from a bus.

mod desk;

mod odd;

mod compare;

mod faults;

mod lives;

mod history;

mod random;

mod bus;

use super::*;

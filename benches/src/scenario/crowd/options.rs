//! The options of the scenario.

use crate::scenario::variant::Repeat;

/// A crowd waits for a room, sees it, and sees its end: the ping of another client meanwhile
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of spectators over sockets
    #[arg(long, default_value_t = 15_000)]
    pub spectators: u32,
    /// Number of spectators of a core without sockets, because a process may open fewer files; 0 for none
    #[arg(long, default_value_t = 50_000)]
    pub members: u32,
    /// Updates per second while the room runs
    #[arg(long, default_value_t = 5.0)]
    pub rate: f64,
    /// Pings per second
    #[arg(long, default_value_t = 500.0)]
    pub pings: f64,
    /// The variants and rounds.
    #[command(flatten)]
    pub repeat: Repeat,
}

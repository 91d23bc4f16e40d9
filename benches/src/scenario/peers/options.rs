//! The options of `peers`.

use std::path::PathBuf;

use super::peer::Peer;

/// The same fan-out with other servers, in one run: Bun, Elysia, Node's ws, Socket.IO, NATS, Nchan, as far as installed
///
/// `benches/peers/setup` installs them. Messages carry the same bytes with all; envelopes are each server's own. One that
/// cannot deliver what is asked collapses: it is not asked for more, and what it reached is reported.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Who watches
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Messages per second, one measurement for each
    #[arg(long, value_delimiter = ',', default_values_t = [60.0, 200.0])]
    pub rates: Vec<f64>,
    /// Bytes of a message
    #[arg(long, default_value_t = 128)]
    pub size: u32,
    /// How often each is measured, in turns (A B C, A B C, …) and each time from a fresh start; figures are medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// The folder with the other servers
    #[arg(long, default_value = "benches/peers", value_name = "DIR")]
    pub dir: PathBuf,
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Peer::ALL)]
    pub only: Vec<Peer>,
    /// Write the table into this file, between its markers
    #[arg(long, value_name = "FILE.md")]
    pub write: Option<PathBuf>,
}

//! The options of `peers`.

use std::path::PathBuf;

use super::peer::Peer;

/// The same fan-out with other servers in one run: Bun, Elysia, Node's ws, Socket.IO, NATS, Nchan, if installed
///
/// `benches/peers/setup` installs them. With `--tls`: CPU per connect (full handshakes, then resumed sessions), memory
/// per idle connection and fan-out over TLS, beside Bun, Nchan, Node's ws, and HAProxy in front of an edge without TLS.
/// Messages have the same data everywhere; each server adds its own envelope. A server that cannot deliver the offered
/// rate collapses: the load on it stops, and the report has the rate that it reached.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of spectators
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Messages per second, one measurement for each
    #[arg(long, value_delimiter = ',', default_values_t = [60.0, 200.0])]
    pub rates: Vec<f64>,
    /// Size of a message in bytes
    #[arg(long, default_value_t = 128)]
    pub size: u32,
    /// Repetitions of each measurement, in alternation (A B C, A B C, …) and with fresh servers; figures are medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// The folder of the other servers
    #[arg(long, default_value = "benches/peers", value_name = "DIR")]
    pub dir: PathBuf,
    /// The servers to measure, separated by commas; without it all
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Peer>,
    /// Clients use TLS 1.3, which the servers terminate with a P-256 certificate
    #[arg(long)]
    pub tls: bool,
    /// Write the table into this file, between its markers
    #[arg(long, value_name = "FILE.md")]
    pub write: Option<PathBuf>,
}

impl Options {
    /// The servers to measure.
    pub(super) fn peers(&self) -> Vec<Peer> {
        if self.only.is_empty() {
            (Peer::ALL.into_iter())
                .filter(|peer| peer.offers(self.tls))
                .collect()
        } else {
            self.only.clone()
        }
    }
}

//! The arguments of `grandstand dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use grandstand_common::process::telemetry::LogFormat;

/// Run edge, worker and bus in one process, with a page to play on
///
/// Environment variables set the other keys of config/edge.toml and config/worker.toml, for example
/// GRANDSTAND_EDGE_LIMITS_ROOMS=8.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address for players and spectators
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// Address for health checks and metrics, and for pages that kill parts of the process to show what happens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(super) admin: SocketAddr,
    /// Store rooms in this folder, so that they survive a restart
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Serve the page in this folder, instead of the demo page; `web` if that folder has an index.html
    #[arg(long, value_name = "DIR")]
    pub(super) pages: Option<PathBuf>,
    /// Go on without what a damaged folder has lost, after an exit with 65; the damaged files stay in the folder
    #[arg(long, requires = "data")]
    pub(super) accept_loss: bool,
    /// Keep the results of games in SQLite, with leaderboards: in DIR/results.sqlite with --data, else in memory
    #[arg(long)]
    pub(super) archive: bool,
    /// Deliver what games emit and call to the endpoints of this configuration of `grandstand outlet`
    #[arg(long, value_name = "FILE")]
    pub(super) outlet: Option<PathBuf>,
    /// Connect to these NATS servers instead of running a bus in this process
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(super) nats: Option<String>,
    /// Number of shards of the edge, each a thread with its own listener; 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) shards: u16,
    /// Number of room loops of the worker, each a thread with its share of the rooms; 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) loops: u16,
    /// Add /v1/echo, which returns every message unchanged, for testing WebSockets
    #[arg(long)]
    pub(super) echo: bool,
    /// Secret that signs tokens; random by default
    #[arg(
        long,
        value_name = "TEXT",
        env = "GRANDSTAND_SECRET",
        hide_env_values = true,
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub(super) secret: Option<String>,
    /// Format of log lines
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
    /// Levels and targets to log on standard error, for example info,grandstand_edge=debug
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn",
        env = "GRANDSTAND_LOG"
    )]
    pub(super) log: String,
}

//! The arguments of `grandstand dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use grandstand_common::process::telemetry::LogFormat;

/// Run a whole server in this process: edge, worker and bus, with a page to play on
///
/// Every other key of config/edge.toml and config/worker.toml may be set in the environment:
/// GRANDSTAND_EDGE_LIMITS_ROOMS=8.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where players and spectators connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// Where health and metrics are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(super) admin: SocketAddr,
    /// Keep rooms in this folder, so that they are there after a restart
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Use these NATS servers instead of a bus in this process
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(super) nats: Option<String>,
    /// Shards of the edge, each a thread with a listener of its own; 0 for one a core
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) shards: u16,
    /// Add /v1/echo, which sends every message back as it came: for testing WebSockets
    #[arg(long)]
    pub(super) echo: bool,
    /// What tokens are signed with; a random one if not given
    #[arg(
        long,
        value_name = "TEXT",
        env = "GRANDSTAND_SECRET",
        hide_env_values = true,
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub(super) secret: Option<String>,
    /// How the log's lines look
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
    /// What is logged, on stderr: levels and targets, like info,grandstand_edge=debug
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn",
        env = "GRANDSTAND_LOG"
    )]
    pub(super) log: String,
}

//! Errors of scenarios.

use std::io;

use grandstand_common::exit::{Exit, ExitError};
use grandstand_game::NotScripted;
use grandstand_harness::error::RigError;

/// The reason why a scenario cannot be completed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The servers are unavailable.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// The game cannot be played.
    #[error("`rooms --game`: {0}")]
    Game(#[from] NotScripted),
    /// A generator cannot be started, or ended.
    #[error("the load generator failed: {0}")]
    Load(io::Error),
    /// A generator reports that it cannot continue.
    #[error("the load generator failed: {0}")]
    Failed(String),
    /// A generator gives an unexpected answer.
    #[error("the load generator sent an unexpected reply")]
    UnexpectedReply,
    /// Clients fail to connect.
    #[error(
        "only {live} of {wanted} clients are connected, and none has connected for {seconds} s{}",
        because(error)
    )]
    NotConnected {
        /// The number of connected clients.
        live: u32,
        /// The number of clients that should be connected.
        wanted: u32,
        /// The seconds in which no client connected.
        seconds: u64,
        /// An error of one of the clients.
        error: Option<String>,
    },
    /// Something does not recover in time.
    #[error("{state} after {seconds} s")]
    Timeout {
        /// The state after waiting.
        state: String,
        /// The seconds of waiting.
        seconds: u64,
    },
    /// A measured server has ended.
    #[error("{server} has ended")]
    Ended {
        /// The server.
        server: String,
    },
    /// `/proc` cannot be read.
    #[error("/proc cannot be read: {0}")]
    Proc(io::Error),
    /// Threads cannot be pinned.
    #[error("a thread cannot be pinned to a core: {0}")]
    Pin(io::Error),
    /// The plot cannot be drawn or written.
    #[error("the plot cannot be drawn: {0}")]
    Plot(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// None of the servers to compare with can be measured.
    #[error(
        "none of the servers to compare with can be measured ({why}): `benches/peers/setup` installs them"
    )]
    NoPeers {
        /// The reason of each.
        why: String,
    },
    /// The options ask for what is impossible.
    #[error("{0}")]
    Impossible(String),
    /// Nothing listens at the address of a front.
    #[error("{url} cannot be reached: {why}; check the address, and whether the front runs")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason.
        why: String,
    },
    /// The figures miss their targets.
    #[error("targets are missed: {0}")]
    Missed(String),
    /// The runtime cannot be started.
    #[error("the runtime cannot be started: {0}")]
    Runtime(io::Error),
}

impl ExitError for BenchError {
    fn exit(&self) -> Exit {
        match self {
            Self::Rig(error) => error.exit(),
            Self::Game(_) | Self::Impossible(_) => Exit::Usage,
            Self::File { .. } => Exit::NoInput,
            Self::NoPeers { .. } | Self::Unreachable { .. } => Exit::Unavailable,
            Self::Missed(_) => Exit::Faults,
            _ => Exit::Internal,
        }
    }
}

fn because(error: &Option<String>) -> String {
    match error {
        Some(error) => format!("; one of them: {error}"),
        None => String::new(),
    }
}

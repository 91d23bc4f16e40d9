//! Why a scenario cannot be run to its end.

use std::io;

use grandstand_common::exit::Exit;
use grandstand_harness::error::RigError;

/// Why a scenario cannot be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The servers cannot be had.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// A generator cannot be started, or ended.
    #[error("the load generator: {0}")]
    Load(io::Error),
    /// A generator says that it cannot go on.
    #[error("the load generator: {0}")]
    Failed(String),
    /// A generator says something that it should not.
    #[error("the load generator answers with something else than what it was asked for")]
    Answer,
    /// Clients do not get in.
    #[error(
        "{live} of {wanted} clients are in after {seconds} s without a further one{}",
        because(error)
    )]
    NotIn {
        /// How many are in.
        live: u32,
        /// How many should be.
        wanted: u32,
        /// For how long nobody came.
        seconds: u64,
        /// What one of them was told.
        error: Option<String>,
    },
    /// Something that was to come back does not.
    #[error("{what} after {seconds} s")]
    Stuck {
        /// What.
        what: String,
        /// For how long it was waited for.
        seconds: u64,
    },
    /// A server is gone that was measured.
    #[error("{what} has ended")]
    Ended {
        /// Which.
        what: String,
    },
    /// What processes use cannot be read.
    #[error("/proc: {0}")]
    Proc(io::Error),
    /// Threads cannot be pinned.
    #[error("pinning to a core: {0}")]
    Pin(io::Error),
    /// The plot cannot be drawn or written.
    #[error("the plot: {0}")]
    Plot(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// None of the servers to compare with is installed.
    #[error("none of the servers to compare with is there: run `benches/peers/setup` ({why})")]
    NoPeers {
        /// What is missing of each.
        why: String,
    },
    /// The runtime cannot be had.
    #[error("the runtime: {0}")]
    Runtime(io::Error),
}

impl BenchError {
    /// What the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Rig(error) => error.exit(),
            Self::File { .. } => Exit::NoInput,
            Self::NoPeers { .. } => Exit::Unavailable,
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

//! Errors of an upgrade.

use std::io;
use std::path::PathBuf;

use grandstand_common::exit::{Exit, ExitError};

/// A process cannot take over from the one that runs, or cannot offer to be replaced itself.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Something else has the path.
    #[error("`upgrade.socket`: {} is not a socket; remove it or choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be connected to.
    #[error("`upgrade.socket`: cannot connect to {}: {source}; run the process as the user that runs the earlier one", path.display())]
    Connect {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The process behind the socket belongs to another user.
    #[error(
        "`upgrade.socket`: the process behind {} runs as user {theirs} and this one as {ours}; run both as one user", path.display()
    )]
    OtherUser {
        /// The path.
        path: PathBuf,
        /// The user of that process.
        theirs: u32,
        /// The user of this process.
        ours: u32,
    },
    /// The process behind the socket says nothing.
    #[error(
        "`upgrade.socket`: the process behind {} hands nothing over; if another upgrade is under way, wait for its end and \
         start again", path.display()
    )]
    Silent {
        /// The path.
        path: PathBuf,
    },
    /// The process behind the socket has ended, or speaks otherwise.
    #[error("`upgrade.socket`: the process behind {} hands nothing over: {source}", path.display())]
    Broken {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The socket cannot be created.
    #[error("`upgrade.socket`: cannot create {}: {source}; choose a path in a folder that this user may write", path.display())]
    Create {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The variables of the service manager are malformed.
    #[error(
        "the variables LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are malformed, or name descriptors that are not open; let the service manager set them, or unset them"
    )]
    Activation,
}

impl ExitError for UpgradeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Silent { .. } | Self::Broken { .. } => Exit::Unavailable,
            _ => Exit::Config,
        }
    }
}

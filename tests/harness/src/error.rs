//! Errors of real processes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use grandstand_common::exit::{Exit, ExitError};

/// A process, or something that it needs, is unavailable. The text says how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// A program of the workspace was not built.
    #[error(
        "{} does not exist: run `cargo build --workspace --all-features` (with `--release` if this is a release build), or name the \
         folder with the programs in GRANDSTAND_BIN_DIR",
        path.display()
    )]
    NoProgram {
        /// The expected path.
        path: PathBuf,
    },
    /// There is no NATS server.
    #[error(
        "{} cannot be run: install nats-server, or name its program in GRANDSTAND_NATS_SERVER (`tests/run` downloads one for the tests)",
        program.display()
    )]
    NoNats {
        /// The program that was tried.
        program: PathBuf,
    },
    /// There is no `faketime`.
    #[error(
        "faketime is not installed: install the Debian package `faketime` (`tests/run` installs it for the tests)"
    )]
    NoFaketime,
    /// The system cannot start the process.
    #[error("{program} cannot be started: {source}")]
    Spawn {
        /// The program's name.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The process ended unexpectedly.
    #[error("{program} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// The program's name.
        program: String,
        /// The exit status.
        status: ExitStatus,
        /// The last lines of the log.
        log: String,
    },
    /// The process did not become ready in time.
    #[error("{program} does not become ready; the end of its log:\n{log}")]
    NotReady {
        /// The program's name.
        program: String,
        /// The last lines of the log.
        log: String,
    },
    /// The process did not end in time.
    #[error("{program} does not end; the end of its log:\n{log}")]
    NotEnded {
        /// The program's name.
        program: String,
        /// The last lines of the log.
        log: String,
    },
    /// A game refuses the players of a run.
    #[error(
        "the game {game} refuses {player} in {room}: {code} ({message}); name another number of players with --players, or \
         other parameters with --params"
    )]
    Refused {
        /// The game's name.
        game: String,
        /// The player.
        player: String,
        /// The room.
        room: String,
        /// The code of the refusal.
        code: String,
        /// The text for people.
        message: String,
    },
    /// A signal cannot be sent.
    #[error("cannot send a signal to {program}: {source}")]
    Signal {
        /// The program's name.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// All ports are taken.
    #[error("no port on the loopback is free")]
    NoPort,
    /// The observer cannot subscribe to NATS.
    #[error("the observer cannot subscribe to NATS: {why}")]
    Listen {
        /// The NATS client's error.
        why: String,
    },
    /// The bus returned an error.
    #[error("the bus failed: {0}")]
    Bus(#[from] grandstand_common::bus::BusError),
    /// The bus cannot be reached.
    #[error("the bus cannot be reached: {0}")]
    Connect(#[from] grandstand_common::bus::ConnectError),
}

impl RigError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl ExitError for RigError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoProgram { .. } | Self::File { .. } => Exit::NoInput,
            Self::Refused { .. } => Exit::Usage,
            Self::NoNats { .. }
            | Self::NoFaketime
            | Self::NoPort
            | Self::Listen { .. }
            | Self::Bus(_)
            | Self::Connect(_) => Exit::Unavailable,
            Self::Spawn { .. }
            | Self::Ended { .. }
            | Self::NotReady { .. }
            | Self::NotEnded { .. }
            | Self::Signal { .. } => Exit::Internal,
        }
    }
}

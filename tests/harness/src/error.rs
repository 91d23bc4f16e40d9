//! Why real processes cannot be had.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use grandstand_common::exit::Exit;

/// Why a process, or what it needs, cannot be had. Says it to people, with how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// One of the workspace's programs was not built.
    #[error(
        "{} is not there: run `cargo build --workspace --all-features` (with `--release` if this is a release build), or name the \
         folder with the programs in GRANDSTAND_BIN_DIR",
        path.display()
    )]
    NoProgram {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is no NATS server.
    #[error(
        "{} cannot be run: install nats-server, or name one in GRANDSTAND_NATS_SERVER (the tests fetch one: `tests/run`)",
        program.display()
    )]
    NoNats {
        /// What was tried.
        program: PathBuf,
    },
    /// The system does not start it.
    #[error("{program} cannot be started: {source}")]
    Spawn {
        /// Its name.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It ended when it should have run.
    #[error("{program} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// Its name.
        program: String,
        /// How.
        status: ExitStatus,
        /// The end of what it wrote.
        log: String,
    },
    /// It did not become ready in time.
    #[error("{program} does not become ready; the end of its log:\n{log}")]
    NotReady {
        /// Its name.
        program: String,
        /// The end of what it wrote.
        log: String,
    },
    /// It cannot be sent a signal.
    #[error("{program} cannot be sent a signal: {source}")]
    Signal {
        /// Its name.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// All ports are taken.
    #[error("no port on the loopback is free")]
    NoPort,
    /// Nobody can listen on the bus.
    #[error("cannot listen on NATS: {why}")]
    Listen {
        /// What the client says.
        why: String,
    },
    /// The bus says no.
    #[error("the bus: {0}")]
    Bus(#[from] grandstand_common::bus::BusError),
    /// The bus cannot be reached.
    #[error("the bus: {0}")]
    Connect(#[from] grandstand_common::bus::ConnectError),
}

impl RigError {
    /// What a program that cannot go on without it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoProgram { .. } | Self::File { .. } => Exit::NoInput,
            Self::NoNats { .. }
            | Self::NoPort
            | Self::Listen { .. }
            | Self::Bus(_)
            | Self::Connect(_) => Exit::Unavailable,
            Self::Spawn { .. }
            | Self::Ended { .. }
            | Self::NotReady { .. }
            | Self::Signal { .. } => Exit::Internal,
        }
    }
}

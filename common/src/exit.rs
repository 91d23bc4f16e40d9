//! Exit codes, from BSD's sysexits where it has one, and errors that know theirs.

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

/// The exit code of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Success.
    Ok = 0,
    /// A check found faults (`chaos`, `replay`, `check`).
    Faults = 1,
    /// The command line is wrong.
    Usage = 64,
    /// Stored data is damaged or missing.
    Damaged = 65,
    /// A named file or room cannot be read.
    NoInput = 66,
    /// A dependency is unavailable (NATS).
    Unavailable = 69,
    /// A bug of the program.
    Internal = 70,
    /// The disk is full or fails.
    Disk = 74,
    /// The configuration is wrong.
    Config = 78,
    /// Another process listens on the address.
    AddressInUse = 98,
}

impl Exit {
    /// All codes, for the documentation and its test.
    pub const ALL: [Exit; 10] = [
        Self::Ok,
        Self::Faults,
        Self::Usage,
        Self::Damaged,
        Self::NoInput,
        Self::Unavailable,
        Self::Internal,
        Self::Disk,
        Self::Config,
        Self::AddressInUse,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// An error with an exit code. Its text is for people: what is wrong, where, and how to fix it.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// An error with this code and text.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// An error that decides the exit code of the process. `?` makes it a [`Failure`].
pub trait ExitError: fmt::Display {
    /// The exit code of the process.
    fn exit(&self) -> Exit;
}

impl<E: ExitError> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.exit(), error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Failure to listen on an address.
#[derive(Debug)]
pub struct BindError {
    /// The configuration key of the address, for example `admin.listen`.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    pub source: io::Error,
}

impl ExitError for BindError {
    fn exit(&self) -> Exit {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => Exit::AddressInUse,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::PermissionDenied => Exit::Config,
            _ => Exit::Internal,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            address,
            source,
        } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: another process uses that port. Stop it, or set `{key}` to another address"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "cannot listen on {address}: this machine does not have that address. Set `{key}` to one of its addresses, or to \
                 0.0.0.0 or [::]"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {address}: permission denied (ports below 1024 need privileges). Set `{key}` to another port"
            ),
            _ => write!(f, "cannot listen on {address} (`{key}`): {source}"),
        }
    }
}

impl std::error::Error for BindError {}

/// The exit codes, for `--help`.
pub const HELP: &str = "Exit codes: 0 success, 1 a check failed, 64 wrong command line, 65 stored data is damaged, 66 a file \
                        cannot be read, 69 NATS is unavailable, 70 internal error, 74 the disk is full or fails, 78 wrong configuration, 98 the address is already in use";

/// Prints a failure on standard error and returns its exit code. A standard error that fails changes nothing.
pub fn say(name: &str, failure: &Failure) -> ExitCode {
    writeln!(io::stderr(), "{name}: {failure}").ok();
    failure.exit().into()
}

/// Parses the command line. For `--help` and for errors, prints them and returns the exit code.
///
/// # Errors
/// 0 for `--help` and `--version`, 64 for a wrong command line.
pub fn parse<A: clap::Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        // If standard error is closed, there is nobody left to inform.
        error.print().ok();
        if error.use_stderr() {
            Exit::Usage.into()
        } else {
            Exit::Ok.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let mut codes = Exit::ALL.map(Exit::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Exit::ALL.len());
    }

    #[test]
    fn an_error_becomes_a_failure_with_its_code_and_its_text() {
        let taken = || BindError {
            key: "admin.listen",
            address: ([127, 0, 0, 1], 8081).into(),
            source: io::ErrorKind::AddrInUse.into(),
        };
        let failure = Failure::from(taken());
        assert_eq!(failure.exit(), Exit::AddressInUse);
        assert_eq!(failure.to_string(), taken().to_string());
        assert!(failure.to_string().contains("127.0.0.1:8081"));
    }
}

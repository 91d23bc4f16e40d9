//! How a process ends: the codes (those of BSD's sysexits where there is one), and errors that know theirs.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

/// A process' exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// What was checked is not as it should be (`chaos`, `replay`).
    Faults = 1,
    /// The command line is wrong.
    Usage = 64,
    /// What was named cannot be read: a file, or a room.
    NoInput = 66,
    /// Something that it needs cannot be reached (NATS).
    Unavailable = 69,
    /// A fault of the program's own.
    Internal = 70,
    /// The configuration is wrong.
    Config = 78,
    /// The port is taken.
    AddressInUse = 98,
}

impl Exit {
    /// All of them, for the documentation and its test.
    pub const ALL: [Exit; 8] = [
        Self::Ok,
        Self::Faults,
        Self::Usage,
        Self::NoInput,
        Self::Unavailable,
        Self::Internal,
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

/// An error with the code that the process ends with. What it says is for people: what, where and how to mend it.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// With its code and what to tell people.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// The code.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// An address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    /// The key that says the address: `admin.listen`.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

impl BindError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
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
                "cannot listen on {address}: another process has that port. End it, or set `{key}` to another address"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "cannot listen on {address}: this machine has no such address. Set `{key}` to one that it has, or to \
                 0.0.0.0 or [::]"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {address}: not allowed (ports below 1024 need privileges). Set `{key}` to another port"
            ),
            _ => write!(f, "cannot listen on {address} (`{key}`): {source}"),
        }
    }
}

impl std::error::Error for BindError {}

/// The codes, for `--help`.
pub const HELP: &str = "Exit codes: 0 well, 1 a check found faults, 64 usage, 66 a file that cannot be read, 69 NATS unreachable, \
                        70 internal, 78 configuration, 98 address in use";

/// The command line, or the code to end with: `--help` and errors have been printed then.
///
/// # Errors
/// With 0 for `--help` and `--version`, and 64 for what is wrong.
pub fn parse<A: clap::Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        // Nobody is left to tell if this cannot be printed.
        error.print().ok();
        match error.use_stderr() {
            true => Exit::Usage.into(),
            false => Exit::Ok.into(),
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
}

//! The error of a server that breaks the protocol.

use std::error::Error;
use std::io::{self, ErrorKind};

/// An error with this reason.
pub(super) fn invalid(why: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

//! Prints results to standard output.

use std::io::{self, ErrorKind};

use grandstand_common::exit::{Exit, Failure};

/// Takes an output that nobody reads any more, such as that of `| head`, for a success.
pub(crate) fn ignore_closed_pipe(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    }
}

pub(crate) fn cannot_print(error: io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("cannot print: {error}"))
}

//! Prints results to standard output, and lines about their progress to standard error.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};

use grandstand_common::exit::{Exit, Failure};

/// Treats a closed pipe, such as that of `| head`, as a success.
pub(crate) fn ignore_closed_pipe(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    }
}

/// Prints a line on standard error, unless that fails.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{line}").ok();
}

pub(crate) fn cannot_print(error: io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("cannot print: {error}"))
}

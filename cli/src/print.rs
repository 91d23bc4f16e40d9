//! Prints results to standard output, and lines about their progress to standard error.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use grandstand_common::exit::{Exit, Failure};
use grandstand_common::supervisor::text_of;

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

/// Prints a game's panic once and in one line, because the game panics in each replica.
pub(crate) fn print_panics_once() {
    let last = AtomicU64::new(0);
    std::panic::set_hook(Box::new(move |panic| {
        let text = text_of(panic.payload());
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        let mut hasher = DefaultHasher::new();
        (&text, &place).hash(&mut hasher);
        let hash = hasher.finish();
        if last.swap(hash, Ordering::Relaxed) != hash {
            say(format_args!("grandstand: panicked at {place}: {text}"));
        }
    }));
}

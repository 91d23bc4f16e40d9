//! The progress of a long run on stderr: a line that is overwritten on a terminal, and an occasional new line
//! elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

/// Interval of lines where they cannot be overwritten.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
const BAR_WIDTH: usize = 24;

/// The progress of a run.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    /// The current part of several.
    within: String,
    phase: String,
    printed: Option<Instant>,
}

impl Progress {
    /// Progress on stderr.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            within: String::new(),
            phase: String::new(),
            printed: None,
        }
    }

    /// Sets the part to which later phases belong; an empty name ends it.
    pub fn within(&mut self, name: &str) {
        name.clone_into(&mut self.within);
    }

    /// Prints a permanent line.
    pub fn note(&mut self, text: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        writeln!(std::io::stderr(), "{clear}{text}").ok();
    }

    /// Starts a phase.
    pub fn phase(&mut self, name: impl Into<String>) {
        let name = name.into();
        self.phase = match self.within.as_str() {
            "" => name,
            within => format!("{within}: {name}"),
        };
        self.printed = None;
        self.step(0.0, "");
    }

    /// Shows the share of the phase that is done (0 to 1) and its state.
    pub fn step(&mut self, done: f64, now: &str) {
        let late = self
            .printed
            .is_none_or(|printed| printed.elapsed() >= LINE_INTERVAL);
        if !self.terminal && !late {
            return;
        }
        self.printed = Some(Instant::now());
        let mut err = std::io::stderr().lock();
        let line = line(&self.phase, done, now);
        // Fails only if stderr is closed.
        if self.terminal {
            write!(err, "\r\x1b[2K{line}")
                .and_then(|()| err.flush())
                .ok()
        } else {
            writeln!(err, "{line}").ok()
        };
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            write!(std::io::stderr(), "\r\x1b[2K").ok();
        }
    }
}

fn line(phase: &str, done: f64, now: &str) -> String {
    let filled = (done.clamp(0.0, 1.0) * BAR_WIDTH as f64).round() as usize;
    let full = "#".repeat(filled);
    let rest = ".".repeat(BAR_WIDTH - filled);
    format!(
        "{phase:<28} [{full}{rest}] {:>3.0} % {now}",
        done.clamp(0.0, 1.0) * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_the_share_that_is_done() {
        assert_eq!(line("x", 0.5, "y").matches('#').count(), BAR_WIDTH / 2);
        assert!(line("connecting", 1.0, "9 in").ends_with("] 100 % 9 in"));
        assert!(line("x", 7.0, "").contains("100 %"));
    }
}

//! The progress of a command on stderr: a bar that is overwritten on a terminal, and a line for
//! each step elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use grandstand_worker::check::CheckStep;
use grandstand_worker::repartition::Step;
use tokio::time::Instant;

const BAR_WIDTH: usize = 24;
/// The interval of updates of the bar.
const INTERVAL: Duration = Duration::from_millis(100);
/// The interval of lines of one step where they cannot be overwritten.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A bar and its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// The number of the step. The first bar of each step is shown at once.
    step: u8,
    /// The part that is done, 0 to 1.
    done: f64,
    text: String,
}

/// The progress of a run.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    last: Option<(u8, Instant)>,
    is_shown: bool,
}

impl Progress {
    /// Progress on stderr.
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            last: None,
            is_shown: false,
        }
    }

    pub(crate) fn show(&mut self, step: impl Into<Bar>) {
        let bar = step.into();
        let now = Instant::now();
        let interval = if self.terminal {
            INTERVAL
        } else {
            LINE_INTERVAL
        };
        let is_due = self
            .last
            .is_none_or(|(last, at)| last != bar.step || now >= at + interval);
        if !is_due {
            return;
        }
        let line = bar.line();
        let text = if self.terminal {
            format!("\r\x1b[2K{line}")
        } else {
            format!("{line}\n")
        };
        let mut out = std::io::stderr();
        write!(out, "{text}").and_then(|()| out.flush()).ok();
        self.is_shown = self.terminal;
        self.last = Some((bar.step, now));
    }

    /// Removes the bar.
    pub(crate) fn end(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            write!(std::io::stderr(), "\r\x1b[2K").ok();
        }
    }

    /// Prints a permanent line.
    pub(crate) fn note(&mut self, text: &str) {
        self.end();
        writeln!(std::io::stderr(), "{text}").ok();
    }
}

impl Bar {
    fn new(step: u8, done: f64, text: String) -> Self {
        Self { step, done, text }
    }

    fn line(&self) -> String {
        let full = (self.done.clamp(0.0, 1.0) * BAR_WIDTH as f64) as usize;
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR_WIDTH - full));
        format!("[{bar}] {}", self.text)
    }
}

impl From<&Step> for Bar {
    fn from(step: &Step) -> Self {
        match step {
            Step::Releasing { left, of, holder } => {
                let holder = holder.as_ref();
                let holder = holder.map_or_else(String::new, |worker| format!(", {worker} is one"));
                let text = format!("releasing: {left} of {of} partitions have a worker{holder}");
                Self::new(0, share(of - left, *of), text)
            }
            Step::Rooms {
                bucket,
                buckets,
                done,
                of,
            } => {
                let text = format!(
                    "copying rooms: {done} of {of} in bucket {} of {buckets}",
                    bucket + 1
                );
                Self::new(1, of_buckets((*bucket, *buckets), *done, *of), text)
            }
            Step::Log { done, of } => {
                let text =
                    format!("copying entries that no snapshot has: {done} of {of} partitions");
                Self::new(2, share(*done, *of), text)
            }
            Step::Owners { done, of } => {
                let text = format!("moved; waiting for owners: {done} of {of} partitions have one");
                Self::new(3, share(*done, *of), text)
            }
            Step::Keeping { left_s } => {
                let text =
                    "moved; keeping the former streams until the copies are on the disks of NATS";
                Self::new(4, 1.0, format!("{text}: {left_s} s left"))
            }
            Step::Deleting => Self::new(5, 1.0, "deleting the former streams".to_owned()),
        }
    }
}

/// The progress of a list of all rooms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListStep {
    /// The partitions that were asked.
    pub(crate) done: usize,
    /// All partitions.
    pub(crate) of: usize,
}

impl From<ListStep> for Bar {
    fn from(step: ListStep) -> Self {
        let ListStep { done, of } = step;
        let text = format!("asking owners: {done} of {of} partitions");
        Self::new(0, share(done, of), text)
    }
}

impl From<CheckStep> for Bar {
    fn from(step: CheckStep) -> Self {
        match step {
            CheckStep::Rooms {
                bucket,
                buckets,
                done,
                of,
            } => {
                let text = format!(
                    "loading rooms: {done} of {of} in bucket {} of {buckets}",
                    bucket + 1
                );
                Self::new(0, of_buckets((bucket, buckets), done, of), text)
            }
            CheckStep::Replays { done, of } => {
                let text = format!("replaying logs: {done} of {of} rooms");
                Self::new(1, share(done, of), text)
            }
        }
    }
}

/// The part of all buckets that is done, if this part of one of them is.
fn of_buckets((bucket, buckets): (u16, u16), done: u64, of: u64) -> f64 {
    let within = done as f64 / of.max(1) as f64;
    (f64::from(bucket) + within) / f64::from(buckets)
}

fn share(done: usize, of: usize) -> f64 {
    done as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_bar_and_says_what_is_awaited() {
        let step = Step::Releasing {
            left: 16,
            of: 64,
            holder: Some("worker-1".to_owned()),
        };
        let text = "[##################......] releasing: 16 of 64 partitions have a worker, worker-1 is one";
        assert_eq!(Bar::from(&step).line(), text);
        let empty = Step::Rooms {
            bucket: 3,
            buckets: 4,
            done: 0,
            of: 0,
        };
        assert!(Bar::from(&empty).line().contains("0 of 0 in bucket 4 of 4"));
    }
}

//! The progress of `grandstand cluster repartition` on stderr: a bar that is overwritten on a terminal, and a line for
//! each step elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::mem::discriminant;
use std::time::Duration;

use grandstand_worker::repartition::Step;
use tokio::time::Instant;

const BAR_WIDTH: usize = 24;
/// The interval of updates of the bar.
const INTERVAL: Duration = Duration::from_millis(100);
/// The interval of lines of one step where they cannot be overwritten.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of a run.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    last: Option<(Step, Instant)>,
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

    pub(crate) fn show(&mut self, step: &Step) {
        let now = Instant::now();
        let interval = if self.terminal {
            INTERVAL
        } else {
            LINE_INTERVAL
        };
        let is_new = |last: &Step| discriminant(last) != discriminant(step);
        let is_due = self
            .last
            .as_ref()
            .is_none_or(|(last, at)| is_new(last) || now >= *at + interval);
        if !is_due {
            return;
        }
        let line = line(step);
        let text = if self.terminal {
            format!("\r\x1b[2K{line}")
        } else {
            format!("{line}\n")
        };
        let mut out = std::io::stderr();
        write!(out, "{text}").and_then(|()| out.flush()).ok();
        self.is_shown = self.terminal;
        self.last = Some((step.clone(), now));
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

fn line(step: &Step) -> String {
    let (done, text) = match step {
        Step::Releasing { left, of, holder } => {
            let holder = holder.as_ref();
            let holder = holder.map_or_else(String::new, |worker| format!(", {worker} is one"));
            let text = format!("releasing: {left} of {of} partitions have a worker{holder}");
            (share(of - left, *of), text)
        }
        Step::Rooms {
            bucket,
            buckets,
            done,
            of,
        } => {
            let within = *done as f64 / (*of).max(1) as f64;
            let all = (f64::from(*bucket) + within) / f64::from(*buckets);
            let text = format!(
                "copying rooms: {done} of {of} in bucket {} of {buckets}",
                bucket + 1
            );
            (all, text)
        }
        Step::Log { done, of } => (
            share(*done, *of),
            format!("copying entries that no snapshot has: {done} of {of} partitions"),
        ),
        Step::Owners { done, of } => (
            share(*done, *of),
            format!("moved; waiting for owners: {done} of {of} partitions have one"),
        ),
        Step::Keeping { left_s } => {
            let text =
                "moved; keeping the former streams until the copies are on the disks of NATS";
            (1.0, format!("{text}: {left_s} s left"))
        }
        Step::Deleting => (1.0, "deleting the former streams".to_owned()),
    };
    let full = (done.clamp(0.0, 1.0) * BAR_WIDTH as f64) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR_WIDTH - full));
    format!("[{bar}] {text}")
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
        assert_eq!(line(&step), text);
        let empty = Step::Rooms {
            bucket: 3,
            buckets: 4,
            done: 0,
            of: 0,
        };
        assert!(line(&empty).contains("0 of 0 in bucket 4 of 4"));
    }
}

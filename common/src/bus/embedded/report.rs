//! The faults of a folder, and the losses that they cause.

use std::fmt;

/// The most faults and the most losses that are named.
const NAMED: usize = 4;

/// Faults and losses, as text.
#[derive(Debug, Default)]
pub(super) struct Report {
    faults: Vec<String>,
    lost: Vec<String>,
}

impl Report {
    pub(super) fn fault(&mut self, fault: impl fmt::Display) {
        self.faults.push(fault.to_string());
    }

    pub(super) fn lost(&mut self, lost: impl fmt::Display) {
        self.lost.push(lost.to_string());
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The faults in one line.
    pub(super) fn faults(&self) -> String {
        list(&self.faults)
    }

    /// The losses in one line.
    pub(super) fn losses(&self) -> String {
        if self.lost.is_empty() {
            "nothing that was acked".to_owned()
        } else {
            list(&self.lost)
        }
    }
}

fn list(items: &[String]) -> String {
    let named = items.iter().take(NAMED).cloned().collect::<Vec<_>>();
    match items.len().checked_sub(NAMED) {
        None | Some(0) => named.join("; "),
        Some(more) => format!("{}; and {more} more", named.join("; ")),
    }
}

/// Sequences in order, as ranges.
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The sequences from the first of `found` to `last` that are not in `found`, which is in order.
    pub(super) fn missing(found: &[u64], last: u64) -> Self {
        let mut ranges = Vec::new();
        let mut next = found.first().copied().unwrap_or(1);
        for seq in found.iter().copied().chain([last + 1]) {
            if seq > next {
                ranges.push((next, seq - 1));
            }
            next = next.max(seq + 1);
        }
        Self(ranges)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |(first, last): &(u64, u64)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first} to {last}")
            }
        };
        let mut ranges: Vec<_> = self.0.iter().take(NAMED).map(range).collect();
        if self.0.len() > NAMED {
            ranges.push("…".to_owned());
        }
        f.write_str(&ranges.join(", "))
    }
}

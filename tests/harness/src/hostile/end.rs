//! The ends that hostile clients get.

use std::collections::BTreeMap;

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The edge answered the handshake with this HTTP status, which is not 101.
    Status(u16),
    /// The edge closed the WebSocket with this code.
    Code(u16),
    /// The edge closed the connection without a word, or reset it.
    Closed,
    /// The edge answered an address that it had not proven with at most three times the bytes that came from there.
    AtMostThrice,
    /// The edge answered with more.
    Amplified,
    /// The connection was still open when the attack ended.
    Open,
}

/// The number of connections of an attack with each end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends(BTreeMap<End, u64>);

impl Ends {
    /// Counts one end.
    pub fn add(&mut self, end: End) {
        *self.0.entry(end).or_default() += 1;
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Self) {
        for (end, count) in others.iter() {
            *self.0.entry(end).or_default() += count;
        }
    }

    /// The number of connections with this end.
    pub fn count(&self, end: End) -> u64 {
        self.0.get(&end).copied().unwrap_or(0)
    }

    /// All ends with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (End, u64)> {
        self.0.iter().map(|(&end, &count)| (end, count))
    }
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (end, count)) in self.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match end {
                End::Status(status) => write!(f, "{comma}HTTP {status}: {count}")?,
                End::Code(code) => write!(f, "{comma}{code}: {count}")?,
                End::Closed => write!(f, "{comma}closed: {count}")?,
                End::AtMostThrice => write!(f, "{comma}at most three times as much: {count}")?,
                End::Amplified => write!(f, "{comma}amplified: {count}")?,
                End::Open => write!(f, "{comma}open: {count}")?,
            }
        }
        Ok(())
    }
}

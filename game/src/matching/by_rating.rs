//! Matches of those whose ratings are close.

use std::cmp::Ordering;

use grandstand_types::id::PlayerId;

use super::rule::Waiting;

/// The distance of ratings that a ticket accepts. It grows while the ticket waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The distance for a new ticket.
    pub start: f64,
    /// The growth per second of waiting.
    pub per_second: f64,
    /// The largest distance.
    pub most: f64,
}

impl Range {
    /// The distance that a ticket accepts after a time of waiting, milliseconds.
    pub fn after(self, waited_ms: u64) -> f64 {
        let grown = self.start + self.per_second * (waited_ms as f64 / 1000.0);
        grown.min(self.most)
    }
}

/// Returns groups of `size` players whose ratings are within the range that each of their tickets accepts at `now_ms`
/// (Unix). Parties stay together; one of more than `size` players is never in a group. The time is that of sorting.
pub fn by_rating<T>(
    waiting: &[Waiting<T>],
    size: usize,
    rating: impl Fn(&T) -> f64,
    range: Range,
    now_ms: u64,
) -> Vec<Vec<PlayerId>> {
    let entry = |waiting: &'_ Waiting<T>| Entry {
        rating: rating(&waiting.ticket),
        accepts: range.after(now_ms.saturating_sub(waiting.since_ms)),
        size: waiting.players.len(),
    };
    let mut entries: Vec<_> = waiting.iter().map(entry).zip(waiting).collect();
    entries.retain(|(entry, _)| entry.size <= size && entry.rating.is_finite());
    // Equal ratings keep the order of their tickets.
    entries.sort_by(|(a, _), (b, _)| a.rating.partial_cmp(&b.rating).unwrap_or(Ordering::Equal));
    let mut groups = Vec::new();
    let mut from = 0;
    while from < entries.len() {
        let Some(count) = group(entries[from..].iter().map(|(entry, _)| entry), size) else {
            from += 1;
            continue;
        };
        let members = &entries[from..from + count];
        let players = members
            .iter()
            .flat_map(|(_, waiting)| waiting.players.iter().cloned());
        groups.push(players.collect());
        from += count;
    }
    groups
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    rating: f64,
    accepts: f64,
    size: usize,
}

/// Returns how many of the first entries, sorted by rating, are a group of `size` players that all accept.
fn group<'a>(entries: impl Iterator<Item = &'a Entry>, size: usize) -> Option<usize> {
    let (mut players, mut lowest, mut accepts) = (0, None, f64::INFINITY);
    for (at, entry) in entries.enumerate() {
        let lowest = *lowest.get_or_insert(entry.rating);
        players += entry.size;
        accepts = accepts.min(entry.accepts);
        if players > size || entry.rating - lowest > accepts {
            return None;
        }
        if players == size {
            return Some(at + 1);
        }
    }
    None
}

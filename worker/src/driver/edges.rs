//! Which edges are gone: those that hold sessions here are asked every 250 ms (D17).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::id::EdgeId;

/// Between two questions to an edge.
const EVERY: Duration = Duration::from_millis(250);

/// How many answers in a row must be missing.
const MISSES: u32 = 4;

/// How long the own connection must have been up before a missing answer counts.
const SETTLED: Duration = Duration::from_secs(1);

/// Edges that are asked at a time.
const AT_ONCE: usize = 256;

/// Who is asked, and who did not answer.
#[derive(Debug, Default)]
pub(super) struct EdgeProbes {
    edges: BTreeMap<EdgeId, Probed>,
    up_since: Option<Instant>,
    next: Option<Instant>,
    /// The bus is this process's own: its connection is never new.
    alone: bool,
}

#[derive(Debug, Default)]
struct Probed {
    misses: u32,
    asked: bool,
}

impl EdgeProbes {
    pub(super) fn new(alone: bool) -> Self {
        Self {
            alone,
            ..Self::default()
        }
    }

    /// The connection to the bus is there, or is lost.
    pub(super) fn handle_link(&mut self, now: Instant, up: bool) {
        self.up_since = up.then_some(now);
        self.next = up.then_some(now);
        for probed in self.edges.values_mut() {
            probed.misses = 0;
        }
    }

    /// Whom to ask now, of those that hold sessions. Each is answered by one [`handle_answer`](Self::handle_answer).
    pub(super) fn poll(&mut self, now: Instant, sessions: &BTreeSet<EdgeId>) -> Vec<EdgeId> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        self.next = Some(now + EVERY);
        self.edges.retain(|edge, _| sessions.contains(edge));
        for edge in sessions {
            if !self.edges.contains_key(edge) {
                self.edges.insert(edge.clone(), Probed::default());
            }
        }
        let idle = self.edges.iter_mut().filter(|(_, probed)| !probed.asked);
        idle.take(AT_ONCE)
            .map(|(edge, probed)| {
                probed.asked = true;
                edge.clone()
            })
            .collect()
    }

    /// Whether an edge answered, if that can be said. Says whether it is to be taken for gone: again and again while it
    /// is.
    #[must_use]
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        edge: &EdgeId,
        alive: Option<bool>,
    ) -> bool {
        let settled = self.alone || self.up_since.is_some_and(|up| now >= up + SETTLED);
        let Some(probed) = self.edges.get_mut(edge) else {
            return false;
        };
        probed.asked = false;
        if alive != Some(false) || !settled {
            probed.misses = 0;
            return false;
        }
        probed.misses += 1;
        probed.misses % MISSES == 0
    }

    /// When to call [`poll`](Self::poll) again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d17_an_edge_is_gone_after_four_misses_in_a_row() {
        let start = tokio::time::Instant::now().into_std();
        let edge: EdgeId = "edge-0-x".parse().unwrap();
        let sessions = BTreeSet::from([edge.clone()]);
        let mut probes = EdgeProbes::default();
        assert!(probes.poll(start, &sessions).is_empty());
        probes.handle_link(start, true);
        let mut gone = Vec::new();
        for round in 0..14 {
            let now = start + EVERY * round;
            let asked = probes.poll(now, &sessions);
            assert_eq!(asked, std::slice::from_ref(&edge), "round {round}");
            assert!(probes.poll(now, &sessions).is_empty());
            // Answers once, in between.
            gone.push(probes.handle_answer(now, &edge, Some(round == 6)));
        }
        // Rounds 0 to 3 are of the first second; 4 and 5 miss, 6 answers, 7 to 10 miss.
        let at: Vec<_> = (0..gone.len()).filter(|&round| gone[round]).collect();
        assert_eq!(at, [10]);
    }
}

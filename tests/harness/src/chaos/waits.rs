//! The times that players wait for answers, grouped by the last event.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::schedule::Kind;

/// The waits of all seats of players.
#[derive(Debug, Default)]
pub struct Waits {
    seats: Vec<Wait>,
    /// The last event; `None` before the first.
    last: Option<Kind>,
    /// The time of the last event.
    since: Duration,
    samples: BTreeMap<Option<Kind>, Vec<Duration>>,
}

/// The waits of one player in one room.
#[derive(Debug, Default, Clone)]
struct Wait {
    /// The time at which the oldest unanswered input was sent.
    oldest: Option<Duration>,
    /// The longest wait since the last event, measured from that event.
    longest: Duration,
}

/// Players' waits after events of one kind. There is one sample for each event and seat: the longest wait for an answer
/// between the event and the next one. A wait across several events counts for each of them with the part after that event.
#[derive(Debug, Clone, Serialize)]
pub struct Pauses {
    /// The number of pairs of an event and a waiting seat.
    pub samples: usize,
    /// The median.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The longest wait.
    pub max_ms: f64,
}

impl Waits {
    /// Adds a seat and returns its number.
    pub fn add_seat(&mut self) -> usize {
        self.seats.push(Wait::default());
        self.seats.len() - 1
    }

    /// Records the answer to an input that was sent at `sent`. `oldest` is when the oldest unanswered input was sent.
    pub fn answered(
        &mut self,
        seat: usize,
        sent: Duration,
        oldest: Option<Duration>,
        now: Duration,
    ) {
        let seat = &mut self.seats[seat];
        let wait = now.saturating_sub(sent.max(self.since));
        seat.longest = seat.longest.max(wait);
        seat.oldest = oldest;
    }

    /// Records that an input was sent.
    pub fn sent(&mut self, seat: usize, now: Duration) {
        self.seats[seat].oldest.get_or_insert(now);
    }

    /// Forgets the unanswered inputs of a seat because its room is over.
    pub fn cleared(&mut self, seat: usize) {
        self.seats[seat].oldest = None;
    }

    /// Records an event, or the run's end. Waits until now count for the event before.
    pub fn mark(&mut self, kind: Option<Kind>, now: Duration) {
        let samples = self.samples.entry(self.last).or_default();
        for seat in &mut self.seats {
            let since = seat.oldest.map(|sent| sent.max(self.since));
            let waiting = since.map(|since| now.saturating_sub(since));
            let longest = seat.longest.max(waiting.unwrap_or_default());
            seat.longest = Duration::ZERO;
            if !longest.is_zero() {
                samples.push(longest);
            }
        }
        (self.last, self.since) = (kind, now);
    }

    /// The waits by kind of event; `None` stands for the time before the first.
    pub fn summary(&self) -> BTreeMap<Option<Kind>, Pauses> {
        let kinds = self.samples.iter().filter(|(_, s)| !s.is_empty());
        kinds
            .map(|(kind, samples)| (*kind, pauses(samples)))
            .collect()
    }
}

fn pauses(samples: &[Duration]) -> Pauses {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let at = |part: f64| {
        let index = (sorted.len() as f64 * part).ceil() as usize;
        let wait = sorted.get(index.saturating_sub(1)).copied();
        (wait.unwrap_or_default().as_secs_f64() * 1e5).round() / 100.0
    };
    Pauses {
        samples: sorted.len(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_wait_counts_for_the_event_before_it() {
        let mut waits = Waits::default();
        let (a, b) = (waits.add_seat(), waits.add_seat());
        waits.sent(a, ms(0));
        waits.answered(a, ms(0), None, ms(3));
        waits.mark(Some(Kind::WorkerKilled), ms(100));
        // One wait spans the next event; the other ends before it.
        waits.sent(a, ms(110));
        waits.sent(b, ms(120));
        waits.answered(b, ms(120), None, ms(200));
        waits.mark(Some(Kind::NatsStopped), ms(500));
        waits.answered(a, ms(110), None, ms(700));
        waits.mark(None, ms(1000));
        let summary = waits.summary();
        let max = |kind| summary[&kind].max_ms;
        assert_eq!(max(None), 3.0);
        assert_eq!(max(Some(Kind::WorkerKilled)), 390.0);
        assert_eq!(summary[&Some(Kind::WorkerKilled)].p50_ms, 80.0);
        assert_eq!(max(Some(Kind::NatsStopped)), 200.0);
        assert_eq!(summary[&Some(Kind::NatsStopped)].samples, 1);
    }

    #[test]
    fn percentiles_are_values_of_samples() {
        let hundred: Vec<_> = (1..=100).map(ms).collect();
        let found = pauses(&hundred);
        assert_eq!(
            (found.p50_ms, found.p99_ms, found.max_ms),
            (50.0, 99.0, 100.0)
        );
    }
}

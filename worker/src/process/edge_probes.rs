//! Finds dead edge processes: probes every 250 ms each process that holds sessions of this worker's rooms or watches them
//! (D17).
//!
//! A probe goes to the process and not to its shards, because shards are many, and busy at times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::id::ProcessId;

/// The interval between two probes of a process.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// The time limit for an answer. It is shorter than [`PROBE_INTERVAL`], so that the answer arrives before the next
/// probe.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_millis(240);

/// The number of consecutive missing answers after which a process is gone.
const MISSES: u32 = 4;

/// The same for a process that only watches. It has no players who wait for the loss, and one that is back early has
/// missed nothing: 30 s.
const WATCH_MISSES: u32 = 120;

/// The time for which the own connection must be up before a missing answer counts.
const SETTLED: Duration = Duration::from_secs(1);

/// The most probes sent at once.
const MAX_PROBES: usize = 1_024;

/// The probed processes and their missing answers.
#[derive(Debug, Default)]
pub(super) struct EdgeProbes {
    processes: BTreeMap<ProcessId, Probed>,
    up_since: Option<Instant>,
    next: Option<Instant>,
    /// Whether the bus is embedded in this process, so that its connection is never new.
    alone: bool,
}

/// The state of a process according to an answer or a missing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    /// The process lives, or it is too early to say.
    Alive,
    /// The process is gone, and was not before.
    Gone,
    /// The process is still gone.
    StillGone,
}

#[derive(Debug, Default)]
struct Probed {
    is_gone: bool,
    misses: u32,
    /// The number of misses after which it is gone.
    max_misses: u32,
    in_flight: bool,
}

impl EdgeProbes {
    pub(super) fn new(alone: bool) -> Self {
        Self {
            alone,
            ..Self::default()
        }
    }

    /// Handles a new state of the connection to the bus.
    pub(super) fn handle_connection(&mut self, now: Instant, up: bool) {
        self.up_since = up.then_some(now);
        self.next = up.then_some(now);
        for probed in self.processes.values_mut() {
            probed.misses = 0;
        }
    }

    /// Whether it is time to [`poll`](Self::poll).
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| now >= next)
    }

    /// The processes to probe now, of those with `sessions` and those that are `watching`. Each requires one
    /// [`handle_answer`](Self::handle_answer).
    pub(super) fn poll(
        &mut self,
        now: Instant,
        sessions: BTreeSet<ProcessId>,
        watching: BTreeSet<ProcessId>,
    ) -> Vec<ProcessId> {
        if !self.is_due(now) {
            return Vec::new();
        }
        self.next = Some(now + PROBE_INTERVAL);
        self.processes
            .retain(|process, _| sessions.contains(process) || watching.contains(process));
        for (processes, max_misses) in [(watching, WATCH_MISSES), (sessions, MISSES)] {
            for process in processes {
                self.processes.entry(process).or_default().max_misses = max_misses;
            }
        }
        let idle = self
            .processes
            .iter_mut()
            .filter(|(_, probed)| !probed.in_flight);
        idle.take(MAX_PROBES)
            .map(|(process, probed)| {
                probed.in_flight = true;
                process.clone()
            })
            .collect()
    }

    /// Handles whether a process answered; `None` if that is unknown.
    #[must_use]
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        process: &ProcessId,
        alive: Option<bool>,
    ) -> Liveness {
        let settled = self.alone || self.up_since.is_some_and(|up| now >= up + SETTLED);
        let Some(probed) = self.processes.get_mut(process) else {
            return Liveness::Alive;
        };
        probed.in_flight = false;
        if alive != Some(false) || !settled {
            probed.misses = 0;
            probed.is_gone = false;
            return Liveness::Alive;
        }
        probed.misses += 1;
        if probed.misses < probed.max_misses {
            return Liveness::Alive;
        }
        if std::mem::replace(&mut probed.is_gone, true) {
            Liveness::StillGone
        } else {
            Liveness::Gone
        }
    }

    /// The time of the next call of [`poll`](Self::poll).
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
        let process: ProcessId = "edge-x".parse().unwrap();
        let sessions = || BTreeSet::from([process.clone()]);
        let mut probes = EdgeProbes::default();
        assert!(probes.poll(start, sessions(), BTreeSet::new()).is_empty());
        probes.handle_connection(start, true);
        let mut gone = Vec::new();
        for round in 0..14 {
            let now = start + PROBE_INTERVAL * round;
            let asked = probes.poll(now, sessions(), BTreeSet::new());
            assert_eq!(asked, std::slice::from_ref(&process), "round {round}");
            assert!(probes.poll(now, sessions(), BTreeSet::new()).is_empty());
            // The process answers in round 6 only.
            gone.push(probes.handle_answer(now, &process, Some(round == 6)));
        }
        // Rounds 0 to 3 are in the first second and do not count; 4 and 5 miss, 6 answers, 7 to 10 miss.
        let mut expected = vec![Liveness::Alive; 10];
        expected.push(Liveness::Gone);
        expected.extend([Liveness::StillGone; 3]);
        assert_eq!(gone, expected);
    }

    #[test]
    fn d17_a_new_edge_process_is_probed_in_the_next_round() {
        let start = tokio::time::Instant::now().into_std();
        let (old, new): (ProcessId, ProcessId) = ("a-1".parse().unwrap(), "a-2".parse().unwrap());
        let mut probes = EdgeProbes::default();
        probes.handle_connection(start, true);
        let first = probes.poll(start, BTreeSet::from([old.clone()]), BTreeSet::new());
        assert_eq!(first, std::slice::from_ref(&old));
        let of_old = probes.handle_answer(start, &old, Some(false));
        assert_eq!(of_old, Liveness::Alive);
        let both = || BTreeSet::from([old.clone(), new.clone()]);
        let next = start + PROBE_INTERVAL;
        assert!(!probes.is_due(start + PROBE_INTERVAL / 2));
        assert_eq!(
            probes.poll(next, both(), BTreeSet::new()),
            [old.clone(), new.clone()]
        );
        // A process without sessions is forgotten with its misses.
        let of_old = probes.handle_answer(next, &old, Some(false));
        let of_new = probes.handle_answer(next, &new, Some(true));
        assert_eq!((of_old, of_new), (Liveness::Alive, Liveness::Alive));
        assert_eq!(
            probes.poll(
                next + PROBE_INTERVAL,
                BTreeSet::from([new.clone()]),
                BTreeSet::new()
            ),
            [new]
        );
        assert_eq!(probes.poll_timeout(), Some(next + 2 * PROBE_INTERVAL));
    }

    #[test]
    fn d17_an_edge_that_only_watches_is_gone_after_thirty_seconds_of_silence() {
        let start = tokio::time::Instant::now().into_std();
        let process: ProcessId = "edge-x".parse().unwrap();
        let one = || BTreeSet::from([process.clone()]);
        let mut probes = EdgeProbes::new(true);
        probes.handle_connection(start, true);
        let mut miss = |round: u32, sessions| {
            let now = start + PROBE_INTERVAL * round;
            assert_eq!(
                probes.poll(now, sessions, one()),
                std::slice::from_ref(&process)
            );
            probes.handle_answer(now, &process, Some(false))
        };
        let gone: Vec<_> = (0..WATCH_MISSES)
            .map(|round| miss(round, BTreeSet::new()))
            .collect();
        let first = gone.iter().position(|gone| *gone != Liveness::Alive);
        assert_eq!(first, Some(119));
        // With a session of a player it is gone at once.
        assert_eq!(miss(WATCH_MISSES, one()), Liveness::StillGone);
    }
}

//! The other workers: who lives, who has been silent for too long, and whom nobody answers for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, SecondConnection};
use grandstand_common::id::WorkerId;
use grandstand_common::record::{WorkerRecord, WorkerState};

use super::command::{Observer, Probe, ProbeOutcome};
use super::own::RENEW;
use super::record::decode;

/// How long a worker may be silent.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// How many own renewals the watch must have shown meanwhile, or the silence is not the other's.
const OWN_RENEWALS: u32 = 3;

/// Between two rounds of probes.
const ROUND: Duration = Duration::from_millis(100);

/// When a round is given up.
const ROUND_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an observer's connection must have been up before its "no responders" counts.
const SETTLED: Duration = Duration::from_secs(1);

/// In how many rounds running nobody must have answered for a worker.
const MISSES: u32 = 2;

/// How many successors in the ring a worker probes.
const SUCCESSORS: usize = 2;

/// Another worker.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) state: WorkerState,
    pub(super) record: Option<WorkerRecord>,
    /// 0 if only a lease names it.
    pub(super) revision: u64,
    /// When it was written, by the bus' clock.
    pub(super) time_ms: u64,
    changed_at: Instant,
    /// Renewals of our own that the watch showed since it changed.
    own_renewals: u32,
    misses: u32,
    /// A put that marks it dead is under way.
    pub(super) marking: bool,
}

/// One round of probes.
#[derive(Debug)]
struct Round {
    number: u64,
    started: Instant,
    /// The questions that were not answered yet.
    waiting: Vec<(WorkerId, Observer)>,
    /// Whom an observer found absent: once for each observer.
    absent: Vec<WorkerId>,
    /// How many observers the own subject answered.
    own_answers: usize,
    /// How many observers there are.
    observers: usize,
}

/// The second observer.
#[derive(Debug, Clone, Copy, Default)]
enum SecondObserver {
    /// There is one server: one observer will do.
    #[default]
    NotNeeded,
    /// There is none now, so what the first one says is not enough.
    Missing,
    /// There is one, since.
    Since(Instant),
}

/// The other workers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    pub(super) all: BTreeMap<WorkerId, Peer>,
    round: Option<Round>,
    rounds: u64,
    next_round: Option<Instant>,
    up_since: Option<Instant>,
    second: SecondObserver,
    own_renewed: Option<Instant>,
}

impl Peers {
    pub(super) fn on_entry(&mut self, now: Instant, id: WorkerId, entry: &KvEntry) {
        let record: Option<WorkerRecord> = entry.value.as_ref().and_then(decode);
        let known = self.all.get(&id).map_or(0, |peer| peer.revision);
        if entry.revision <= known {
            return;
        }
        let peer = Peer {
            // What is deleted was dead for long; what cannot be read is of a build that reads ours just as little.
            state: record
                .as_ref()
                .map_or(WorkerState::Dead, |record| record.state),
            record,
            revision: entry.revision,
            time_ms: entry.time_ms,
            changed_at: now,
            own_renewals: 0,
            misses: 0,
            marking: self.all.get(&id).is_some_and(|peer| peer.marking),
        };
        self.all.insert(id, peer);
    }

    /// A lease names a worker: one that has no record must be given one that says that it is dead.
    pub(super) fn on_named(&mut self, now: Instant, id: &WorkerId) {
        self.all.entry(id.clone()).or_insert_with(|| Peer {
            state: WorkerState::Leaving,
            record: None,
            revision: 0,
            time_ms: u64::MAX,
            changed_at: now,
            own_renewals: 0,
            misses: 0,
            marking: false,
        });
    }

    /// The watch shows a renewal of our own. Those before a pause do not count: the others may have been held up as well.
    pub(super) fn on_own_renewal(&mut self, now: Instant) {
        let last = self.own_renewed.replace(now);
        let paused = last.is_some_and(|last| now > last + 2 * RENEW);
        for peer in self.all.values_mut() {
            peer.own_renewals = if paused { 1 } else { peer.own_renewals + 1 };
        }
    }

    pub(super) fn on_connection(&mut self, now: Instant, up: bool) {
        self.up_since = up.then_some(now);
        self.round = None;
        for peer in self.all.values_mut() {
            peer.misses = 0;
        }
    }

    /// The second observer came, went, or is another.
    pub(super) fn on_second_connection(&mut self, now: Instant, connection: SecondConnection) {
        self.second = match connection {
            SecondConnection::NotNeeded => SecondObserver::NotNeeded,
            SecondConnection::Missing => SecondObserver::Missing,
            SecondConnection::Connected(_) => SecondObserver::Since(now),
        };
        self.round = None;
        for peer in self.all.values_mut() {
            peer.misses = 0;
        }
    }

    /// Whether what the observers say counts.
    fn is_settled(&self, now: Instant) -> bool {
        let settled = |since: Instant| now >= since + SETTLED;
        let second = match self.second {
            SecondObserver::NotNeeded => true,
            SecondObserver::Missing => false,
            SecondObserver::Since(since) => settled(since),
        };
        second && self.up_since.is_some_and(settled)
    }

    /// Drops those whose records were deleted and whom no lease names: there are no more of them than there ever were.
    pub(super) fn forget_deleted(&mut self, named: &BTreeSet<WorkerId>) {
        self.all.retain(|id, peer| {
            peer.state != WorkerState::Dead || peer.record.is_some() || named.contains(id)
        });
    }

    /// Those of whom it is certain enough that they are dead. Whoever is found so is marked by compare-and-swap on the
    /// record that was seen last, so that one renewed meanwhile stays.
    pub(super) fn next_dead(&mut self, now: Instant, alone: bool) -> Vec<WorkerId> {
        let mut found = Vec::new();
        for (id, peer) in &mut self.all {
            if peer.state == WorkerState::Dead || peer.marking {
                continue;
            }
            let silent = now >= peer.changed_at + SILENCE && peer.own_renewals >= OWN_RENEWALS;
            if alone || silent || peer.misses >= MISSES || peer.revision == 0 {
                peer.marking = true;
                found.push(id.clone());
            }
        }
        found
    }

    /// When [`next_dead`](Self::next_dead) or [`next_probes`](Self::next_probes) may say something new that no event
    /// announces.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let silences = self
            .watched()
            .filter(|(_, peer)| peer.own_renewals >= OWN_RENEWALS)
            .map(|(_, peer)| peer.changed_at + SILENCE);
        let round = match &self.round {
            _ if self.up_since.is_none() => None,
            Some(round) if !round.waiting.is_empty() => Some(round.started + ROUND_TIMEOUT),
            _ => self.next_round,
        };
        silences.chain(round).min()
    }

    /// The questions to be asked now, those to `own` among them.
    pub(super) fn next_probes(&mut self, now: Instant, own: &WorkerId) -> Vec<Probe> {
        let over = self
            .round
            .as_ref()
            .is_none_or(|round| round.waiting.is_empty() || now >= round.started + ROUND_TIMEOUT);
        if !over || self.up_since.is_none() || self.next_round.is_some_and(|next| now < next) {
            return Vec::new();
        }
        self.next_round = Some(now + ROUND);
        let mut workers = self.successors(own, self.is_new(now));
        if workers.is_empty() {
            return Vec::new();
        }
        workers.push(own.clone());
        let observers: &[Observer] = match self.second {
            SecondObserver::Since(_) => &[Observer::First, Observer::Second],
            SecondObserver::NotNeeded | SecondObserver::Missing => &[Observer::First],
        };
        let each = |worker: WorkerId| observers.iter().map(move |by| (worker.clone(), *by));
        let waiting: Vec<_> = workers.into_iter().flat_map(each).collect();
        self.rounds += 1;
        self.round = Some(Round {
            number: self.rounds,
            started: now,
            waiting: waiting.clone(),
            absent: Vec::new(),
            own_answers: 0,
            observers: observers.len(),
        });
        let round = self.rounds;
        let probe = |(worker, observer)| Probe {
            round,
            worker,
            observer,
        };
        waiting.into_iter().map(probe).collect()
    }

    /// A probe's outcome.
    pub(super) fn on_probe(
        &mut self,
        now: Instant,
        own: &WorkerId,
        probe: &Probe,
        outcome: ProbeOutcome,
    ) {
        let (id, settled) = (&probe.worker, self.is_settled(now));
        let current = |round: &&mut Round| round.number == probe.round;
        let Some(round) = self.round.as_mut().filter(current) else {
            return;
        };
        let answered = |waiting: &(WorkerId, Observer)| {
            waiting.0 == probe.worker && waiting.1 == probe.observer
        };
        round.waiting.retain(|waiting| !answered(waiting));
        match outcome {
            ProbeOutcome::Alive if id == own => round.own_answers += 1,
            ProbeOutcome::NoResponders if id != own => round.absent.push(id.clone()),
            _ => {
                if let Some(peer) = self.all.get_mut(id) {
                    peer.misses = 0;
                }
            }
        }
        if round.waiting.is_empty() && round.own_answers == round.observers && settled {
            let found = |id: &WorkerId| round.absent.iter().filter(|absent| *absent == id).count();
            for (id, peer) in &mut self.all {
                if found(id) == round.observers {
                    peer.misses += 1;
                    // A second look is taken at once.
                    self.next_round = Some(now);
                }
            }
        }
    }

    /// A look found no record of a worker that had one.
    pub(super) fn on_missing(&mut self, id: &WorkerId) {
        if let Some(peer) = self.all.get_mut(id).filter(|peer| peer.revision > 0) {
            peer.state = WorkerState::Dead;
            peer.record = None;
        }
    }

    /// Whether the connection is so new that all are probed and not only the successors, until it counts.
    fn is_new(&self, now: Instant) -> bool {
        let is_new = |since: Instant| now < since + SETTLED + ROUND_TIMEOUT;
        let second = matches!(self.second, SecondObserver::Since(since) if is_new(since));
        second || self.up_since.is_some_and(is_new)
    }

    fn watched(&self) -> impl Iterator<Item = (&WorkerId, &Peer)> {
        self.all
            .iter()
            .filter(|(_, peer)| peer.state != WorkerState::Dead && !peer.marking)
    }

    /// The workers that come next in the ring of ids; all of them for one that starts.
    fn successors(&self, own: &WorkerId, all: bool) -> Vec<WorkerId> {
        let ids = || self.watched().map(|(id, _)| id);
        let successors = ids()
            .filter(|id| *id > own)
            .chain(ids().filter(|id| *id < own));
        let count = if all { usize::MAX } else { SUCCESSORS };
        successors.take(count).cloned().collect()
    }
}

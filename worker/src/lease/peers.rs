//! The other workers: their records, silence and probes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, SecondConnectionState};
use grandstand_common::id::WorkerId;
use grandstand_common::record::{WorkerRecord, WorkerState};

use super::command::{Observer, Probe, ProbeOutcome};
use super::own::RENEWAL_INTERVAL;
use super::record::decode;

/// The silence after which a worker is marked as dead.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// The number of own renewals that the watch must deliver during the silence of another worker. If the watch delivers
/// fewer, the bus or this worker was silent.
const OWN_RENEWALS: u32 = 3;

/// The interval between rounds of probes.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// The time after which a round is given up.
const ROUND_TIMEOUT: Duration = Duration::from_millis(500);

/// The time for which an observer's connection must be up before its "no responders" counts.
const SETTLED: Duration = Duration::from_secs(1);

/// The number of consecutive rounds without responders after which a worker is marked as dead.
const MISSES: u32 = 2;

/// The number of workers that a worker probes: those whose ids follow its own, and after the last id the first.
const SUCCESSORS: usize = 2;

/// Another worker.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) state: WorkerState,
    pub(super) record: Option<WorkerRecord>,
    /// The revision of the record; 0 if only a lease names the worker.
    pub(super) revision: u64,
    /// The time of the last write of the record by the clock of the bus, Unix milliseconds.
    pub(super) time_ms: u64,
    /// The time of the last change of the record.
    changed_at: Instant,
    /// The number of own renewals that the watch delivered after `changed_at`.
    own_renewals: u32,
    /// The number of consecutive rounds without responders.
    misses: u32,
    /// Whether a put that marks the worker as dead, or a get of its result, is in flight.
    pub(super) marking: bool,
}

/// One round of probes.
#[derive(Debug)]
struct Round {
    number: u64,
    started: Instant,
    /// The probes without an outcome so far.
    waiting: Vec<(WorkerId, Observer)>,
    /// The workers without responders, once for each observer that found none.
    absent: Vec<WorkerId>,
    /// The number of observers that reached this worker's own subject.
    own_answers: usize,
    /// The number of observers in this round.
    observers: usize,
}

/// The state of the second observer.
#[derive(Debug, Clone, Copy, Default)]
enum SecondObserver {
    /// The bus has one server, so that one observer is enough.
    #[default]
    NotNeeded,
    /// The bus has several servers but no second connection, so that no probe counts.
    Missing,
    /// Connected since this time.
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
    /// The id that this worker has given up, whose record may still say that it is alive.
    former: Option<WorkerId>,
}

impl Peers {
    pub(super) fn new(former: Option<WorkerId>) -> Self {
        Self {
            former,
            ..Self::default()
        }
    }

    /// Handles an entry of the watch. Returns whether the record must be read: a watch that was opened again may deliver
    /// an older one than is known, because the server is behind or because the bucket came back older (D23).
    pub(super) fn on_entry(&mut self, now: Instant, id: WorkerId, entry: &KvEntry) -> bool {
        let known = self.all.get_mut(&id);
        if let Some(peer) = known.filter(|peer| entry.revision <= peer.revision) {
            return entry.revision < peer.revision && !std::mem::replace(&mut peer.marking, true);
        }
        self.on_stored(now, id, entry);
        false
    }

    /// Handles a record that was read. Returns whether it is older than what was acked, so that the bucket was rolled
    /// back.
    pub(super) fn on_read(&mut self, now: Instant, id: WorkerId, entry: &KvEntry) -> bool {
        let known = self.all.get(&id).map_or(0, |peer| peer.revision);
        if entry.revision > known {
            self.on_stored(now, id, entry);
        }
        entry.revision < known
    }

    fn on_stored(&mut self, now: Instant, id: WorkerId, entry: &KvEntry) {
        let record: Option<WorkerRecord> = entry.value.as_ref().and_then(decode);
        let peer = Peer {
            // A deleted record was one of a dead worker. An unreadable one belongs to a build that cannot read this
            // worker's records either.
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

    /// Adds a worker that a lease names. If it has no record, it must get one that marks it as dead.
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

    /// Counts an own renewal that the watch delivered. A pause between two renewals restarts the count, because records
    /// of other workers may have been delayed as well.
    pub(super) fn on_own_renewal(&mut self, now: Instant) {
        let last = self.own_renewed.replace(now);
        let paused = last.is_some_and(|last| now > last + 2 * RENEWAL_INTERVAL);
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

    /// Handles a new state of the second connection.
    pub(super) fn on_second_connection(&mut self, now: Instant, connection: SecondConnectionState) {
        self.second = match connection {
            SecondConnectionState::NotNeeded => SecondObserver::NotNeeded,
            SecondConnectionState::Missing => SecondObserver::Missing,
            SecondConnectionState::Connected(_) => SecondObserver::Since(now),
        };
        self.round = None;
        for peer in self.all.values_mut() {
            peer.misses = 0;
        }
    }

    /// Whether outcomes of the observers count.
    fn is_settled(&self, now: Instant) -> bool {
        let settled = |since: Instant| now >= since + SETTLED;
        let second = match self.second {
            SecondObserver::NotNeeded => true,
            SecondObserver::Missing => false,
            SecondObserver::Since(since) => settled(since),
        };
        second && self.up_since.is_some_and(settled)
    }

    /// Drops workers whose records were deleted and that no lease names.
    pub(super) fn forget_deleted(&mut self, named: &BTreeSet<WorkerId>) {
        self.all.retain(|id, peer| {
            peer.state != WorkerState::Dead || peer.record.is_some() || named.contains(id)
        });
    }

    /// The workers to mark as dead, each once until its put is answered. The put replaces the last seen revision, so that
    /// a record renewed meanwhile stays.
    pub(super) fn next_dead(&mut self, now: Instant, alone: bool) -> Vec<WorkerId> {
        let mut found = Vec::new();
        for (id, peer) in &mut self.all {
            if peer.state == WorkerState::Dead || peer.marking {
                continue;
            }
            let silent = now >= peer.changed_at + SILENCE && peer.own_renewals >= OWN_RENEWALS;
            let given_up = self.former.as_ref() == Some(id);
            if alone || given_up || silent || peer.misses >= MISSES || peer.revision == 0 {
                peer.marking = true;
                found.push(id.clone());
            }
        }
        found
    }

    /// The time to call [`next_dead`](Self::next_dead) and [`next_probes`](Self::next_probes) again if there is no event
    /// before.
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

    /// Starts a round if one is due, and returns its probes, with those of `own` among them.
    pub(super) fn next_probes(&mut self, now: Instant, own: &WorkerId) -> Vec<Probe> {
        let over = self
            .round
            .as_ref()
            .is_none_or(|round| round.waiting.is_empty() || now >= round.started + ROUND_TIMEOUT);
        if !over || self.up_since.is_none() || self.next_round.is_some_and(|next| now < next) {
            return Vec::new();
        }
        self.next_round = Some(now + ROUND_INTERVAL);
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

    /// Handles the outcome of a probe.
    pub(super) fn on_probe(
        &mut self,
        now: Instant,
        own: &WorkerId,
        probe: &Probe,
        outcome: ProbeOutcome,
    ) {
        let id = &probe.worker;
        let settled = self.is_settled(now);
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
                    // The next round starts at once.
                    self.next_round = Some(now);
                }
            }
        }
    }

    /// Handles that a worker's record does not exist any more.
    pub(super) fn on_missing(&mut self, id: &WorkerId) {
        if let Some(peer) = self.all.get_mut(id).filter(|peer| peer.revision > 0) {
            peer.state = WorkerState::Dead;
            peer.record = None;
        }
    }

    /// Whether a connection is so new that all workers are probed and not only the successors.
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

    /// The workers to probe, in the order of ids from `own` on and after the last id from the first; all of them if `all`.
    fn successors(&self, own: &WorkerId, all: bool) -> Vec<WorkerId> {
        let ids = || self.watched().map(|(id, _)| id);
        let successors = ids()
            .filter(|id| *id > own)
            .chain(ids().filter(|id| *id < own));
        let count = if all { usize::MAX } else { SUCCESSORS };
        successors.take(count).cloned().collect()
    }
}

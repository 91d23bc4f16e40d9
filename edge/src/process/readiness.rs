//! Watches NATS, the owners and the log, and says in the log, the metrics and `/ready` what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bus, ConnectionState, RequestError};
use grandstand_common::clock::unix_ms;
use grandstand_common::follow::Followed;
use grandstand_common::id::WorkerId;
use grandstand_common::process::admin::{Component, Phase};
use grandstand_common::subject;
use tokio::sync::watch;

use super::degraded::{Degraded, DegradedChange, DegradedReason, DependencyState};
use crate::limits::SharedLimits;
use crate::shard::LogRefusals;
use crate::shard::bus::Leases;
use crate::shard::metrics::DegradedMetrics;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The looks between two rounds of probes.
const LOOKS_PER_PROBE: u32 = 4;
/// The most owners probed in one round.
const PROBES: usize = 4;
/// The time that a worker has to answer.
const PROBE_DEADLINE: Duration = Duration::from_millis(200);
/// The number of unanswered probes in a row after which a worker counts as gone. Its leases may still name it.
const MISSES: u32 = 2;

/// The dependencies of the edge.
pub(super) struct Dependencies {
    pub(super) bus: Bus,
    pub(super) leases: watch::Receiver<Leases>,
    pub(super) layouts: watch::Receiver<Followed>,
    pub(super) refusals: LogRefusals,
    pub(super) limits: SharedLimits,
}

/// The owners that are probed in turn.
#[derive(Debug, Default)]
struct Owners {
    /// The unanswered probes of each owner.
    misses: BTreeMap<WorkerId, u32>,
    last: Option<WorkerId>,
}

impl Owners {
    /// Replaces the owners by those in the leases.
    fn set(&mut self, current: &BTreeSet<WorkerId>) {
        self.misses.retain(|worker, _| current.contains(worker));
        for worker in current {
            self.misses.entry(worker.clone()).or_default();
        }
    }

    /// The next owners to probe.
    fn next(&mut self) -> Vec<WorkerId> {
        let after = self.last.as_ref();
        let behind = self
            .misses
            .keys()
            .filter(|w| after.is_none_or(|last| *w > last));
        let before = self
            .misses
            .keys()
            .filter(|w| after.is_some_and(|last| *w <= last));
        let next: Vec<_> = behind.chain(before).take(PROBES).cloned().collect();
        self.last = next.last().cloned();
        next
    }

    fn note(&mut self, worker: &WorkerId, answer: &Result<Bytes, RequestError>) {
        let Some(misses) = self.misses.get_mut(worker) else {
            return;
        };
        match answer {
            Ok(_) => {
                if std::mem::take(misses) >= MISSES {
                    tracing::info!(%worker, "a worker answers again");
                }
            }
            Err(RequestError::NoResponders) => {
                *misses += 1;
                if *misses == MISSES {
                    tracing::warn!(%worker, "a worker is gone; its partitions wait for another one");
                }
            }
            // A worker that is busy, or a connection that is lost.
            Err(_) => {}
        }
    }

    fn is_gone(&self, worker: &WorkerId) -> bool {
        self.misses
            .get(worker)
            .is_some_and(|misses| *misses >= MISSES)
    }
}

/// Keeps the component's phase, the metrics and the log current, forever.
pub(super) async fn drive_readiness(
    dependencies: Dependencies,
    component: Component,
    metrics: DegradedMetrics,
) {
    let connection = dependencies.bus.connection_state();
    let mut owners = Owners::default();
    let mut degraded = Degraded::default();
    for why in DegradedReason::ALL {
        metrics.set(why.name(), None);
    }
    for look in 0_u32.. {
        tokio::time::sleep(LOOK_EVERY).await;
        let nats_up = matches!(*connection.borrow(), ConnectionState::Up(_));
        let leases = dependencies.leases.borrow().clone();
        let ready = leases.values().filter(|lease| lease.ready);
        owners.set(&ready.filter_map(|lease| lease.worker.clone()).collect());
        if nats_up && look % LOOKS_PER_PROBE == 0 {
            probe(&dependencies.bus, &mut owners).await;
        }
        let owned = leases.values().filter(|lease| lease.ready);
        let owned = owned.filter_map(|lease| lease.worker.as_ref());
        let owned = owned.filter(|worker| !owners.is_gone(worker)).count();
        let partitions = usize::from(dependencies.layouts.borrow().layout.partitions);
        let now = tokio::time::Instant::now().into_std();
        let seen = DependencyState {
            nats_up,
            partitions,
            without_owner: partitions.saturating_sub(owned),
            refused: dependencies.refusals.current(now),
            shed: dependencies.limits.pressure().words(),
        };
        for change in degraded.update(&seen, now) {
            say(&change, &metrics);
        }
        component.set(match degraded.unready() {
            Some(why) => Phase::Unready(why.to_owned().into()),
            None => Phase::Ready,
        });
    }
}

async fn probe(bus: &Bus, owners: &mut Owners) {
    let mut probes = tokio::task::JoinSet::new();
    for worker in owners.next() {
        let bus = bus.clone();
        probes.spawn(async move {
            let subject = subject::worker_alive(&worker);
            let answer = bus.request(subject, Bytes::new(), PROBE_DEADLINE).await;
            (worker, answer)
        });
    }
    while let Some(probed) = probes.join_next().await {
        match probed {
            Ok((worker, answer)) => owners.note(&worker, &answer),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
}

fn say(change: &DegradedChange, metrics: &DegradedMetrics) {
    match change {
        DegradedChange::Begun(why, text) => {
            tracing::warn!(why = why.name(), "{text}");
            metrics.set(why.name(), Some(unix_ms() / 1000));
        }
        DegradedChange::Ended(why, after) => {
            let seconds = after.as_secs_f64();
            tracing::info!(why = why.name(), seconds, "recovered");
            metrics.set(why.name(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(names: &[&str]) -> Owners {
        let mut owners = Owners::default();
        owners.set(&names.iter().map(|name| name.parse().unwrap()).collect());
        owners
    }

    #[test]
    fn d31_a_worker_without_responders_counts_as_gone_until_it_answers() {
        let mut owners = owners(&["a", "b"]);
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        owners.note(&a, &Err(RequestError::NoResponders));
        owners.note(&b, &Err(RequestError::Timeout));
        owners.note(&b, &Err(RequestError::Timeout));
        assert!(!owners.is_gone(&a));
        owners.note(&a, &Err(RequestError::NoResponders));
        assert!(owners.is_gone(&a));
        assert!(!owners.is_gone(&b), "a busy worker is not gone");
        owners.note(&a, &Ok(Bytes::new()));
        assert!(!owners.is_gone(&a));
    }

    #[test]
    fn all_owners_are_probed_in_turn() {
        let names: Vec<_> = (10..17).map(|i| format!("w{i}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut owners = owners(&names);
        let mut probed = BTreeSet::new();
        for _ in 0..2 {
            probed.extend(owners.next());
        }
        assert_eq!(probed.len(), names.len());
    }
}

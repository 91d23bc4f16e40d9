//! Publishes what a room loop counts and measures as metrics of the worker, once a second.

use std::time::{Duration, Instant};

use grandstand_common::by_name::ByName;

use super::metrics::WorkerMetrics;
use crate::counts::GameCounts;
use crate::engine::Engine;

/// The time between two times.
const EVERY: Duration = Duration::from_secs(1);

/// The part of a room loop in the metrics. Dropping it removes its part of the gauges.
pub(super) struct LoopMetrics {
    metrics: WorkerMetrics,
    due: Instant,
    games: ByName<GameCounts>,
    unapplied: u64,
}

impl LoopMetrics {
    pub(super) fn new(metrics: WorkerMetrics, now: Instant) -> Self {
        Self {
            metrics,
            due: now,
            games: ByName::default(),
            unapplied: 0,
        }
    }

    /// Publishes what the engine has measured, if that is due.
    pub(super) fn publish(&mut self, engine: &mut Engine, now: Instant) {
        if now < self.due {
            return;
        }
        self.due = now + EVERY;
        self.metrics.games.publish(engine.tallies());
        let mut games = ByName::default();
        let unapplied = engine.partitions().measure(&mut games);
        self.set(games, unapplied);
    }

    /// Replaces its part of the gauges.
    fn set(&mut self, mut games: ByName<GameCounts>, unapplied: u64) {
        let before = std::mem::replace(&mut self.unapplied, unapplied);
        self.metrics
            .replay_lag
            .inc_by(unapplied as i64 - before as i64);
        for (game, before) in self.games.iter() {
            let now = *games.get_or_insert(game, GameCounts::default);
            self.metrics.games.change(game, *before, now);
        }
        for (game, now) in games.iter() {
            let is_new = self.games.iter().all(|(known, _)| known != game);
            if is_new {
                self.metrics.games.change(game, GameCounts::default(), *now);
            }
        }
        self.games = games;
    }
}

impl Drop for LoopMetrics {
    fn drop(&mut self) {
        self.set(ByName::default(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_the_sum_over_the_loops_that_live() {
        let metrics = WorkerMetrics::default();
        let now = tokio::time::Instant::now().into_std();
        let mut loops = [(); 2].map(|()| LoopMetrics::new(metrics.clone(), now));
        for (rooms, of) in [3, 4].into_iter().zip(&mut loops) {
            let mut games = ByName::default();
            games.get_or_insert("relay", || GameCounts { rooms, viewers: 9 });
            of.set(games, rooms);
        }
        assert_eq!(metrics.games.get("relay"), (7, 18));
        assert_eq!(metrics.replay_lag.get(), 7);
        let [first, mut second] = loops;
        drop(first);
        assert_eq!(metrics.games.get("relay"), (4, 9));
        second.set(ByName::default(), 0);
        assert_eq!(metrics.games.get("relay"), (0, 0));
        assert_eq!(metrics.replay_lag.get(), 0);
    }
}

//! The metrics of a worker by game.

use grandstand_common::histogram::{AGE, COUNT, Histogram, LIFETIME};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::counts::GameCounts;
use crate::tallies::Tallies;

/// The label of a game.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GameLabel {
    game: String,
}

impl GameLabel {
    fn new(game: &str) -> Self {
        Self {
            game: game.to_owned(),
        }
    }
}

/// The labels of refused inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectLabels {
    game: String,
    code: String,
}

type ByGame = Family<GameLabel, Histogram, fn() -> Histogram>;

/// The metrics by game, and those of takeovers. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct GameMetrics {
    rooms: Family<GameLabel, Gauge>,
    viewers: Family<GameLabel, Gauge>,
    durations: ByGame,
    inputs: ByGame,
    rejects: Family<RejectLabels, Counter>,
    replay_entries: Histogram,
    takeovers: Histogram,
}

impl Default for GameMetrics {
    fn default() -> Self {
        Self {
            rooms: Family::default(),
            viewers: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(&LIFETIME)),
            inputs: Family::new_with_constructor(|| Histogram::new(&COUNT)),
            rejects: Family::default(),
            replay_entries: Histogram::new(&COUNT),
            takeovers: Histogram::new(&AGE),
        }
    }
}

impl GameMetrics {
    /// Registers the metrics with a registry whose prefix is `grandstand_worker`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "games_in_progress",
            "Rooms in memory, by game",
            self.rooms.clone(),
        );
        registry.register(
            "viewers",
            "Spectators of the worker's rooms on all edges, by game",
            self.viewers.clone(),
        );
        registry.register(
            "game_duration_seconds",
            "Time from a room's creation to its end, by game; rooms that were loaded from a snapshot meanwhile do not count",
            self.durations.clone(),
        );
        registry.register(
            "game_inputs",
            "Inputs of all players of a room until its end, by game",
            self.inputs.clone(),
        );
        registry.register(
            "rejected_inputs",
            "Inputs refused, by game and code; repeats are counted again",
            self.rejects.clone(),
        );
        registry.register(
            "replay_entries",
            "Entries of the log that a takeover of a partition read again",
            self.replay_entries.clone(),
        );
        registry.register(
            "takeover_duration_seconds",
            "Time from a won lease to a ready partition",
            self.takeovers.clone(),
        );
    }

    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub(super) fn touch(&self) {
        let mut tallies = Tallies::default();
        tallies.on_reject("", "");
        self.publish(&mut tallies);
        self.change("", GameCounts::default(), GameCounts::default());
    }

    /// Publishes what an engine has measured, which has nothing afterwards.
    pub(super) fn publish(&self, tallies: &mut Tallies) {
        self.replay_entries.publish(&mut tallies.replay_entries);
        self.takeovers.publish(&mut tallies.takeovers);
        for (game, tally) in tallies.games.iter_mut() {
            let label = GameLabel::new(game);
            self.durations
                .get_or_create(&label)
                .publish(&mut tally.durations);
            self.inputs.get_or_create(&label).publish(&mut tally.inputs);
            for (code, count) in tally.rejects.iter_mut() {
                let labels = RejectLabels {
                    game: game.to_owned(),
                    code: code.to_owned(),
                };
                let rejects = self.rejects.get_or_create(&labels);
                rejects.inc_by(std::mem::take(count));
            }
        }
    }

    /// Replaces a loop's part of the gauges.
    pub(super) fn change(&self, game: &str, before: GameCounts, now: GameCounts) {
        let label = GameLabel::new(game);
        for (family, before, now) in [
            (&self.rooms, before.rooms, now.rooms),
            (&self.viewers, before.viewers, now.viewers),
        ] {
            family
                .get_or_create(&label)
                .inc_by(now as i64 - before as i64);
        }
    }

    /// The rooms and the spectators of a game.
    #[cfg(test)]
    pub(super) fn get(&self, game: &str) -> (i64, i64) {
        let label = GameLabel::new(game);
        let get = |family: &Family<GameLabel, Gauge>| family.get_or_create(&label).get();
        (get(&self.rooms), get(&self.viewers))
    }
}

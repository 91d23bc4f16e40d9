//! The metrics of a worker: `grandstand_worker_*`.

use std::sync::atomic::AtomicU64;

use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::histogram::LocalHistogram;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::game_metrics::GameMetrics;
use super::lease_changes::LeaseChanges;
use super::loop_lags::LoopLags;
use crate::counts::Counts;

/// A worker's counters. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct WorkerMetrics {
    loop_lags: LoopLags,
    /// The metrics by game.
    pub(super) games: GameMetrics,
    /// Entries of the log that are not applied yet.
    pub(super) replay_lag: Gauge,
    /// Rooms in quarantine.
    pub quarantined_rooms: Gauge,
    /// Partitions that the worker owns.
    pub partitions: Gauge,
    /// 1 while workers are also probed over a second server of the cluster.
    pub second_observer: Gauge,
    /// Threads of room loops that are in calls of games that do not return.
    pub stuck_loops: Gauge,
    /// Rooms in memory.
    pub rooms: Gauge,
    /// Rooms that are stored but not in memory.
    pub idle_rooms: Gauge,
    /// Rooms that NATS does not take at the moment, because its limits have become lower.
    pub held_rooms: Gauge,
    /// Rooms whose entries wait until what they have sent out is acked.
    pub waiting_rooms: Gauge,
    /// Rooms that a later version of their game stored, and that this worker leaves untouched.
    pub too_new_rooms: Gauge,
    /// [`Counts::inputs`].
    pub inputs: Counter,
    /// [`Counts::rejects`].
    pub rejects: Counter,
    /// [`Counts::replayed`].
    pub replayed: Counter,
    /// [`Counts::panics`].
    pub panics: Counter,
    /// [`Counts::game_faults`].
    pub game_faults: Counter,
    /// [`Counts::damaged`].
    pub damaged: Counter,
    /// [`Counts::unreadable_snapshots`].
    pub unreadable_snapshots: Counter,
    /// [`Counts::rooms_heated`].
    pub rooms_heated: Counter,
    /// [`Counts::sent_out`].
    pub sent_out: Counter,
    /// [`Counts::items_not_taken`].
    pub items_not_taken: Counter,
    /// [`Counts::ticks`].
    pub ticks: Counter,
    /// [`Counts::ticks_skipped`].
    pub ticks_skipped: Counter,
    /// [`Counts::bad_controls`].
    pub bad_controls: Counter,
    /// [`Counts::worlds_stored`].
    pub worlds_stored: Counter,
    /// [`Counts::bot_inputs`].
    pub bot_inputs: Counter,
    /// [`Counts::bot_rejects`].
    pub bot_rejects: Counter,
    /// [`Counts::bot_faults`].
    pub bot_faults: Counter,
    /// [`Counts::listings_stored`].
    pub listings_stored: Counter,
    /// [`Counts::listing_faults`].
    pub listing_faults: Counter,
    /// [`Counts::worlds_made_anew`].
    pub worlds_made_anew: Counter,
    /// [`Counts::replayed_rejects`].
    pub replayed_rejects: Counter,
    /// [`Counts::quarantined`].
    pub quarantined: Counter,
    /// Partitions taken.
    pub taken: Counter,
    /// Partitions handed over.
    pub released: Counter,
    /// Partitions lost to another worker.
    pub lost: Counter,
    /// Times that another worker marked this one as dead.
    pub found_dead: Counter,
    /// Times that a room loop did not answer for 2 s.
    pub loops_stuck: Counter,
    /// Times that NATS came back with an older state than it had acked.
    pub rolled_back: Counter,
    /// Entries read from the log.
    pub entries: Counter,
    /// Entries appended to the log: timers, and players of dead edges.
    pub appends: Counter,
    /// Snapshots and checkpoints written.
    pub snapshots: Counter,
    /// The wall clock minus the clock of the log, seconds.
    pub clock_skew: Gauge<f64, AtomicU64>,
    /// Batches sent to edges.
    pub batches: Counter,
    /// Messages from the bus that cannot be read.
    pub unreadable: Counter,
    /// The metrics of its connections to the bus.
    pub bus: BusMetrics,
}

impl WorkerMetrics {
    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub fn touch(&self) {
        drop(self.loop_lags.of(""));
        self.games.touch();
    }

    /// The lag of the loop with this name, for its thread.
    pub(super) fn loop_lag(&self, name: &str) -> LocalHistogram {
        self.loop_lags.of(name)
    }

    /// Adds the differences between two counts.
    pub(crate) fn add(&self, before: Counts, now: Counts) {
        let counters = [
            (&self.inputs, before.inputs, now.inputs),
            (&self.rejects, before.rejects, now.rejects),
            (&self.replayed, before.replayed, now.replayed),
            (
                &self.replayed_rejects,
                before.replayed_rejects,
                now.replayed_rejects,
            ),
            (&self.quarantined, before.quarantined, now.quarantined),
            (&self.panics, before.panics, now.panics),
            (&self.game_faults, before.game_faults, now.game_faults),
            (&self.damaged, before.damaged, now.damaged),
            (
                &self.unreadable_snapshots,
                before.unreadable_snapshots,
                now.unreadable_snapshots,
            ),
            (&self.rooms_heated, before.rooms_heated, now.rooms_heated),
            (&self.sent_out, before.sent_out, now.sent_out),
            (
                &self.items_not_taken,
                before.items_not_taken,
                now.items_not_taken,
            ),
            (&self.ticks, before.ticks, now.ticks),
            (&self.ticks_skipped, before.ticks_skipped, now.ticks_skipped),
            (&self.bad_controls, before.bad_controls, now.bad_controls),
            (&self.worlds_stored, before.worlds_stored, now.worlds_stored),
            (&self.bot_inputs, before.bot_inputs, now.bot_inputs),
            (&self.bot_rejects, before.bot_rejects, now.bot_rejects),
            (&self.bot_faults, before.bot_faults, now.bot_faults),
            (
                &self.listings_stored,
                before.listings_stored,
                now.listings_stored,
            ),
            (
                &self.listing_faults,
                before.listing_faults,
                now.listing_faults,
            ),
            (
                &self.worlds_made_anew,
                before.worlds_made_anew,
                now.worlds_made_anew,
            ),
        ];
        for (counter, before, now) in counters {
            counter.inc_by(now - before);
        }
    }

    /// Registers all metrics in `registry` with the prefix `worker`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("worker");
        self.bus.register(registry);
        self.games.register(registry);
        self.loop_lags.register(registry);
        registry.register(
            "replay_lag_entries",
            "Entries of the log that are not applied yet, as far as is known",
            self.replay_lag.clone(),
        );
        registry.register(
            "quarantined_rooms",
            "Rooms in quarantine",
            self.quarantined_rooms.clone(),
        );
        registry.register_collector(Box::new(LeaseChanges {
            taken: self.taken.clone(),
            released: self.released.clone(),
            lost: self.lost.clone(),
        }));
        registry.register("partitions", "Partitions owned", self.partitions.clone());
        registry.register(
            "second_observer",
            "1 while workers are also probed over a second server of the cluster",
            self.second_observer.clone(),
        );
        registry.register(
            "stuck_loops",
            "Threads of room loops that are in calls of games that do not return",
            self.stuck_loops.clone(),
        );
        registry.register("rooms", "Rooms in memory", self.rooms.clone());
        registry.register(
            "idle_rooms",
            "Rooms that are stored but not in memory",
            self.idle_rooms.clone(),
        );
        registry.register(
            "clock_skew_seconds",
            "The clock of this machine minus the clock of the log",
            self.clock_skew.clone(),
        );
        registry.register(
            "rooms_held",
            "Rooms that cannot be stored, because NATS' limits have become lower",
            self.held_rooms.clone(),
        );
        registry.register(
            "rooms_waiting",
            "Rooms whose entries wait until what they have sent out is acked",
            self.waiting_rooms.clone(),
        );
        registry.register(
            "rooms_too_new",
            "Rooms that a later version of their game stored, left untouched",
            self.too_new_rooms.clone(),
        );
        let counters = self.engine_counters().into_iter().chain(self.counters());
        let counters = counters.chain(self.world_counters());
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }

    /// The counters of engines, with their names and what they count.
    fn engine_counters(&self) -> [(&'static str, &'static str, &Counter); 11] {
        [
            ("inputs", "Inputs handed to games", &self.inputs),
            ("rejects", "Inputs that games rejected", &self.rejects),
            (
                "entries_replayed",
                "Log entries read again by a takeover",
                &self.replayed,
            ),
            (
                "rejects_replayed",
                "Inputs that games rejected while a takeover read them again",
                &self.replayed_rejects,
            ),
            ("panics", "Panics of games", &self.panics),
            (
                "game_faults",
                "Effects of games that are ignored or replaced, because they break a rule",
                &self.game_faults,
            ),
            (
                "snapshots_damaged",
                "Snapshots whose state differs from the stored one",
                &self.damaged,
            ),
            (
                "snapshots_unreadable",
                "Snapshots that this build cannot read",
                &self.unreadable_snapshots,
            ),
            (
                "items_not_taken",
                "Items that were not sent, because NATS' limit of a message has become lower",
                &self.items_not_taken,
            ),
            (
                "sent_out",
                "Items that rooms have sent out: emitted, or to other rooms",
                &self.sent_out,
            ),
            (
                "rooms_heated",
                "Times that a room became hot",
                &self.rooms_heated,
            ),
        ]
    }

    /// The counters of worlds and bots.
    fn world_counters(&self) -> [(&'static str, &'static str, &Counter); 10] {
        [
            ("ticks", "Steps of rooms in real time", &self.ticks),
            (
                "ticks_skipped",
                "Steps of rooms in real time that were left out, because the worker was behind",
                &self.ticks_skipped,
            ),
            (
                "bad_controls",
                "Live messages in rooms in real time that their games cannot read",
                &self.bad_controls,
            ),
            (
                "worlds_stored",
                "Worlds of rooms in real time written",
                &self.worlds_stored,
            ),
            (
                "worlds_made_anew",
                "Worlds that began again, because the stored one could not be read",
                &self.worlds_made_anew,
            ),
            (
                "bot_inputs",
                "Inputs of bots written to logs, with repeats",
                &self.bot_inputs,
            ),
            (
                "bot_rejects",
                "Inputs of bots that their own game rejected",
                &self.bot_rejects,
            ),
            (
                "bot_faults",
                "Bots that could not play, because their game panicked or returned too much",
                &self.bot_faults,
            ),
            (
                "listings_stored",
                "Listings of rooms written for lobbies",
                &self.listings_stored,
            ),
            (
                "listing_faults",
                "Rooms that lobbies ceased to show, because their game panicked or its listing was too big",
                &self.listing_faults,
            ),
        ]
    }

    /// The other counters.
    fn counters(&self) -> [(&'static str, &'static str, &Counter); 12] {
        [
            ("partitions_taken", "Partitions taken", &self.taken),
            (
                "partitions_released",
                "Partitions handed over",
                &self.released,
            ),
            (
                "partitions_lost",
                "Partitions lost to another worker",
                &self.lost,
            ),
            (
                "found_dead",
                "Times that another worker marked this one as dead",
                &self.found_dead,
            ),
            (
                "loops_stuck",
                "Times that a room loop did not answer for 2 s",
                &self.loops_stuck,
            ),
            (
                "rolled_back",
                "Times that NATS came back with an older state than it had acked",
                &self.rolled_back,
            ),
            ("entries", "Log entries read", &self.entries),
            (
                "appends",
                "Log entries written: timers, players of dead edges",
                &self.appends,
            ),
            (
                "snapshots",
                "Snapshots and checkpoints written",
                &self.snapshots,
            ),
            ("quarantined", "Rooms put in quarantine", &self.quarantined),
            ("batches", "Batches sent to edges", &self.batches),
            (
                "unreadable",
                "Messages that cannot be read",
                &self.unreadable,
            ),
        ]
    }
}

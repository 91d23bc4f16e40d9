//! The latency of rooms: from an input's arrival at any edge to the write of its update to the last member of a lane here.

use grandstand_common::by_name::ByName;
use grandstand_common::histogram::{Histogram, LATENCY, LocalHistogram};
use grandstand_common::id::Lane;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;

use crate::core::Tallies;

/// The labels of a room's latency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LatencyLabels {
    game: String,
    lane: &'static str,
}

/// The latencies of rooms, by game and lane.
pub(super) type LatencyFamily = Family<LatencyLabels, Histogram, fn() -> Histogram>;

/// An empty family.
pub(super) fn family() -> LatencyFamily {
    Family::new_with_constructor(|| Histogram::new(&LATENCY))
}

/// The latencies of rooms that one shard measures.
#[derive(Debug)]
pub(crate) struct RoomLatency {
    family: LatencyFamily,
    games: ByName<[LocalHistogram; 2]>,
}

impl RoomLatency {
    /// Latencies that are published in this family.
    pub(super) fn new(family: LatencyFamily) -> Self {
        Self {
            family,
            games: ByName::default(),
        }
    }

    /// Measures what a flush has written. `now_us` reads the wall clock, in Unix microseconds. The clocks of two machines
    /// differ, so an input of another edge may seem to come from the future; then its latency is 0.
    pub(crate) fn observe(&mut self, tallies: &mut Tallies, now_us: impl FnOnce() -> u64) {
        if !tallies.has_stamps() {
            return;
        }
        let now_us = now_us();
        let Self { family, games } = self;
        tallies.take_stamps(|game, lane, arrived_us| {
            let lanes = games.get_or_insert(game, || {
                Lane::ALL.map(|lane| {
                    let labels = LatencyLabels {
                        game: game.to_owned(),
                        lane: name(lane),
                    };
                    family.get_or_create(&labels).local()
                })
            });
            lanes[lane.index()].observe(now_us.saturating_sub(arrived_us));
        });
    }

    /// Publishes what was measured.
    pub(crate) fn publish(&self) {
        let lanes = self.games.iter().flat_map(|(_, lanes)| lanes);
        lanes.for_each(LocalHistogram::publish);
    }
}

fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Players => "players",
        Lane::Spectators => "spectators",
    }
}

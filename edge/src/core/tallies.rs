//! Durations that a core measures. Its shard publishes them as metrics.

use grandstand_common::by_name::ByName;
use grandstand_common::histogram::{LATENCY, Tally};
use grandstand_common::id::Lane as LaneId;

/// The most stamps that are kept for a shard that does not take them.
const MOST_STAMPS: usize = 4_096;

/// The durations of one core.
#[derive(Debug)]
pub struct Tallies {
    /// The time from an input's arrival to the report that its owner has processed it, in microseconds.
    pub input_latency: Tally,
    /// The arrivals of inputs whose updates were written to all members of a lane, by game and by [`LaneId::index`], in Unix
    /// microseconds. The core has no clock that is as fine.
    stamps: ByName<[Vec<u64>; 2]>,
}

impl Default for Tallies {
    fn default() -> Self {
        Self {
            input_latency: Tally::new(&LATENCY),
            stamps: ByName::default(),
        }
    }
}

impl Tallies {
    /// The stamps of a game's lanes, to add further ones.
    pub(crate) fn stamps(&mut self, game: &str, lane: LaneId) -> &mut Vec<u64> {
        let lanes = self.stamps.get_or_insert(game, Default::default);
        let stamps = &mut lanes[lane.index()];
        if stamps.len() >= MOST_STAMPS {
            stamps.clear();
        }
        stamps
    }

    /// Whether there are stamps.
    pub fn has_stamps(&self) -> bool {
        let mut all = self.stamps.iter().flat_map(|(_, lanes)| lanes);
        all.any(|stamps| !stamps.is_empty())
    }

    /// Takes the stamps: the arrivals of inputs whose updates were written to all members of a lane, in Unix microseconds.
    pub fn take_stamps(&mut self, mut take: impl FnMut(&str, LaneId, u64)) {
        for (game, lanes) in self.stamps.iter_mut() {
            for (lane, stamps) in LaneId::ALL.into_iter().zip(lanes) {
                stamps.drain(..).for_each(|at| take(game, lane, at));
            }
        }
    }
}

//! The updates and views that the clients of a lane saw, by version and by history of the store.

use grandstand_common::id::Lane;
use serde_json::Value;

/// The record of a lane by version. The first element is version 1.
#[derive(Debug, Default)]
pub(super) struct LaneLog {
    pub(super) updates: Vec<Option<SeenUpdate>>,
    /// Hashes of views.
    pub(super) views: Vec<Option<u64>>,
    /// The newest version of which a client or the bus has received anything.
    pub(super) top: u64,
    /// The view of version `top`.
    pub(super) last: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenUpdate {
    /// The hash of its data.
    pub(super) hash: u64,
    /// The player and the content of the input that the update shows.
    pub(super) by: Option<(String, u64)>,
}

/// The lanes of a room in each history. A store that comes back in an older state begins another history: its versions
/// say other things than the same ones before.
#[derive(Debug, Default)]
pub(super) struct Histories(Vec<[LaneLog; 2]>);

impl Histories {
    pub(super) fn lane(&mut self, history: usize, lane: Lane) -> &mut LaneLog {
        if self.0.len() <= history {
            self.0.resize_with(history + 1, Default::default);
        }
        &mut self.0[history][lane.index()]
    }

    /// The lane in the newest history of which anything was seen.
    pub(super) fn newest(&self, lane: Lane) -> Option<&LaneLog> {
        self.seen().next_back().map(|lanes| &lanes[lane.index()])
    }

    /// Whether the room has lived in several histories.
    pub(super) fn are_many(&self) -> bool {
        self.seen().count() > 1
    }

    /// The histories of which anything was seen.
    fn seen(&self) -> impl DoubleEndedIterator<Item = &[LaneLog; 2]> {
        let has_any = |lanes: &&[LaneLog; 2]| lanes.iter().any(|lane| lane.top > 0);
        self.0.iter().filter(has_any)
    }
}

/// Returns the element of a version.
pub(super) fn slot<T>(list: &mut Vec<Option<T>>, version: u64) -> &mut Option<T> {
    let index = version as usize;
    if list.len() <= index {
        list.resize_with(index + 1, || None);
    }
    &mut list[index]
}

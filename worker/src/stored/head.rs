//! The head of a stored snapshot: what a partition must know of a room that is not in memory. It precedes the room in
//! the text, so that it is read without parsing the room (D25).

use std::fmt;

use grandstand_common::id::{EdgeId, Epoch, Instance};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::room::Room;

/// The writer of a snapshot and the entry that it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotHead {
    /// The epoch of the owner that wrote it.
    pub(crate) epoch: Epoch,
    /// The generation of the log when it was written.
    pub(crate) generation: u64,
    /// The last entry that it contains.
    pub(crate) last: u64,
}

/// The facts about a stored room that a partition keeps in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredHead {
    /// The room's instance.
    pub(crate) instance: Instance,
    /// The version of the game that stored the room's state. Missing in the snapshots of builds before versions.
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub(crate) version: u32,
    /// The due time of the room's next timer, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_ms: Option<u64>,
    /// The edges that hold sessions of connected players.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) edges: Vec<EdgeId>,
    /// Whether the room has sent out items that were not acked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) has_items: bool,
}

/// The version of states that are stored without one.
pub(super) fn first_version() -> u32 {
    1
}

pub(super) fn is_first_version(version: &u32) -> bool {
    *version == first_version()
}

impl StoredHead {
    /// The head of a room whose state is of this version, and whether items that it has sent out were not acked.
    pub(crate) fn new(room: &Room, version: u32, has_items: bool) -> Self {
        let timers = room.instance_state().timers.values();
        Self {
            instance: room.instance(),
            version,
            due_ms: timers.map(|armed| armed.due_ms).min(),
            edges: room.edges().cloned().collect(),
            has_items,
        }
    }
}

/// The beginning of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    pub(super) format: Option<u32>,
    epoch: Option<Epoch>,
    generation: Option<u64>,
    last: Option<u64>,
    /// Missing in the snapshots of earlier builds, and if the room was deleted.
    pub(super) head: Option<StoredHead>,
}

impl Beginning {
    /// Parses a snapshot up to its head, or up to the first field that no head can follow.
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut beginning = Self::default();
        let mut text = serde_json::Deserializer::from_slice(value);
        // The visitor stops before the end of the text, which counts as an error. The fields that it has read by then
        // are valid.
        let _ = text.deserialize_map(&mut beginning);
        beginning
    }

    /// Returns the writer and the last entry, if all of them were read.
    pub(super) fn place(&self) -> Option<SnapshotHead> {
        Some(SnapshotHead {
            epoch: self.epoch?,
            generation: self.generation?,
            last: self.last?,
        })
    }
}

impl<'de> Visitor<'de> for &mut Beginning {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "format" => self.format = Some(map.next_value()?),
                "epoch" => self.epoch = Some(map.next_value()?),
                "generation" => self.generation = Some(map.next_value()?),
                "last" => self.last = Some(map.next_value()?),
                "head" => {
                    self.head = Some(map.next_value()?);
                    return Ok(());
                }
                "hash" | "state_hash" => drop(map.next_value::<IgnoredAny>()?),
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d25_a_head_is_read_without_the_room_behind_it() {
        let text = br#"{"format":1,"epoch":9,"generation":2,"last":40,"head":{"instance":7,"version":3,"due_ms":5,"edges":["e-1"]},"hash":0,"room":{ this is never"#;
        let beginning = Beginning::parse(text);
        let place = beginning.place().unwrap();
        assert_eq!(
            (beginning.format, place.epoch, place.generation, place.last),
            (Some(1), Epoch(9), 2, 40)
        );
        let head = beginning.head.unwrap();
        assert_eq!((head.instance, head.version), (Instance(7), 3));
        assert_eq!(head.due_ms, Some(5));
        assert_eq!(head.edges, ["e-1".parse().unwrap()]);
    }

    #[test]
    fn a_head_without_a_version_is_of_the_first_one() {
        let stored = r#"{"instance":7}"#;
        let head: StoredHead = serde_json::from_str(stored).unwrap();
        assert_eq!(head.version, 1);
        assert_eq!(serde_json::to_string(&head).unwrap(), stored);
    }

    #[test]
    fn the_beginning_of_an_earlier_build_s_snapshot_has_no_head() {
        let text = br#"{"format":1,"epoch":9,"generation":2,"last":40,"hash":3,"state_hash":null,"room":{"x":["#;
        let beginning = Beginning::parse(text);
        assert!(beginning.place().is_some() && beginning.head.is_none());
        let cut = Beginning::parse(br#"{"format":1,"epo"#);
        assert!(cut.place().is_none() && cut.head.is_none());
    }
}

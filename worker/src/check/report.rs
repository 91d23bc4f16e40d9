//! The result of a check.

use std::collections::BTreeMap;
use std::fmt;

use grandstand_common::id::RoomId;
use serde::Serialize;

/// The most faults that a report lists. Further ones are counted.
const LISTED: usize = 1_000;

/// The result of a check. `Display` writes it as text for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The rooms that were checked.
    pub rooms: u64,
    /// The games of these rooms, by name.
    pub games: BTreeMap<String, GameReport>,
    /// The rooms whose logs were replayed.
    pub replayed: u64,
    /// The rooms that differ. A room whose log differs as well counts once.
    pub faulty: u64,
    /// The first 1,000 of these, in the order in which they were found.
    pub faults: Vec<RoomFault>,
}

/// The rooms of a game.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GameReport {
    /// The version of the game in this build; 0 if it does not have the game.
    pub version: u32,
    /// The rooms by the version of the game that stored them.
    pub stored: BTreeMap<u32, u64>,
}

/// A room that differs, or cannot be used by this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomFault {
    /// The room.
    pub room: RoomId,
    /// The kind.
    pub kind: FaultKind,
    /// The fault in words.
    pub message: String,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The snapshot is damaged or no snapshot.
    Unreadable,
    /// A later version of the game stored the room, or this build does not have the game.
    TooNew,
    /// The state cannot be migrated.
    NotMigrated,
    /// The game cannot read the state.
    NotLoaded,
    /// The game panics.
    Panics,
    /// The room cannot be stored.
    NotStored,
    /// The room differs after it was loaded, or stored and loaded, once more.
    Differs,
    /// The stored world of a room in real time cannot be used.
    World,
    /// The replay of the log differs, or stops before its end.
    Replay,
}

impl CheckReport {
    /// Whether all rooms are the same for this build.
    pub fn is_well(&self) -> bool {
        self.faulty == 0
    }

    /// Counts a room of a game of which this build has version `own`.
    pub(super) fn count(&mut self, room: &RoomId, own: u32, stored: u32) {
        self.rooms += 1;
        let game = self.games.entry(room.game().to_owned()).or_default();
        game.version = own;
        *game.stored.entry(stored).or_default() += 1;
    }

    pub(super) fn add_fault(&mut self, fault: RoomFault) {
        self.faulty += 1;
        if self.faults.len() < LISTED {
            self.faults.push(fault);
        }
    }

    /// Adds the rooms of another bucket.
    pub(super) fn add(&mut self, other: Self) {
        self.rooms += other.rooms;
        for (name, game) in other.games {
            let known = self.games.entry(name).or_default();
            known.version = game.version;
            for (version, rooms) in game.stored {
                *known.stored.entry(version).or_default() += rooms;
            }
        }
        let unlisted = other.faulty - other.faults.len() as u64;
        other
            .faults
            .into_iter()
            .for_each(|fault| self.add_fault(fault));
        self.faulty += unlisted;
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rooms     {}", self.rooms)?;
        for (name, game) in &self.games {
            for (stored, rooms) in &game.stored {
                let how = match stored.cmp(&game.version) {
                    std::cmp::Ordering::Less => format!("migrated to version {}", game.version),
                    std::cmp::Ordering::Equal => "of this build's version".to_owned(),
                    std::cmp::Ordering::Greater if game.version == 0 => {
                        "of a game that this build does not have".to_owned()
                    }
                    std::cmp::Ordering::Greater => {
                        format!("too new: this build has version {}", game.version)
                    }
                };
                writeln!(f, "          {rooms} of {name} {stored}, {how}")?;
            }
        }
        if self.rooms == 0 {
            writeln!(
                f,
                "          no room has a snapshot; a room gets one within a minute of its first entry"
            )?;
        }
        writeln!(f, "replayed  {}", self.replayed)?;
        if self.is_well() {
            return writeln!(f, "EQUAL     all rooms are the same for this build");
        }
        writeln!(f, "DIFFERENT {} rooms:", self.faulty)?;
        for fault in &self.faults {
            writeln!(f, "          {}: {}", fault.room, fault.message)?;
        }
        let more = self.faulty - self.faults.len() as u64;
        if more > 0 {
            writeln!(f, "          and {more} more")?;
        }
        Ok(())
    }
}

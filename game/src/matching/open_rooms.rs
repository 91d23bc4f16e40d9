//! The rooms that take further players of a queue.

use grandstand_types::id::RoomId;
use serde::{Deserialize, Serialize};

use super::messages::Seats;
use super::rule::Backfill;
use crate::reject::{Reject, Verdict};

/// The most rooms. Further ones are refused.
const MOST: usize = 512;

/// The rooms that take further players.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OpenRooms(Vec<Backfill>);

impl OpenRooms {
    pub(super) fn rooms(&self) -> &[Backfill] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the free seats of a room.
    ///
    /// # Errors
    /// If there are too many rooms.
    pub(super) fn tell(&mut self, room: &RoomId, seats: Seats, told_ms: u64) -> Verdict {
        self.0.retain(|open| open.room != *room);
        if seats.seats == 0 {
            return Ok(());
        }
        if self.0.len() == MOST {
            return Err(Reject::new("queue_full", "too many rooms take players"));
        }
        self.0.push(Backfill {
            room: room.clone(),
            seats: seats.seats,
            labels: seats.labels,
            told_ms,
        });
        Ok(())
    }

    /// Takes seats of a room. Returns whether it has them.
    pub(super) fn take(&mut self, room: &RoomId, seats: usize) -> bool {
        let open = self.0.iter_mut().find(|open| open.room == *room);
        let open = open.filter(|open| open.seats as usize >= seats);
        open.map(|open| open.seats -= seats as u32).is_some()
    }

    /// Forgets the rooms that were heard of last before a time, Unix milliseconds.
    pub(super) fn expire(&mut self, before_ms: u64) {
        self.0.retain(|open| open.told_ms >= before_ms);
    }
}

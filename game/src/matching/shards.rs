//! The rooms over which a queue is spread.
//!
//! The first room, which has the queue's name, takes players until it is full. Then it sends the next ones to the first shard
//! that has space. Shards tell it how many players they have, and when they are few, it calls them back. So players of a
//! queue that fits into one room are in one room.

use std::collections::BTreeMap;

use grandstand_types::id::RoomId;
use serde::{Deserialize, Serialize};

use super::messages::ShardReport;

/// The most players of a room of a queue. A worker stores the sessions of about 450 players of a room; those who have been
/// sent on and those who are lost need a part of this space.
pub(super) const MOST_PLAYERS: usize = 300;

/// The most players of the first room and those whom it calls back together.
const CALLED_BACK: usize = MOST_PLAYERS / 8 * 7;

/// The least time between two calls to shards, milliseconds.
const CALL_EVERY_MS: u64 = 5_000;

/// The time after which a shard reports again, milliseconds.
const REPORT_EVERY_MS: u64 = 10_000;

/// The part of the name of a shard between that of the queue and its number.
const SHARD: &str = "-shard";

/// The place of a room among those of its queue, and what it knows about the others.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shards {
    /// The room; `None` in a room that an earlier version has created, which has no shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    /// The players of the shards, as far as the first room knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<u32, usize>,
    /// The time of the first room's last call, Unix milliseconds.
    #[serde(default)]
    called_ms: u64,
    /// The last report of a shard, and its time.
    #[serde(default)]
    reported: usize,
    #[serde(default)]
    reported_ms: u64,
}

impl Shards {
    pub(super) fn new(room: &RoomId) -> Self {
        Self {
            room: Some(room.clone()),
            ..Self::default()
        }
    }

    /// The number of this room if it is a shard, and the name of the first room.
    fn place(&self) -> Option<(&str, Option<u32>)> {
        let room = self.room.as_ref()?.as_str();
        let shard = room.rsplit_once(SHARD).and_then(|(first, number)| {
            let number: u32 = number.parse().ok()?;
            Some((first, Some(number)))
        });
        Some(shard.unwrap_or((room, None)))
    }

    fn shard(first: &str, number: u32) -> Option<RoomId> {
        format!("{first}{SHARD}{number}").parse().ok()
    }

    /// The room to which the next player goes who does not fit into this one; `None` if there is none. At most `most`
    /// rooms belong to the queue.
    pub(super) fn next(&mut self, most: u32) -> Option<RoomId> {
        let (first, own) = self.place()?;
        if let Some(own) = own {
            // The first room does not know yet that this one is full.
            return (own < most).then(|| Self::shard(first, own + 1))?;
        }
        let number = (2..=most).find(|number| {
            let players = self.others.get(number);
            players.is_none_or(|players| *players < MOST_PLAYERS)
        })?;
        let room = Self::shard(first, number)?;
        *self.others.entry(number).or_default() += 1;
        Some(room)
    }

    /// The first room, if this is a shard of it.
    pub(super) fn first(&self) -> Option<RoomId> {
        let (first, own) = self.place()?;
        own.and_then(|_| first.parse().ok())
    }

    /// The report that a shard owes to the first room.
    pub(super) fn report(&mut self, players: usize, now_ms: u64) -> Option<(RoomId, ShardReport)> {
        let first = self.first()?;
        let (_, own) = self.place()?;
        let report = ShardReport {
            shard: own?,
            players,
        };
        let is_due = players > 0 && now_ms >= self.reported_ms + REPORT_EVERY_MS;
        if players == self.reported && !is_due {
            return None;
        }
        self.reported = players;
        self.reported_ms = now_ms;
        Some((first, report))
    }

    /// Takes a report from a room. Returns whether the first room, which has `players`, calls its players back; `None` if the
    /// room is no shard of it.
    pub(super) fn take_report(
        &mut self,
        from: &RoomId,
        report: ShardReport,
        players: usize,
        now_ms: u64,
    ) -> Option<bool> {
        let (first, own) = self.place()?;
        if own.is_some() || Self::shard(first, report.shard).as_ref() != Some(from) {
            return None;
        }
        match report.players {
            0 => self.others.remove(&report.shard),
            players => self.others.insert(report.shard, players),
        };
        let is_last = self.others.keys().next_back() == Some(&report.shard);
        let is_called = is_last
            && report.players > 0
            && players + report.players <= CALLED_BACK
            && now_ms >= self.called_ms + CALL_EVERY_MS;
        if is_called {
            self.called_ms = now_ms;
        }
        Some(is_called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        name.parse().unwrap()
    }

    #[test]
    fn the_first_shard_with_space_is_next() {
        let mut first = Shards::new(&room("queue-a"));
        for _ in 0..MOST_PLAYERS {
            assert_eq!(first.next(3), Some(room("queue-a-shard2")));
        }
        assert_eq!(first.next(3), Some(room("queue-a-shard3")));
        let report = ShardReport {
            shard: 2,
            players: 299,
        };
        let from = room("queue-a-shard2");
        assert_eq!(first.take_report(&from, report, 300, 0), Some(false));
        assert_eq!(first.next(3), Some(from));
        for _ in 1..MOST_PLAYERS {
            assert_eq!(first.next(3), Some(room("queue-a-shard3")));
        }
        assert_eq!(first.next(3), None);
        assert_eq!(
            Shards::new(&room("queue-a-shard2")).next(3),
            Some(room("queue-a-shard3"))
        );
        assert_eq!(Shards::new(&room("queue-a-shard3")).next(3), None);
    }

    #[test]
    fn the_players_of_the_last_shard_are_called_back_once_they_fit() {
        let mut first = Shards::new(&room("queue-a"));
        let mut report = |shard, players, own, now_ms| {
            let from = room(&format!("queue-a-shard{shard}"));
            first.take_report(&from, ShardReport { shard, players }, own, now_ms)
        };
        assert_eq!(report(3, 5, 300, 10_000), Some(false));
        assert_eq!(report(2, 5, 10, 10_000), Some(false));
        assert_eq!(report(3, 5, 10, 10_000), Some(true));
        assert_eq!(report(3, 5, 10, 11_000), Some(false));
        assert_eq!(report(3, 0, 10, 12_000), Some(false));
        assert_eq!(report(2, 5, 10, 16_000), Some(true));
        let other = ShardReport {
            shard: 2,
            players: 5,
        };
        assert_eq!(
            first.take_report(&room("queue-b-shard2"), other, 0, 0),
            None
        );
        let mut shard = Shards::new(&room("queue-a-shard2"));
        assert_eq!(
            shard.take_report(&room("queue-a-shard3"), other, 0, 0),
            None
        );
    }

    #[test]
    fn a_shard_reports_changes_and_now_and_then_the_same() {
        let mut shard = Shards::new(&room("queue-a-shard2"));
        let mut owes = |players, now_ms| shard.report(players, now_ms).map(|(_, r)| r.players);
        assert_eq!(owes(0, 0), None);
        assert_eq!(owes(3, 1), Some(3));
        assert_eq!(owes(3, 9_000), None);
        assert_eq!(owes(3, 10_001), Some(3));
        assert_eq!(owes(0, 10_002), Some(0));
        assert_eq!(owes(0, 99_999), None);
        assert_eq!(Shards::new(&room("queue-a")).report(3, 1), None);
    }
}

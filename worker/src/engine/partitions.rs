//! The partitions that an engine owns, and what they have together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use grandstand_common::by_name::ByName;
use grandstand_common::id::{Epoch, Partition, ProcessId, RoomId};

use super::schedule::Schedule;
use crate::command::{Command, KvSource, Now};
use crate::context::{Context, TenureState};
use crate::counts::{GameCounts, RoomCounts};
use crate::partition::{ListedRoom, LiveState, OwnedPartition, Page};

/// A place in the list of all rooms: a slot of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomPlace {
    pub(crate) partition: Partition,
    pub(crate) slot: usize,
}

/// The partitions that an engine owns, when each needs a look, and the sums over all of them.
#[derive(Debug, Default)]
pub struct Partitions {
    owned: BTreeMap<Partition, OwnedPartition>,
    schedule: Schedule,
    /// The sum over all partitions, which [`change`] corrects.
    room_counts: RoomCounts,
}

impl Partitions {
    /// Returns the partitions, with their epochs and whether they are ready.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, Epoch, bool)> + '_ {
        let all = self.owned.iter();
        all.map(|(id, owned)| (*id, owned.epoch(), owned.is_ready()))
    }

    /// Returns the epoch of a partition that is owned.
    pub fn epoch(&self, partition: Partition) -> Option<Epoch> {
        Some(self.owned.get(&partition)?.epoch())
    }

    /// Returns the numbers of rooms of all partitions.
    pub fn room_counts(&self) -> RoomCounts {
        self.room_counts
    }

    /// Adds what is in all partitions to numbers by game. Returns how many entries of their logs are not applied yet.
    pub(crate) fn measure(&self, games: &mut ByName<GameCounts>) -> u64 {
        self.owned.values().map(|owned| owned.measure(games)).sum()
    }

    /// Returns the processes of the edges that hold sessions of connected players. They are probed for liveness.
    pub fn session_processes(&self) -> BTreeSet<ProcessId> {
        let owned = self.owned.values();
        owned.flat_map(OwnedPartition::session_processes).collect()
    }

    /// Returns the processes of the edges that watch rooms. Without them, a dead process that had only spectators would
    /// watch forever.
    pub fn watching_processes(&self) -> BTreeSet<ProcessId> {
        let owned = self.owned.values();
        owned.flat_map(OwnedPartition::watching_processes).collect()
    }

    /// Adds the rooms from a place on to a page. Returns the place to continue from if the page is full.
    pub(crate) fn list_rooms(&self, from: RoomPlace, page: &mut Page) -> Option<RoomPlace> {
        for (&partition, owned) in self.owned.range(from.partition..) {
            let first = if partition == from.partition {
                from.slot
            } else {
                0
            };
            if let Some(slot) = owned.list_rooms(first, page) {
                return Some(RoomPlace { partition, slot });
            }
        }
        None
    }

    /// Returns a room, as operators see it.
    pub(crate) fn room(&self, id: &RoomId) -> Option<ListedRoom> {
        self.owned.values().find_map(|owned| owned.room(id))
    }

    /// The state of a room in memory.
    pub(crate) fn live_state(&self, id: &RoomId) -> Option<LiveState> {
        self.owned.values().find_map(|owned| owned.live_state(id))
    }

    pub(super) fn get(&self, partition: Partition) -> Option<&OwnedPartition> {
        self.owned.get(&partition)
    }

    /// Begins the takeover of a partition. Earlier state of the partition is dropped.
    pub(super) fn take(&mut self, cx: &mut Context, partition: Partition, epoch: Epoch) {
        self.drop_partition(cx, partition);
        let owned = OwnedPartition::take(cx, partition, epoch);
        self.room_counts += owned.room_counts();
        self.owned.insert(partition, owned);
        self.schedule.touch(partition);
        self.share_number(cx);
    }

    /// Drops a partition whose lease is lost or released. Nothing more of it is written.
    pub(super) fn drop_partition(&mut self, cx: &mut Context, partition: Partition) {
        let Some(owned) = self.owned.remove(&partition) else {
            return;
        };
        self.room_counts -= owned.room_counts();
        self.schedule.forget(partition);
        self.share_number(cx);
        for room in owned.hot_rooms() {
            cx.outbox.forget_hot(room);
        }
        cx.forget(partition);
        let close = |reader| Command::CloseRoom { partition, reader };
        cx.commands.extend(owned.room_readers().map(close));
        cx.commands.extend([
            Command::CloseLog { partition },
            Command::CloseKv {
                partition,
                source: KvSource::Rooms,
            },
            Command::CloseKv {
                partition,
                source: KvSource::Quarantine,
            },
        ]);
    }

    /// Drops all partitions.
    pub(super) fn drop_all(&mut self, cx: &mut Context) {
        while let Some((&partition, _)) = self.owned.first_key_value() {
            self.drop_partition(cx, partition);
        }
    }

    /// Calls `handle` on an owned partition that something happens to.
    pub(super) fn with(
        &mut self,
        cx: &mut Context,
        partition: Partition,
        handle: impl FnOnce(&mut OwnedPartition, &mut Context) -> TenureState,
    ) {
        if self.call(cx, partition, handle) {
            self.schedule.touch(partition);
        }
    }

    /// Calls `handle` on all partitions, because something happens to each.
    pub(super) fn with_all(
        &mut self,
        cx: &mut Context,
        handle: impl Fn(&mut OwnedPartition, &mut Context),
    ) {
        for (&partition, owned) in &mut self.owned {
            change(&mut self.room_counts, owned, |owned| handle(owned, cx));
            self.schedule.touch(partition);
        }
    }

    /// Does the work that is due.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context) {
        let now = cx.now;
        if self.schedule.take_clock_step(now) {
            for (&partition, owned) in &self.owned {
                self.schedule.set_due(partition, owned.poll_timeout(now));
            }
        }
        for partition in self.schedule.take(now.at) {
            self.call(cx, partition, |owned, cx| owned.handle_timeout(cx));
            let Some(owned) = self.owned.get(&partition) else {
                continue;
            };
            self.schedule.set_due(partition, owned.poll_timeout(now));
            if owned.is_waiting() {
                self.schedule.touch(partition);
            }
        }
    }

    /// Begins to read rooms that are needed in memory, as far as the engine allows, in partitions that something happened
    /// to.
    pub(super) fn begin_reads(&mut self, cx: &mut Context) {
        for partition in self.schedule.touched() {
            if let Some(owned) = self.owned.get_mut(&partition) {
                change(&mut self.room_counts, owned, |owned| owned.begin_reads(cx));
            }
        }
    }

    /// The time of the next call of [`handle_timeout`](Self::handle_timeout), unless something happens to a partition
    /// before.
    pub(super) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let touched = self.schedule.touched();
        let touched = touched.filter_map(|partition| self.owned.get(&partition));
        let touched = touched.filter_map(|owned| owned.poll_timeout(now));
        touched.chain(self.schedule.next_due()).min()
    }

    /// Calls `handle` on an owned partition, and drops the partition if it is lost or released by the call. Returns whether
    /// it is still owned.
    fn call(
        &mut self,
        cx: &mut Context,
        partition: Partition,
        handle: impl FnOnce(&mut OwnedPartition, &mut Context) -> TenureState,
    ) -> bool {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return false;
        };
        let epoch = owned.epoch();
        let tenure = change(&mut self.room_counts, owned, |owned| handle(owned, cx));
        let command = match tenure {
            TenureState::Held => return true,
            TenureState::Lost(later) => Command::Lost {
                partition,
                epoch,
                later,
            },
            TenureState::RolledBack => Command::RolledBack { partition, epoch },
            TenureState::Released => Command::Released { partition, epoch },
        };
        self.drop_partition(cx, partition);
        cx.commands.push_back(command);
        false
    }

    /// Tells all partitions how many there are.
    fn share_number(&self, cx: &mut Context) {
        cx.partitions = u32::try_from(self.owned.len()).unwrap_or(u32::MAX);
    }

    /// Gives a turn to the partitions that no turn would look at.
    #[cfg(test)]
    pub(super) fn handle_unscheduled(&mut self, cx: &mut Context) {
        let now = cx.now;
        let touched: BTreeSet<_> = self.schedule.touched().collect();
        let resting = self.owned.iter().filter(|(partition, owned)| {
            let due = owned.poll_timeout(now);
            !touched.contains(partition) && due.is_none_or(|at| at > now.at)
        });
        let resting: Vec<_> = resting.map(|(&partition, _)| partition).collect();
        for partition in resting {
            self.call(cx, partition, |owned, cx| owned.handle_timeout(cx));
        }
    }

    /// Counts the rooms of all partitions one by one.
    #[cfg(test)]
    pub(super) fn recount_rooms(&self) -> RoomCounts {
        self.owned.values().map(OwnedPartition::room_counts).sum()
    }
}

/// Calls `handle` on a partition, and corrects the sum over all of them.
fn change<T>(
    sum: &mut RoomCounts,
    owned: &mut OwnedPartition,
    handle: impl FnOnce(&mut OwnedPartition) -> T,
) -> T {
    let before = owned.room_counts();
    let handled = handle(owned);
    let after = owned.room_counts();
    if before != after {
        *sum += after;
        *sum -= before;
    }
    handled
}

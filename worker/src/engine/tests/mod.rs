mod echo;

mod entries;

mod rig;

use echo::*;
use entries::*;
use rig::*;

mod idle;

mod sequences;

mod sessions;

mod faults;

mod state;

mod losses;

mod operators;

mod outlets;

mod calls;
mod outside;

mod stored;

mod release;

mod quarantine;

mod bounds;

mod cadence;

mod takeover;

mod opening;

mod watching;

mod measured;

mod hot_rooms;

mod stuck;

mod tally;

mod versions;

mod worlds;

mod bots;

mod lobby;

use super::Engine;
use crate::command::Now;
use crate::context::Context;

impl Engine {
    /// Whether rooms that were read wait to be loaded.
    pub(super) fn has_loads(&self) -> bool {
        self.context.loads.has_next()
    }

    /// Whether the numbers of rooms are the sums over all partitions.
    pub(super) fn has_counted_rooms(&self) -> bool {
        self.partitions.room_counts() == self.partitions.recount_rooms()
    }

    /// Whether a partition has work although no turn would look at it.
    pub(super) fn has_forgotten_work(&mut self, now: Now) -> bool {
        let work = |context: &Context| format!("{:?} {:?}", context.commands, context.outbox);
        let before = work(&self.context);
        self.context.now = now;
        self.partitions.handle_unscheduled(&mut self.context);
        before != work(&self.context)
    }
}

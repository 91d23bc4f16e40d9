//! Entries of rooms in real time: the owner that moves the world, and the changes that the world makes to the state.

use grandstand_common::id::Epoch;
use grandstand_common::wire;
use grandstand_game::host::Panicked;

use super::emit::Emit;
use super::machine::Room;
use super::world_state::{RealtimeState, StampedWorld, WorldText};

impl Room {
    /// The durable state of a room in real time; `None` if no owner has moved its world.
    pub(crate) fn realtime(&self) -> Option<&RealtimeState> {
        self.state.realtime.as_ref()
    }

    /// Notes that an owner is about to move the world. The entry of an earlier owner comes too late.
    pub(super) fn on_began(&mut self, began: &wire::Began) {
        let epoch = Epoch(began.epoch);
        if self.game.realtime().is_none() {
            return;
        }
        match &mut self.state.realtime {
            Some(state) if epoch > state.epoch => (state.epoch, state.no) = (epoch, 0),
            Some(_) => {}
            none => {
                *none = Some(RealtimeState {
                    epoch,
                    no: 0,
                    world: None,
                });
            }
        }
    }

    /// Applies the changes of a world, if they are its owner's next.
    pub(super) fn on_commit(
        &mut self,
        time_ms: u64,
        commit: &wire::Commit,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let epoch = Epoch(commit.epoch);
        let state = self.state.realtime.as_mut();
        let Some(state) = state.filter(|s| s.epoch == epoch && s.no + 1 == commit.no) else {
            return Ok(());
        };
        state.no = commit.no;
        state.world = WorldText::from_entry(&commit.world).map(|text| StampedWorld {
            epoch,
            tick: commit.tick,
            version: commit.version,
            text,
        });
        for change in &commit.changes {
            let reject = match std::str::from_utf8(change) {
                Ok(text) => self.commit(time_ms, text, emits)?,
                Err(_) => None,
            };
            if let Some(reject) = reject {
                tracing::warn!(room = %self.id, no = commit.no, error = %reject.message, "a game cannot read its own commit");
                emits.push(Emit::Fault);
            }
        }
        Ok(())
    }
}

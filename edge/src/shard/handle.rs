//! The handle through which everything on a shard's thread reaches its core.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use grandstand_common::clock::{Now, now};
use tokio::sync::Notify;

use crate::core::Core;
use crate::server::connections::Connections;

/// The core of a shard with its connections, as its tasks share them.
#[derive(Debug)]
pub struct Shard {
    core: RefCell<Core>,
    conns: Connections,
    /// Notified when the core has commands for the bus.
    pub(super) commands: Notify,
    /// Notified when the core has frames to flush.
    pub(super) frames: Notify,
    /// Notified when a delayed lane is due before `release_at`.
    pub(super) releases: Notify,
    /// The time for which the release task has set its timer; `None` if no delayed lane waits.
    pub(super) release_at: Cell<Option<Instant>>,
}

impl Shard {
    /// A shard around a core, whose clients are among `conns`.
    pub fn new(core: Core, conns: Connections) -> Rc<Self> {
        Rc::new(Self {
            core: RefCell::new(core),
            conns,
            commands: Notify::new(),
            frames: Notify::new(),
            releases: Notify::new(),
            release_at: Cell::new(None),
        })
    }

    /// Runs `does` on the core, then wakes the tasks that have work.
    pub fn run<T>(&self, does: impl FnOnce(&mut Core, &mut Connections, Now) -> T) -> T {
        let mut core = self.core.borrow_mut();
        let result = does(&mut core, &mut self.conns.clone(), now());
        if core.has_commands() {
            self.commands.notify_one();
        }
        if core.needs_flush() {
            self.frames.notify_one();
        }
        let next = core.next_release();
        if next.is_some() && self.release_at.get().is_none_or(|at| next < Some(at)) {
            self.releases.notify_one();
        }
        result
    }

    /// Reads the core.
    pub fn read<T>(&self, at: impl FnOnce(&Core) -> T) -> T {
        at(&self.core.borrow())
    }
}

//! The handle through which the tasks of a shard's thread reach its core.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use grandstand_common::clock::{Now, unix_us};
use grandstand_common::log_clock::LogClock;
use grandstand_common::process::admin::Pulse;
use grandstand_common::supervisor::Supervisor;
use tokio::sync::Notify;

use crate::conn::key::ConnKey;
use crate::core::Core;
use crate::server::connections::{ConnFacts, Connections};
use crate::shard::flush_meter::Written;

/// A shard's core and connections, shared by its tasks.
#[derive(Debug)]
pub struct Shard {
    core: RefCell<Core>,
    connections: Connections,
    log_clock: LogClock,
    /// Starts the tasks of the shard.
    pub(super) supervisor: Supervisor,
    /// Whether the admin thread has asked if the shard's loop turns.
    pulse: Rc<Pulse>,
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
    /// Creates a shard around a core whose clients are among `connections`. `supervisor` starts its tasks, and `pulse` is
    /// answered by the loop that drives the connections.
    pub fn new(
        core: Core,
        log_clock: LogClock,
        connections: Connections,
        supervisor: Supervisor,
        pulse: Rc<Pulse>,
    ) -> Rc<Self> {
        Rc::new(Self {
            core: RefCell::new(core),
            connections,
            log_clock,
            supervisor,
            pulse,
            commands: Notify::new(),
            frames: Notify::new(),
            releases: Notify::new(),
            release_at: Cell::new(None),
        })
    }

    /// Runs `f` on the core, then wakes the tasks that have work.
    pub fn run<T>(&self, f: impl FnOnce(&mut Core, &mut Connections, Now) -> T) -> T {
        let mut core = self.core.borrow_mut();
        let result = f(
            &mut core,
            &mut self.connections.clone(),
            now(&self.log_clock),
        );
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

    /// Makes the driver of the connections answer the liveness question, if there is one.
    pub(super) fn pass_question_on(&self) {
        if self.pulse.is_asked() {
            self.connections.ring();
        }
    }

    /// The facts about a connection that operators see.
    pub(super) fn facts(&self, conn: ConnKey) -> Option<ConnFacts> {
        self.connections.facts(conn)
    }

    /// The output to clients so far.
    pub(super) fn written(&self) -> Written {
        Written {
            writes: self.read(|core| core.counts().writes),
            bytes: self.connections.traffic().sent,
        }
    }

    /// Runs `f` on the core without changing it; wakes no task.
    pub fn read<T>(&self, f: impl FnOnce(&Core) -> T) -> T {
        f(&self.core.borrow())
    }
}

/// Reads all clocks.
pub(crate) fn now(log_clock: &LogClock) -> Now {
    let log = log_clock.now();
    let unix_us = unix_us();
    Now {
        at: log.at,
        unix_ms: unix_us / 1_000,
        unix_us,
        log_ms: log.log_ms,
    }
}

//! The parts from which the lease loop starts a room loop, and the numbers that both share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grandstand_common::bus::Bus;
use grandstand_common::id::WorkerId;
use grandstand_common::process::admin::Pulse;
use grandstand_game::Games;
use tokio::sync::mpsc;

use super::fence::Fence;
use super::orders::{LoopReport, Orders};
use super::questions::Question;
use super::settings::WorkerSettings;
use crate::current_call::CurrentCall;
use crate::engine::Engine;

/// The threads that room loops run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// A thread for each loop.
    Threads,
    /// Tasks of the lease loop's thread, so that tests can pause the time.
    #[cfg(test)]
    Tasks,
}

/// Everything that a room loop needs to start.
pub(super) struct RoomStart {
    pub(super) number: u64,
    pub(super) name: String,
    /// The sender of the loop's batches.
    pub(super) sender: WorkerId,
    pub(super) bus: Bus,
    pub(super) games: Games,
    pub(super) settings: WorkerSettings,
    pub(super) orders: Arc<Orders>,
    pub(super) fence: Arc<Fence>,
    pub(super) current_call: CurrentCall,
    pub(super) counts: Arc<RoomCounts>,
    pub(super) reports: mpsc::Sender<(u64, LoopReport)>,
    /// The questions of operators.
    pub(super) questions: mpsc::Receiver<Question>,
    /// The questions of `/health`, which the loop answers in its turns.
    pub(super) pulse: Pulse,
    /// The questions of the lease loop, which a task beside the loop answers: a loop that waits for the bus is not stuck.
    pub(super) asked: Pulse,
    /// Closed when the loop has ended.
    pub(super) until_ended: Option<mpsc::Receiver<()>>,
}

/// The numbers of a loop's rooms.
#[derive(Debug, Default)]
pub(super) struct RoomCounts {
    loaded: AtomicUsize,
    stored: AtomicUsize,
    held: AtomicUsize,
}

impl RoomCounts {
    /// Sets the numbers of the loop's engine.
    pub(super) fn set(&self, engine: &Engine) {
        self.loaded
            .store(engine.partitions().loaded_rooms(), Ordering::Relaxed);
        self.stored
            .store(engine.partitions().stored_rooms(), Ordering::Relaxed);
        self.held
            .store(engine.partitions().held_rooms(), Ordering::Relaxed);
    }

    /// The rooms that NATS does not take at the moment.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The rooms in memory.
    pub(super) fn loaded(&self) -> usize {
        self.loaded.load(Ordering::Relaxed)
    }

    /// The rooms that are stored and not in memory.
    pub(super) fn stored(&self) -> usize {
        self.stored.load(Ordering::Relaxed)
    }
}

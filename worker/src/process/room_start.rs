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
use crate::counts::RoomCounts;
use crate::current_call::CurrentCall;

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
    pub(super) counts: Arc<SharedRoomCounts>,
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

/// The numbers of a loop's rooms, as the lease loop reads them.
#[derive(Debug, Default)]
pub(super) struct SharedRoomCounts {
    loaded: AtomicUsize,
    stored: AtomicUsize,
    held: AtomicUsize,
    too_new: AtomicUsize,
    waiting: AtomicUsize,
    quarantined: AtomicUsize,
}

impl SharedRoomCounts {
    pub(super) fn set(&self, counts: RoomCounts) {
        self.loaded.store(counts.loaded, Ordering::Relaxed);
        self.stored.store(counts.stored, Ordering::Relaxed);
        self.too_new.store(counts.too_new, Ordering::Relaxed);
        self.held.store(counts.held, Ordering::Relaxed);
        self.waiting.store(counts.waiting, Ordering::Relaxed);
        self.quarantined
            .store(counts.quarantined, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> RoomCounts {
        RoomCounts {
            loaded: self.loaded.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
            too_new: self.too_new.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            quarantined: self.quarantined.load(Ordering::Relaxed),
        }
    }
}

//! The room loops of a worker, as the lease loop sees them: their threads, fences and orders, and whether they answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use grandstand_common::bus::Bus;
use grandstand_common::id::{Epoch, Partition, WorkerId};
use grandstand_common::process::admin::{ASK_EVERY, Component, Question};
use grandstand_common::record::{GameVersions, StuckEntry};
use grandstand_game::Games;
use tokio::sync::mpsc;

use super::fence::Fence;
use super::metrics::WorkerMetrics;
use super::orders::{LoopReport, Order, Orders};
use super::questions::Questions;
use super::room_start::{Host, RoomStart, SharedRoomCounts};
use super::room_thread;
use super::settings::{WorkerError, WorkerSettings};
use super::time::now;
use super::work_queue::QUEUE;
use crate::counts::RoomCounts;
use crate::current_call::CurrentCall;

/// The time without an answer after which a room loop counts as stuck. It is counted in questions that the lease loop
/// asks, so that a machine that stalled has missed none.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(2);

/// The most threads that are left to calls of games that do not return. With more, the worker ends.
const MAX_ABANDONED: usize = 8;

/// The time that the threads have to end.
const END_WITHIN: Duration = Duration::from_millis(500);

/// The state that the room loops share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) bus: &'a Bus,
    pub(super) games: &'a Games,
    pub(super) settings: &'a WorkerSettings,
    pub(super) status: &'a Component,
    pub(super) host: Host,
}

/// The room loops of a worker under one id.
pub(super) struct RoomLoops<'a> {
    shared: Shared<'a>,
    id: WorkerId,
    loops: Vec<RoomLoopHandle>,
    /// The loops that do not answer. Their threads end when their games return.
    abandoned: Vec<mpsc::Sender<()>>,
    reports: mpsc::Receiver<(u64, LoopReport)>,
    report_to: mpsc::Sender<(u64, LoopReport)>,
    until: Option<Instant>,
    next_number: u64,
    next_question: Instant,
}

/// The lease loop's handle to a room loop. The loop ends when it is dropped.
struct RoomLoopHandle {
    /// Tells this loop from earlier and later ones.
    number: u64,
    sender: WorkerId,
    orders: Arc<Orders>,
    fence: Arc<Fence>,
    current_call: CurrentCall,
    counts: Arc<SharedRoomCounts>,
    /// The loop's entry among those that operators ask. It is removed when this is dropped.
    questions: Questions,
    question: Question,
    /// Closed when the loop's thread has ended.
    alive: mpsc::Sender<()>,
    /// Whether the loop has failed: it gets no partitions any more.
    failed: bool,
}

impl Drop for RoomLoopHandle {
    fn drop(&mut self) {
        self.fence.set(None);
        self.orders.close();
        self.questions.remove(self.number);
    }
}

/// A loop that got stuck.
pub(super) struct StuckLoop {
    pub(super) index: usize,
    /// The entry at which it got stuck, and its partition; `None` if it is not in a call of a game.
    pub(super) at: Option<(Partition, StuckEntry)>,
}

impl<'a> RoomLoops<'a> {
    /// Starts the loops.
    pub(super) fn start(shared: Shared<'a>, id: &WorkerId) -> Result<Self, WorkerError> {
        let (report_to, reports) = mpsc::channel(QUEUE);
        let mut rooms = Self {
            shared,
            id: id.clone(),
            loops: Vec::new(),
            abandoned: Vec::new(),
            reports,
            report_to,
            until: None,
            next_number: 0,
            next_question: now() + ASK_EVERY,
        };
        for _ in 0..shared.settings.loops.max(1) {
            let started = rooms.start_loop()?;
            rooms.loops.push(started);
        }
        Ok(rooms)
    }

    fn start_loop(&mut self) -> Result<RoomLoopHandle, WorkerError> {
        let number = self.next_number;
        let shared = self.shared;
        self.next_number += 1;
        let sender = sender(&self.id, number);
        let name = format!("rooms-{number}");
        let (question, asked) = Question::new(&name);
        let (alive, until_ended) = mpsc::channel(1);
        let fence = Arc::new(Fence::new(now()));
        fence.set(self.until);
        let handle = RoomLoopHandle {
            number,
            sender: sender.clone(),
            orders: Arc::default(),
            fence: Arc::clone(&fence),
            current_call: CurrentCall::default(),
            counts: Arc::default(),
            questions: shared.settings.questions.clone(),
            question,
            alive,
            failed: false,
        };
        let start = RoomStart {
            number,
            sender,
            bus: shared.bus.clone(),
            games: shared.games.clone(),
            settings: shared.settings.clone(),
            orders: Arc::clone(&handle.orders),
            fence,
            current_call: handle.current_call.clone(),
            counts: Arc::clone(&handle.counts),
            reports: self.report_to.clone(),
            questions: shared.settings.questions.add(number),
            pulse: shared.status.pulse(&name),
            asked,
            name,
            until_ended: Some(until_ended),
        };
        room_thread::start(start, shared.host).map_err(WorkerError::Thread)?;
        Ok(handle)
    }

    /// The component of the worker.
    pub(super) fn status(&self) -> &'a Component {
        self.shared.status
    }

    /// The senders of the loops, in the order of the loops.
    pub(super) fn senders(&self) -> Vec<WorkerId> {
        self.loops.iter().map(|l| l.sender.clone()).collect()
    }

    /// The index of a partition's loop.
    pub(super) fn index(&self, partition: Partition) -> usize {
        usize::from(partition.0) % self.loops.len()
    }

    /// Gives an order to the loop of a partition.
    pub(super) fn order(&self, partition: Partition, order: Order) {
        self.loops[self.index(partition)]
            .orders
            .give(partition, order);
    }

    /// Passes on what the lease of a partition says about the games of its rooms.
    pub(super) fn tell_needs(&self, partition: Partition, epoch: Epoch, needs: GameVersions) {
        self.loops[self.index(partition)]
            .orders
            .give_needs(partition, epoch, needs);
    }

    /// The versions of the games that the loops run.
    pub(super) fn games(&self) -> GameVersions {
        let games = self.shared.games.versions();
        games
            .map(|(name, version)| (name.to_owned(), version))
            .collect()
    }

    /// Sets the time until which all loops may act.
    pub(super) fn set_fences(&mut self, until: Option<Instant>) {
        if self.until == until {
            return;
        }
        self.until = until;
        for room_loop in self.loops.iter().filter(|l| !l.failed) {
            room_loop.fence.set(until);
        }
    }

    /// The next report of a loop, with the loop's number. Dropping the future loses none.
    pub(super) async fn report(&mut self) -> (u64, LoopReport) {
        match self.reports.recv().await {
            Some(report) => report,
            // This struct has a sender.
            None => std::future::pending().await,
        }
    }

    /// A report that has arrived.
    pub(super) fn try_report(&mut self) -> Option<(u64, LoopReport)> {
        self.reports.try_recv().ok()
    }

    /// The index of the loop with this number; `None` if another loop has taken its place.
    pub(super) fn find(&self, number: u64) -> Option<usize> {
        self.loops.iter().position(|l| l.number == number)
    }

    /// Closes the fence of a loop that has failed, for good.
    pub(super) fn close(&mut self, index: usize) {
        let room_loop = &mut self.loops[index];
        room_loop.failed = true;
        room_loop.fence.set(None);
    }

    /// The time of the next call of [`poll_stuck`](Self::poll_stuck).
    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_question
    }

    /// Asks all loops, if that is due, and closes the fences of those that are stuck.
    pub(super) fn poll_stuck(&mut self) -> Vec<StuckLoop> {
        let at = now();
        if at < self.next_question {
            return Vec::new();
        }
        self.next_question = at + ASK_EVERY;
        self.abandoned.retain(|alive| !alive.is_closed());
        let metrics = &self.shared.settings.metrics;
        metrics.stuck_loops.set(self.abandoned.len() as i64);
        let mut stuck = Vec::new();
        for (index, room_loop) in self.loops.iter_mut().enumerate() {
            room_loop.question.ask();
            if room_loop.question.silence() >= STUCK_AFTER && !room_loop.failed {
                room_loop.failed = true;
                room_loop.fence.set(None);
                let at = room_loop.current_call.current(&self.shared.bus.layout());
                stuck.push(StuckLoop { index, at });
            }
        }
        stuck
    }

    /// Starts another loop in the place of one that is stuck. Returns its sender.
    ///
    /// # Errors
    /// If too many threads are stuck, or the system has none left.
    pub(super) fn replace(&mut self, index: usize) -> Result<WorkerId, WorkerError> {
        self.abandoned.retain(|alive| !alive.is_closed());
        if self.abandoned.len() >= MAX_ABANDONED {
            return Err(WorkerError::Stuck);
        }
        let started = self.start_loop()?;
        let sender = started.sender.clone();
        let stuck = std::mem::replace(&mut self.loops[index], started);
        self.abandoned.push(stuck.alive.clone());
        Ok(sender)
    }

    /// Sets the metrics that are sums over the loops.
    pub(super) fn count(&self, metrics: &WorkerMetrics) {
        let counts = self.loops.iter().map(|l| l.counts.get());
        let RoomCounts {
            loaded,
            stored,
            too_new,
            held,
            waiting,
            quarantined,
        } = counts.sum();
        metrics.rooms.set(loaded as i64);
        metrics.idle_rooms.set(stored as i64);
        metrics.too_new_rooms.set(too_new as i64);
        metrics.held_rooms.set(held as i64);
        metrics.waiting_rooms.set(waiting as i64);
        metrics.quarantined_rooms.set(quarantined as i64);
    }

    /// Ends the loops, and waits a little until they have ended.
    pub(super) async fn end(&mut self) {
        let threads: Vec<_> = self.loops.drain(..).map(|l| l.alive.clone()).collect();
        let ended = async {
            for thread in threads {
                thread.closed().await;
            }
        };
        if tokio::time::timeout(END_WITHIN, ended).await.is_err() {
            tracing::warn!("a room loop did not end in time");
        }
    }
}

/// The sender of the batches of a worker's loop. That of the first one is the worker's id, so that a worker with one loop
/// sends as workers did before there were several.
fn sender(id: &WorkerId, number: u64) -> WorkerId {
    let named = match number {
        0 => return id.clone(),
        number => format!("{id}-{number}"),
    };
    named.parse().unwrap_or_else(|_| id.clone())
}

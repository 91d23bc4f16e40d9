//! A room loop: waits for an event, takes all that are ready, and executes the commands that follow.
//!
//! It has an engine of its own for the partitions `p` with `p % loops` equal to its index.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use grandstand_common::bus::{Bus, ConnectionState};
use grandstand_common::id::Partition;
use grandstand_common::log_clock::LogClock;
use grandstand_common::process::admin::Pulse;
use tokio::sync::watch;

use super::answers::{Answers, EdgeAnswer, EngineAnswer};
use super::edge_probes::{EdgeProbes, Liveness};
use super::loop_metrics::LoopMetrics;
use super::orders::{LoopReport, Order};
use super::questions::{self, Question};
use super::readers::Readers;
use super::room_start::RoomStart;
use super::settings::{WorkerError, WorkerSettings};
use super::time::{now, sleep_or_never};
use super::work_queue::{Work, WorkReceiver, work_queue};
use crate::counts::Counts;
use crate::engine::Engine;

/// The most events of a turn, so that the output of its first ones does not wait long.
const MAX_TURN_EVENTS: usize = 1024;

/// The least time that the loop sleeps until a timeout, so that a timeout without an effect does not spin it.
const LEAST_SLEEP: Duration = Duration::from_micros(200);

/// A room loop.
pub(super) struct RoomLoop {
    pub(super) bus: Bus,
    start: RoomStart,
    pub(super) clock: LogClock,
    pub(super) engine: Engine,
    pub(super) readers: Readers,
    edge_probes: EdgeProbes,
    /// The partitions whose `ctl` and `live` are subscribed to.
    pub(super) listening: BTreeSet<Partition>,
    pub(super) answers: Answers<EngineAnswer>,
    pub(super) edge_answers: Answers<EdgeAnswer>,
    /// The reports of this turn.
    pub(super) reports: Vec<LoopReport>,
    work: WorkReceiver,
    connection: watch::Receiver<ConnectionState>,
    is_up: bool,
    /// The time of the last loss of the connection. Renewals that were sent earlier do not count.
    not_before: Option<Instant>,
    counted: Counts,
    published: LoopMetrics,
}

/// An event that the loop waits for.
enum LoopEvent {
    Orders,
    Fence,
    Connection,
    BusGone,
    Engine(EngineAnswer),
    Edge(EdgeAnswer),
    Work(u64, Work),
    Question(Question),
    Timeout,
}

impl RoomLoop {
    pub(super) fn new(bus: Bus, start: RoomStart) -> Self {
        let (work_sender, work) = work_queue();
        let settings = &start.settings;
        let supervisor = settings.supervisor.scope(&start.name);
        let mut readers = Readers::new(bus.clone(), work_sender, supervisor);
        readers.serve_link(&start.sender);
        // That of the lease loop, whose renewals tell the time of the log twice a second.
        let clock = start.bus.log_clock().clone();
        let config = settings.engine(start.sender.clone(), &bus);
        let mut engine = Engine::new(clock.now(), config, start.games.clone());
        engine.set_current_call(start.current_call.clone());
        let mut room_loop = Self {
            engine,
            clock,
            readers,
            edge_probes: EdgeProbes::new(settings.alone),
            listening: BTreeSet::new(),
            answers: Answers::new(),
            edge_answers: Answers::new(),
            reports: Vec::new(),
            work,
            connection: bus.connection_state(),
            is_up: false,
            not_before: None,
            counted: Counts::default(),
            published: LoopMetrics::new(settings.metrics.clone(), now()),
            bus,
            start,
        };
        room_loop.on_connection();
        room_loop.not_before = None;
        room_loop
    }

    pub(super) fn settings(&self) -> &WorkerSettings {
        &self.start.settings
    }

    /// Whether the loop may publish, append and put now. Call it directly before each of these.
    pub(super) fn may_act(&self) -> bool {
        self.start.fence.may_act(now(), self.not_before)
    }

    /// Runs until the loop fails, and returns the error. Each turn answers `pulse`.
    pub(super) async fn drive(mut self, pulse: &Pulse) -> WorkerError {
        loop {
            if let Err(error) = self.turn(pulse).await {
                return error;
            }
        }
    }

    async fn turn(&mut self, pulse: &Pulse) -> Result<(), WorkerError> {
        let event = self.next(pulse).await;
        let begun = now();
        match event {
            LoopEvent::Orders => self.on_orders(),
            LoopEvent::BusGone => return Err(WorkerError::BusGone),
            LoopEvent::Connection => self.on_connection(),
            LoopEvent::Engine(answer) => self.on_engine_answer(answer),
            LoopEvent::Edge(answer) => self.on_edge_answer(answer),
            LoopEvent::Work(task, work) => self.on_work(self.clock.now(), task, work),
            LoopEvent::Question(question) => questions::answer(&self.engine, question),
            LoopEvent::Fence | LoopEvent::Timeout => {}
        }
        self.take_ready();
        self.engine.note_busy(now() - begun);
        self.drive_edges();
        self.drive_rooms().await?;
        self.count();
        let number = self.start.number;
        for report in std::mem::take(&mut self.reports) {
            // If the lease loop is gone, this loop is about to end.
            self.start.reports.send((number, report)).await.ok();
        }
        pulse.answer();
        Ok(())
    }

    /// Waits for the first event. Dropping the future loses no event.
    async fn next(&mut self, pulse: &Pulse) -> LoopEvent {
        let acting = self.may_act();
        let timeout = self.next_timeout().filter(|_| acting);
        tokio::select! {
            biased;
            () = self.start.orders.given() => LoopEvent::Orders,
            changed = self.connection.changed() => match changed {
                Ok(()) => LoopEvent::Connection,
                Err(_) => LoopEvent::BusGone,
            },
            () = self.start.fence.moved() => LoopEvent::Fence,
            Some(answer) = self.answers.next() => LoopEvent::Engine(answer),
            Some(answer) = self.edge_answers.next() => LoopEvent::Edge(answer),
            Some((task, work)) = self.work.recv(), if acting => LoopEvent::Work(task, work),
            Some(question) = self.start.questions.recv() => LoopEvent::Question(question),
            () = sleep_or_never(timeout) => LoopEvent::Timeout,
            () = pulse.asked() => LoopEvent::Timeout,
        }
    }

    /// Handles events that are ready, up to [`MAX_TURN_EVENTS`].
    fn take_ready(&mut self) {
        let now = self.clock.now();
        let acting = self.may_act();
        for _ in 0..MAX_TURN_EVENTS {
            if let Some(Some(answer)) = self.answers.next().now_or_never() {
                self.on_engine_answer(answer);
            } else if let Some(Some(answer)) = self.edge_answers.next().now_or_never() {
                self.on_edge_answer(answer);
            } else if self.engine.is_turn_full() {
                return;
            } else if let Some((task, work)) = acting.then(|| self.work.try_recv()).flatten() {
                self.on_work(now, task, work);
            } else {
                return;
            }
        }
    }

    fn next_timeout(&self) -> Option<tokio::time::Instant> {
        let timeouts = [self.engine.poll_timeout(), self.edge_probes.poll_timeout()];
        let timeout = timeouts.into_iter().flatten().min()?;
        Some(timeout.max(now() + LEAST_SLEEP).into())
    }

    fn on_orders(&mut self) {
        for (partition, order) in self.start.orders.take() {
            match order {
                Order::Take(epoch, stuck) => {
                    self.engine.take(self.clock.now(), partition, epoch);
                    self.engine.note_stuck(partition, stuck);
                    // Requests of edges before the takeover is done get no answer. Edges ask again when the lease is
                    // ready.
                    self.listening.remove(&partition);
                    self.readers.listen(partition);
                }
                Order::Release(epoch)
                    if self.engine.partitions().epoch(partition) == Some(epoch) =>
                {
                    self.engine.release(self.clock.now(), partition);
                }
                Order::Release(epoch) => self.reports.push(LoopReport::Stopped(partition, epoch)),
                Order::Drop => {
                    self.engine.drop_partition(partition);
                    self.readers.close_partition(partition);
                }
            }
        }
        for (partition, (epoch, needs)) in self.start.orders.take_needs() {
            self.engine
                .handle_needs(self.clock.now(), partition, epoch, &needs);
        }
    }

    fn on_connection(&mut self) {
        let now = self.clock.now();
        let up = matches!(*self.connection.borrow_and_update(), ConnectionState::Up(_));
        self.edge_probes.handle_connection(now.at, up);
        // A reconnect too fast to be seen as a loss is a loss as well.
        if self.is_up || !up {
            self.not_before = Some(now.at);
        }
        self.is_up = up;
        if up {
            let bus = &self.bus;
            self.engine
                .handle_limits(bus.max_payload(), bus.max_value());
            self.engine.handle_reconnected(now);
        }
    }

    fn count(&mut self) {
        let counts = self.engine.counts();
        let before = std::mem::replace(&mut self.counted, counts);
        self.settings().metrics.add(before, counts);
        self.published.publish(&mut self.engine, now());
        self.start
            .counts
            .set(self.engine.partitions().room_counts());
    }

    /// Probes the edge processes that hold sessions of this loop's rooms or watch them, if that is due.
    fn drive_edges(&mut self) {
        let at = now();
        if !self.may_act() || !self.edge_probes.is_due(at) {
            return;
        }
        let sessions = self.engine.partitions().session_processes();
        let watching = self.engine.partitions().watching_processes();
        for process in self.edge_probes.poll(at, sessions, watching) {
            self.probe_edge(process);
        }
    }

    fn on_edge_answer(&mut self, answer: EdgeAnswer) {
        let now = self.clock.now();
        let EdgeAnswer::Alive(process, alive) = answer else {
            return;
        };
        let liveness = self.edge_probes.handle_answer(now.at, &process, alive);
        if liveness == Liveness::Gone {
            tracing::info!(edge = %process, "an edge is gone");
        }
        if liveness != Liveness::Alive {
            self.engine.handle_process_gone(now, &process);
        }
    }
}

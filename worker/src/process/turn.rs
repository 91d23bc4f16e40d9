//! The loop of a worker: waits for an event, takes all that are ready, and executes the commands that follow.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use grandstand_common::bus::{Bus, ConnectionState, Read, SecondConnection, Witness};
use grandstand_common::id::{Partition, WorkerId};
use grandstand_common::log_clock::LogClock;
use grandstand_common::process::admin::{Component, Phase, Pulse};
use grandstand_common::process::drain;
use tokio::sync::{mpsc, watch};

use super::answers::{Answers, EngineAnswer, LeaseAnswer};
use super::clock_skew::{ClockSkew, SkewChange};
use super::edge_probes::EdgeProbes;
use super::end::End;
use super::readers::{QUEUE, Readers, Work};
use super::settings::{WorkerError, WorkerSettings};
use super::time::{now, sleep_or_never};
use super::watches::Watched;
use crate::counts::Counts;
use crate::engine::Engine;
use crate::lease::{Earlier, LeaseMachine, LeaseSettings};
use grandstand_game::Games;

/// The most events of a turn, so that the output of its first ones does not wait long.
const MAX_TURN_EVENTS: usize = 1024;

/// The least time that the loop sleeps until a timeout, so that a timeout without an effect does not spin it.
const LEAST_SLEEP: Duration = Duration::from_micros(200);

/// A worker under one id.
pub(super) struct Worker<'a> {
    pub(super) bus: &'a Bus,
    pub(super) witness: &'a Witness,
    second_connection: watch::Receiver<SecondConnection>,
    pub(super) settings: &'a WorkerSettings,
    pub(super) clock: LogClock,
    pub(super) machine: LeaseMachine,
    pub(super) engine: Engine,
    pub(super) readers: Readers,
    pub(super) edge_probes: EdgeProbes,
    /// The partitions whose `ctl` and `live` are subscribed to.
    pub(super) listening: BTreeSet<Partition>,
    pub(super) engine_answers: Answers<EngineAnswer>,
    pub(super) lease_answers: Answers<LeaseAnswer>,
    work: mpsc::Receiver<(u64, Work)>,
    watched: mpsc::Receiver<Watched>,
    /// Whether the watches of `workers` and of `leases` have delivered all entries that existed when they started.
    loaded: [bool; 2],
    connection: watch::Receiver<ConnectionState>,
    shutdown: &'a drain::Watch,
    leave_until: Option<tokio::time::Instant>,
    was_ready: bool,
    counted: Counts,
    clock_skew: ClockSkew,
}

/// An event that the loop waits for.
enum LoopEvent {
    Leave(tokio::time::Instant),
    LeaveDeadline,
    Connection,
    BusGone,
    SecondConnection,
    LeaseAnswer(LeaseAnswer),
    Watched(Watched),
    EngineAnswer(EngineAnswer),
    Work(u64, Work),
    Timeout,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        (id, earlier): (WorkerId, Earlier),
        (bus, witness): (&'a Bus, &'a Witness),
        games: &Games,
        settings: &'a WorkerSettings,
        shutdown: &'a drain::Watch,
    ) -> Self {
        let (work_sender, work) = mpsc::channel(QUEUE);
        let (watched_sender, watched) = mpsc::channel(QUEUE);
        let supervisor = settings.supervisor.scope("worker");
        let mut readers = Readers::new(bus.clone(), work_sender, supervisor);
        readers.serve(&id);
        readers.watch(&watched_sender);
        let config = settings.engine(id.clone(), bus);
        let clock = bus.log_clock().clone();
        let build = config.build.clone();
        let mut worker = Self {
            machine: LeaseMachine::new(LeaseSettings {
                id,
                build,
                partitions: settings.partitions,
                alone: settings.alone,
                earlier,
            }),
            engine: Engine::new(clock.now(), config, games.clone()),
            clock,
            readers,
            edge_probes: EdgeProbes::new(settings.alone),
            listening: BTreeSet::new(),
            engine_answers: Answers::new(),
            lease_answers: Answers::new(),
            work,
            watched,
            loaded: [false; 2],
            connection: bus.connection_state(),
            shutdown,
            leave_until: None,
            was_ready: false,
            counted: Counts::default(),
            clock_skew: ClockSkew::default(),
            bus,
            witness,
            second_connection: witness.connection(),
            settings,
        };
        worker.on_connection();
        worker.on_second_connection();
        worker
    }

    /// Runs until the worker ends under this id. Each turn answers `pulse`.
    pub(super) async fn drive(
        mut self,
        status: &Component,
        pulse: &Pulse,
    ) -> Result<(End, Earlier), WorkerError> {
        let end = self.drive_to_end(status, pulse).await?;
        Ok((end, self.machine.earlier()))
    }

    async fn drive_to_end(
        &mut self,
        status: &Component,
        pulse: &Pulse,
    ) -> Result<End, WorkerError> {
        loop {
            let event = self.next(pulse).await;
            let begun = now();
            match event {
                LoopEvent::Leave(deadline) => {
                    tracing::info!("leaving");
                    status.set(Phase::Draining);
                    self.leave_until = Some(deadline);
                    self.machine.handle_leave();
                }
                LoopEvent::LeaveDeadline => {
                    tracing::warn!("the deadline passed before all partitions were given away");
                    return Ok(End::Left);
                }
                LoopEvent::BusGone => return Err(WorkerError::BusGone),
                LoopEvent::Connection => self.on_connection(),
                LoopEvent::SecondConnection => self.on_second_connection(),
                LoopEvent::LeaseAnswer(answer) => self.on_lease_answer(answer),
                LoopEvent::Watched(watched) => self.on_watched(watched),
                LoopEvent::EngineAnswer(answer) => self.on_engine_answer(answer),
                LoopEvent::Work(task, work) => self.on_work(self.clock.now(), task, work),
                LoopEvent::Timeout => {}
            }
            self.take_ready();
            self.engine.note_busy(now() - begun);
            if let Some(end) = self.drive_leases().await? {
                return Ok(end);
            }
            self.drive_edges();
            self.drive_rooms().await?;
            self.count();
            self.report_skew();
            self.report(status);
            pulse.answer();
        }
    }

    /// Waits for the first event. Dropping the future loses no event.
    async fn next(&mut self, pulse: &Pulse) -> LoopEvent {
        let acting = self.machine.may_act(now());
        let timeout = self.next_timeout(acting);
        tokio::select! {
            biased;
            deadline = self.shutdown.signaled(), if self.leave_until.is_none() => LoopEvent::Leave(deadline),
            () = sleep_or_never(self.leave_until) => LoopEvent::LeaveDeadline,
            changed = self.connection.changed() => match changed {
                Ok(()) => LoopEvent::Connection,
                Err(_) => LoopEvent::BusGone,
            },
            Ok(()) = self.second_connection.changed() => LoopEvent::SecondConnection,
            Some(answer) = self.lease_answers.next() => LoopEvent::LeaseAnswer(answer),
            Some(watched) = self.watched.recv() => LoopEvent::Watched(watched),
            Some(answer) = self.engine_answers.next() => LoopEvent::EngineAnswer(answer),
            Some((task, work)) = self.work.recv(), if acting => LoopEvent::Work(task, work),
            () = sleep_or_never(timeout) => LoopEvent::Timeout,
            () = pulse.asked() => LoopEvent::Timeout,
        }
    }

    /// Handles events that are ready, up to [`MAX_TURN_EVENTS`].
    fn take_ready(&mut self) {
        let now = self.clock.now();
        let acting = self.machine.may_act(now.at);
        for _ in 0..MAX_TURN_EVENTS {
            if let Ok(watched) = self.watched.try_recv() {
                self.on_watched(watched);
            } else if let Some(Some(answer)) = self.lease_answers.next().now_or_never() {
                self.on_lease_answer(answer);
            } else if let Some(Some(answer)) = self.engine_answers.next().now_or_never() {
                self.on_engine_answer(answer);
            } else if let Some((task, work)) = acting.then(|| self.work.try_recv().ok()).flatten() {
                self.on_work(now, task, work);
            } else {
                return;
            }
        }
    }

    fn next_timeout(&self, acting: bool) -> Option<tokio::time::Instant> {
        let at = now();
        let rooms = [self.engine.poll_timeout(), self.edge_probes.poll_timeout()];
        let rooms = rooms.into_iter().flatten().filter(|_| acting).min();
        let timeout = rooms.into_iter().chain(self.machine.poll_timeout()).min()?;
        Some(timeout.max(at + LEAST_SLEEP).into())
    }

    fn on_watched(&mut self, watched: Watched) {
        let at = now();
        let (bucket, read) = match watched {
            Watched::Worker(read) => (0, read),
            Watched::Lease(read) => (1, read),
        };
        let behind = match &read {
            Read::Item(entry, behind) => {
                match bucket {
                    0 => self.machine.handle_worker(at, entry),
                    _ => self.machine.handle_lease(at, entry),
                }
                *behind
            }
            Read::Idle => 0,
            Read::Lost => return,
        };
        if behind == 0 && !self.loaded[bucket] {
            self.loaded[bucket] = true;
            if self.loaded == [true; 2] {
                self.machine.handle_loaded();
            }
        }
    }

    fn on_connection(&mut self) {
        let now = self.clock.now();
        let up = matches!(*self.connection.borrow_and_update(), ConnectionState::Up(_));
        // A reconnect too fast to be seen as a loss is a loss as well.
        self.machine.handle_connection(now.at, false);
        self.edge_probes.handle_connection(now.at, up);
        if up {
            self.machine.handle_connection(now.at, true);
            let bus = self.bus;
            self.engine
                .handle_limits(bus.max_payload(), bus.max_value());
            self.engine.handle_reconnected(now);
        } else {
            tracing::warn!("the connection to the bus is lost");
        }
    }

    fn on_second_connection(&mut self) {
        let connection = *self.second_connection.borrow_and_update();
        if connection == SecondConnection::Missing {
            tracing::debug!("no second server is reachable to probe workers");
        }
        let there = matches!(connection, SecondConnection::Connected(_));
        self.settings.metrics.second_observer.set(there.into());
        self.machine.handle_second_connection(now(), connection);
    }

    fn count(&mut self) {
        let metrics = &self.settings.metrics;
        let counts = self.engine.counts();
        metrics.add(std::mem::replace(&mut self.counted, counts), counts);
        metrics.partitions.set(self.machine.owned() as i64);
        metrics.rooms.set(self.engine.loaded_rooms() as i64);
        metrics.idle_rooms.set(self.engine.stored_rooms() as i64);
        metrics.held_rooms.set(self.engine.held_rooms() as i64);
    }

    /// Exports the difference between the wall clock and the clock of the log, and warns of a large one.
    fn report_skew(&mut self) {
        if !self.clock_skew.take_due(now()) {
            return;
        }
        let Some(skew_ms) = self.clock.skew_ms() else {
            return;
        };
        let seconds = skew_ms as f64 / 1_000.0;
        self.settings.metrics.clock_skew.set(seconds);
        match self.clock_skew.note(skew_ms) {
            Some(SkewChange::Began) => tracing::warn!(
                seconds,
                "the clock of this machine differs from the clock of NATS; rooms follow NATS, but check the time synchronization of both machines"
            ),
            Some(SkewChange::Ended) => tracing::info!(
                seconds,
                "the clock of this machine agrees with the clock of NATS again"
            ),
            None => {}
        }
    }

    /// Sets the status: ready while this worker may act and every partition has a ready owner.
    fn report(&mut self, status: &Component) {
        if self.leave_until.is_some() {
            return;
        }
        let acts = self.machine.may_act(now());
        let settled = acts && self.machine.is_settled();
        self.was_ready |= settled;
        status.set(match (settled, acts, self.was_ready) {
            (true, ..) => Phase::Ready,
            (_, true, true) => Phase::Unready("partitions without an owner".into()),
            (_, true, false) => Phase::Starting("taking partitions".into()),
            (_, false, true) => Phase::Unready("the bus acks no renewal".into()),
            (_, false, false) => Phase::Starting("registering".into()),
        });
    }

    /// Probes the edge processes that hold sessions of this worker's rooms, if that is due.
    pub(super) fn drive_edges(&mut self) {
        let now = self.clock.now();
        if !self.machine.may_act(now.at) || !self.edge_probes.is_due(now.at) {
            return;
        }
        for process in self
            .edge_probes
            .poll(now.at, self.engine.session_processes())
        {
            self.probe_edge(process);
        }
    }
}

//! The lease loop of a worker: renews its record, takes and gives partitions, and gives orders to the room loops.
//!
//! It has a thread of its own, so that it stays alive whatever the rooms do. It never waits for a room loop.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use grandstand_common::bus::{Bus, ConnectionState, Read, SecondConnection, SecondConnectionState};
use grandstand_common::follow::Followed;
use grandstand_common::id::WorkerId;
use grandstand_common::log_clock::LogClock;
use grandstand_common::process::admin::{Phase, Pulse};
use grandstand_common::process::drain;
use tokio::sync::{mpsc, watch};

use super::answers::{Answers, LeaseAnswer};
use super::clock_skew::{ClockSkew, SkewChange};
use super::end::End;
use super::orders::LoopReport;
use super::room_loops::RoomLoops;
use super::settings::{WorkerError, WorkerSettings};
use super::time::{now, sleep_or_never};
use super::watches::{LeaseTasks, WatchItem};
use super::work_queue::QUEUE;
use crate::lease::{CarriedOver, LeaseMachine, LeaseSettings};

/// The most events of a turn.
const MAX_TURN_EVENTS: usize = 1024;

/// The least time that the loop sleeps until a timeout, so that a timeout without an effect does not spin it.
const LEAST_SLEEP: Duration = Duration::from_micros(200);

/// The time for handing partitions over before the worker ends because of an error.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(2);

/// The reason why a worker is not ready while the layout changes.
pub(super) const MOVING: &str = "the rooms are being moved to other partitions";

/// The lease loop under one id.
pub(super) struct LeaseLoop<'a> {
    pub(super) bus: &'a Bus,
    pub(super) second: &'a SecondConnection,
    second_state: watch::Receiver<SecondConnectionState>,
    pub(super) settings: &'a WorkerSettings,
    pub(super) clock: LogClock,
    clock_skew: ClockSkew,
    pub(super) machine: LeaseMachine,
    pub(super) rooms: RoomLoops<'a>,
    pub(super) answers: Answers<LeaseAnswer>,
    _tasks: LeaseTasks,
    watched: mpsc::Receiver<WatchItem>,
    /// Whether the watches of `workers` and of `leases` have delivered all entries that existed when they started.
    loaded: [bool; 2],
    connection: watch::Receiver<ConnectionState>,
    shutdown: &'a drain::Watch,
    layouts: watch::Receiver<Followed>,
    /// Whether the worker gives its partitions away because the layout of the cluster changes.
    is_moving: bool,
    leave_until: Option<tokio::time::Instant>,
    was_ready: bool,
    /// The error with which the worker ends once it has left.
    failed: Option<WorkerError>,
}

/// The parts of a worker that its lease loop uses.
pub(super) struct LeaseLoopParts<'a> {
    pub(super) bus: &'a Bus,
    pub(super) second: &'a SecondConnection,
    pub(super) rooms: RoomLoops<'a>,
    pub(super) settings: &'a WorkerSettings,
    pub(super) shutdown: &'a drain::Watch,
    pub(super) layouts: watch::Receiver<Followed>,
}

/// An event that the loop waits for.
enum LoopEvent {
    Leave(tokio::time::Instant),
    LeaveDeadline,
    Layout,
    Connection,
    BusGone,
    SecondConnection,
    Answer(LeaseAnswer),
    Watch(WatchItem),
    LoopReport(u64, LoopReport),
    Timeout,
}

impl<'a> LeaseLoop<'a> {
    pub(super) fn new(id: WorkerId, carried_over: CarriedOver, parts: LeaseLoopParts<'a>) -> Self {
        let LeaseLoopParts {
            bus,
            second,
            rooms,
            settings,
            shutdown,
            layouts,
        } = parts;
        let (watched_sender, watched) = mpsc::channel(QUEUE);
        let supervisor = settings.supervisor.scope("worker");
        let mut lease_loop = Self {
            _tasks: LeaseTasks::start(bus, &id, &watched_sender, &supervisor),
            machine: LeaseMachine::new(LeaseSettings {
                id,
                build: settings.build.clone(),
                games: rooms.games(),
                layout: bus.layout(),
                senders: rooms.senders(),
                alone: settings.alone,
                carried_over,
            }),
            rooms,
            answers: Answers::new(),
            watched,
            loaded: [false; 2],
            connection: bus.connection_state(),
            shutdown,
            layouts,
            is_moving: false,
            leave_until: None,
            was_ready: false,
            failed: None,
            clock: bus.log_clock().clone(),
            clock_skew: ClockSkew::default(),
            bus,
            second,
            second_state: second.state(),
            settings,
        };
        lease_loop.on_connection();
        lease_loop.on_second_connection();
        lease_loop
    }

    /// Runs until the worker ends under this id. Each turn answers `pulse`.
    pub(super) async fn drive(mut self, pulse: &Pulse) -> Result<(End, CarriedOver), WorkerError> {
        let kill = &self.settings.kill;
        let end = tokio::select! {
            biased;
            () = kill.wanted() => End::Killed,
            end = self.drive_to_end(pulse) => end?,
        };
        self.rooms.end().await;
        match self.failed {
            Some(error) => Err(error),
            None => Ok((end, self.machine.carried_over())),
        }
    }

    async fn drive_to_end(&mut self, pulse: &Pulse) -> Result<End, WorkerError> {
        loop {
            match self.next(pulse).await {
                LoopEvent::Leave(deadline) => self.leave(deadline),
                LoopEvent::LeaveDeadline => {
                    tracing::warn!("the deadline passed before all partitions were given away");
                    return Ok(End::Left);
                }
                LoopEvent::Layout => self.on_layout(),
                LoopEvent::BusGone => return Err(WorkerError::BusGone),
                LoopEvent::Connection => self.on_connection(),
                LoopEvent::SecondConnection => self.on_second_connection(),
                LoopEvent::Answer(answer) => self.on_answer(answer),
                LoopEvent::Watch(watched) => self.on_watched(watched),
                LoopEvent::LoopReport(number, report) => self.on_report(number, report)?,
                LoopEvent::Timeout => {}
            }
            self.take_ready()?;
            self.check_room_loops();
            self.rooms.set_fences(self.machine.may_act_until());
            if let Some(end) = self.drive_machine().await? {
                let is_moved = end == End::Left && self.is_moving && !self.is_leaving();
                return Ok(if is_moved { End::Moved } else { end });
            }
            self.count();
            self.report_skew();
            self.report();
            pulse.answer();
        }
    }

    /// Begins to give all partitions away, until the deadline at the latest.
    fn leave(&mut self, deadline: tokio::time::Instant) {
        tracing::info!("the worker is leaving: it hands its partitions over");
        self.rooms.status().set(Phase::Draining);
        let earlier = self.leave_until.map(|until| until.min(deadline));
        self.leave_until = Some(earlier.unwrap_or(deadline));
        self.machine.handle_leave();
    }

    /// Ends the worker with an error once its partitions are given away.
    pub(super) fn fail(&mut self, error: WorkerError) {
        self.failed.get_or_insert(error);
        self.leave(tokio::time::Instant::now() + GIVE_UP_WITHIN);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leave_until.is_some()
    }

    /// Waits for the first event. Dropping the future loses no event.
    async fn next(&mut self, pulse: &Pulse) -> LoopEvent {
        let timeout = self.next_timeout();
        tokio::select! {
            biased;
            deadline = self.shutdown.signaled(), if self.leave_until.is_none() => LoopEvent::Leave(deadline),
            () = sleep_or_never(self.leave_until) => LoopEvent::LeaveDeadline,
            Ok(()) = self.layouts.changed(), if !self.is_moving => LoopEvent::Layout,
            changed = self.connection.changed() => match changed {
                Ok(()) => LoopEvent::Connection,
                Err(_) => LoopEvent::BusGone,
            },
            Ok(()) = self.second_state.changed() => LoopEvent::SecondConnection,
            Some(answer) = self.answers.next() => LoopEvent::Answer(answer),
            Some(watched) = self.watched.recv() => LoopEvent::Watch(watched),
            (number, report) = self.rooms.report() => LoopEvent::LoopReport(number, report),
            () = sleep_or_never(Some(timeout)) => LoopEvent::Timeout,
            () = pulse.asked() => LoopEvent::Timeout,
        }
    }

    /// Handles events that are ready, up to [`MAX_TURN_EVENTS`].
    fn take_ready(&mut self) -> Result<(), WorkerError> {
        for _ in 0..MAX_TURN_EVENTS {
            if let Ok(watched) = self.watched.try_recv() {
                self.on_watched(watched);
            } else if let Some(Some(answer)) = self.answers.next().now_or_never() {
                self.on_answer(answer);
            } else if let Some((number, report)) = self.rooms.try_report() {
                self.on_report(number, report)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn next_timeout(&self) -> tokio::time::Instant {
        let timeout = self.machine.poll_timeout().into_iter();
        let timeout = timeout.fold(self.rooms.poll_timeout(), Ord::min);
        timeout.max(now() + LEAST_SLEEP).into()
    }

    fn on_watched(&mut self, watched: WatchItem) {
        let at = now();
        let (bucket, read) = match watched {
            WatchItem::Worker(read) => (0, read),
            WatchItem::Lease(read) => (1, read),
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
            // The own renewals show what has become of the other bucket.
            Read::Lost if bucket == 1 => return self.machine.handle_leases_lost(at),
            Read::Lost => return,
        };
        if behind == 0 && !self.loaded[bucket] {
            self.loaded[bucket] = true;
            if self.loaded == [true; 2] {
                self.machine.handle_loaded();
            }
        }
    }

    /// Gives all partitions away if the layout of the cluster changes or has changed (D33).
    fn on_layout(&mut self) {
        let followed = *self.layouts.borrow_and_update();
        if followed.moving || followed.layout != self.bus.layout() {
            tracing::info!(
                "all partitions are given away, because the layout of the cluster changes"
            );
            self.is_moving = true;
            self.machine.handle_leave();
        }
    }

    fn on_connection(&mut self) {
        let at = now();
        let up = matches!(*self.connection.borrow_and_update(), ConnectionState::Up(_));
        // A reconnect too fast to be seen as a loss is a loss as well.
        self.machine.handle_connection(at, false);
        if up {
            self.machine.handle_connection(at, true);
        } else {
            tracing::warn!("the connection to the bus is lost");
        }
    }

    fn on_second_connection(&mut self) {
        let connection = *self.second_state.borrow_and_update();
        if connection == SecondConnectionState::Missing {
            tracing::debug!("no second server is reachable to probe workers");
        }
        let there = matches!(connection, SecondConnectionState::Connected(_));
        self.settings.metrics.second_observer.set(there.into());
        self.machine.handle_second_connection(now(), connection);
    }

    fn count(&self) {
        let metrics = &self.settings.metrics;
        metrics.partitions.set(self.machine.owned() as i64);
        self.rooms.count(metrics);
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
        if self.settings.alone {
            // The clock of a bus in this process stands still while the process does not run.
            return;
        }
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
    fn report(&mut self) {
        if self.is_leaving() {
            return;
        }
        if self.is_moving {
            let status = self.rooms.status();
            return status.set(Phase::Unready(MOVING.into()));
        }
        let acts = self.machine.may_act(now());
        let settled = acts && self.machine.is_settled();
        self.was_ready |= settled;
        self.rooms
            .status()
            .set(match (settled, acts, self.was_ready) {
                (true, ..) => Phase::Ready,
                (_, true, true) => Phase::Unready("partitions without an owner".into()),
                (_, true, false) => Phase::Starting("taking partitions".into()),
                (_, false, true) => Phase::Unready("the bus acks no renewal".into()),
                (_, false, false) => Phase::Starting("registering".into()),
            });
    }
}

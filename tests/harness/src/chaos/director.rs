//! Runs the schedule of faults on the processes of a rig, and restarts processes that end by themselves.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::Duration;

use grandstand_common::exit::Exit;

use super::faults::Faults;
use super::field::{Field, Shared};
use super::flood::flood;
use super::schedule::{Action, Event, Kind, Target};
use super::violation::Rule;
use crate::error::RigError;
use crate::rig::Rig;

/// The most time for a graceful shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// The most time until a process is ready at the end of a run.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Delay before a process that ended by itself is started again.
const RESTART_DELAY: Duration = Duration::from_millis(250);
/// The time after an outage of NATS in which a process may end because it cannot reach NATS.
const NATS_GRACE: Duration = Duration::from_secs(20);

/// Runs the schedule on the rig.
#[derive(Debug)]
pub(super) struct Director {
    /// The processes.
    pub(super) rig: Rig,
    schedule: std::vec::IntoIter<Event>,
    next: Option<Event>,
    /// The start of the schedule, since the start of the run.
    offset: Duration,
    states: BTreeMap<Target, State>,
    faults: Faults,
    /// Until this time, processes may end because NATS was away.
    excused: Duration,
    /// The number of events of each kind.
    pub(super) events: BTreeMap<Kind, u64>,
    /// Restarts of processes that ended because NATS was away.
    pub(super) restarts: u64,
}

/// The fault of a process. A process without a state runs.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Killed; to be started again at this time.
    Down(Duration),
    /// Paused; to be resumed at this time.
    Stopped(Duration),
    /// Sent SIGTERM at this time.
    Ending(Duration),
    /// Started; to be killed and started again at this time, and as many times more, each this long after the start
    /// before.
    Starting(Duration, u32, Duration),
    /// Its store was copied; to be started with the copy at this time.
    Copied(Duration),
    /// Changed; to be as before at this time.
    Changed(Duration),
}

/// Calls the same method on a worker, an edge or NATS.
macro_rules! process {
    ($rig:expr, $target:expr, $process:ident => $call:expr) => {
        match $target {
            Target::Worker(index) => {
                let $process = &mut $rig.workers[index];
                $call
            }
            Target::Edge(index) => {
                let $process = &mut $rig.edges[index];
                $call
            }
            Target::Nats => {
                let $process = &mut $rig.nats;
                $call
            }
        }
    };
}

impl Director {
    /// A director of a running rig.
    pub(super) fn new(rig: Rig, schedule: Vec<Event>) -> Self {
        let mut schedule = schedule.into_iter();
        Self {
            rig,
            next: schedule.next(),
            schedule,
            offset: Duration::ZERO,
            states: BTreeMap::new(),
            faults: Faults::default(),
            excused: Duration::ZERO,
            events: BTreeMap::new(),
            restarts: 0,
        }
    }

    /// Starts the schedule at `now`.
    pub(super) fn begin_at(&mut self, now: Duration) {
        self.offset = now;
    }

    /// Runs the events that are due and returns them. Call it again every few milliseconds.
    ///
    /// # Errors
    /// If a process cannot be started.
    pub(super) fn tick(&mut self, field: &mut Field) -> Result<Vec<Event>, RigError> {
        let now = field.now();
        let mut begun = Vec::new();
        while let Some(event) = self.next.filter(|event| event.at + self.offset <= now) {
            self.next = self.schedule.next();
            // A process that is still recovering is spared.
            if !self.states.contains_key(&event.target) {
                self.begin(event, now)?;
                field.waits.mark(Some(event.kind), now);
                begun.push(event);
            }
        }
        if self.states.contains_key(&Target::Nats) {
            self.excused = now + NATS_GRACE;
        }
        for target in self.targets() {
            self.advance(target, field, now)?;
        }
        Ok(begun)
    }

    /// Resumes paused processes, starts the others, and waits until all are ready.
    ///
    /// # Errors
    /// If a process does not become ready.
    pub(super) async fn heal(&mut self) -> Result<(), RigError> {
        for (target, state) in std::mem::take(&mut self.states) {
            match state {
                State::Stopped(_) => process!(self.rig, target, p => p.try_resume()?),
                State::Copied(_) | State::Changed(_) => self.faults.end(&self.rig.nats)?,
                _ => process!(self.rig, target, p => p.relaunch()?),
            }
        }
        self.next = None;
        self.rig.nats.try_ready(READY_TIMEOUT).await?;
        self.faults.ended(&self.rig.nats).await;
        for target in self.targets() {
            let ready = process!(self.rig, target, p => p.try_ready(READY_TIMEOUT).await);
            if ready.is_err() {
                // It may have ended because NATS was away.
                process!(self.rig, target, p => { p.relaunch()?; p.try_ready(READY_TIMEOUT).await? });
            }
        }
        Ok(())
    }

    /// Ends all workers at once, so that they store all rooms, and starts them again.
    ///
    /// # Errors
    /// If a worker does not become ready.
    pub(super) async fn restart_workers(&mut self, field: &Shared) -> Result<(), RigError> {
        for worker in &self.rig.workers {
            worker.try_term()?;
        }
        for (index, worker) in self.rig.workers.iter_mut().enumerate() {
            let ended = worker.try_ended(SHUTDOWN_TIMEOUT).await;
            if !ended.is_some_and(|status| status.success()) {
                let found = ended.map_or("it still runs".to_owned(), |s| s.to_string());
                let expected = format!("exit code 0 within {SHUTDOWN_TIMEOUT:?} of SIGTERM");
                let name = Target::Worker(index).to_string();
                let ledger = &mut field.borrow_mut().ledger;
                ledger.blame(Rule::Process, "", &name, &expected, &found);
            }
        }
        for worker in &mut self.rig.workers {
            worker.relaunch()?;
        }
        for worker in &mut self.rig.workers {
            worker.try_ready(READY_TIMEOUT).await?;
        }
        Ok(())
    }

    fn targets(&self) -> Vec<Target> {
        let workers = (0..self.rig.workers.len()).map(Target::Worker);
        let edges = (0..self.rig.edges.len()).map(Target::Edge);
        workers.chain(edges).chain([Target::Nats]).collect()
    }

    fn begin(&mut self, event: Event, now: Duration) -> Result<(), RigError> {
        let target = event.target;
        *self.events.entry(event.kind).or_default() += 1;
        let nats = &self.rig.nats;
        let state = match event.action {
            Action::Kill(down) => {
                process!(self.rig, target, p => p.kill9());
                State::Down(now + down)
            }
            Action::Stop(stopped) => {
                process!(self.rig, target, p => p.try_pause()?);
                State::Stopped(now + stopped)
            }
            Action::Restart => {
                process!(self.rig, target, p => p.try_term()?);
                State::Ending(now)
            }
            Action::KillStarting(times, after) => {
                process!(self.rig, target, p => p.relaunch()?);
                State::Starting(now + after, times, after)
            }
            Action::RollBack(after) => {
                self.faults.back_up(nats)?;
                State::Copied(now + after)
            }
            Action::FillLog(time) => {
                self.faults.fill_log(nats);
                State::Changed(now + time)
            }
            Action::ShrinkPayload(time) => {
                self.faults.shrink_payload(nats)?;
                State::Changed(now + time)
            }
            Action::Deny(subject, time) => {
                self.faults.deny(subject, nats)?;
                State::Changed(now + time)
            }
            Action::Clock(seconds) => {
                if let Target::Worker(index) = target
                    && let Some(clock) = self.rig.worker_clocks.get(index)
                {
                    clock.set_ahead(seconds)?;
                }
                return Ok(());
            }
            Action::Flood(time) => {
                if let Target::Edge(index) = target {
                    let seed = event.at.as_millis() as u64;
                    tokio::task::spawn_local(flood(self.rig.address(index), time, seed));
                }
                return Ok(());
            }
        };
        self.states.insert(target, state);
        Ok(())
    }

    fn advance(
        &mut self,
        target: Target,
        field: &mut Field,
        now: Duration,
    ) -> Result<(), RigError> {
        match self.states.get(&target).copied() {
            Some(State::Down(until)) if until <= now => {
                process!(self.rig, target, p => p.relaunch()?);
                self.states.remove(&target);
            }
            Some(State::Stopped(until)) if until <= now => {
                process!(self.rig, target, p => p.try_resume()?);
                self.states.remove(&target);
            }
            Some(State::Starting(until, times, after)) if until <= now => {
                process!(self.rig, target, p => p.relaunch()?);
                match times {
                    0 | 1 => self.states.remove(&target),
                    _ => self
                        .states
                        .insert(target, State::Starting(now + after, times - 1, after)),
                };
            }
            Some(State::Copied(until)) if until <= now => {
                field.ledger.rolled_back();
                self.faults.roll_back(&mut self.rig.nats)?;
                self.states.remove(&target);
            }
            Some(State::Changed(until)) if until <= now => {
                self.faults.end(&self.rig.nats)?;
                self.states.remove(&target);
            }
            Some(State::Ending(since)) => self.finish_end(target, since, field, now)?,
            Some(_) => {}
            None => {
                if let Some(status) = process!(self.rig, target, p => p.status()) {
                    self.on_end(target, status, field);
                    self.states.insert(target, State::Down(now + RESTART_DELAY));
                }
            }
        }
        Ok(())
    }

    /// Starts a process again that was sent SIGTERM at `since`, once it has ended or should have.
    fn finish_end(
        &mut self,
        target: Target,
        since: Duration,
        field: &mut Field,
        now: Duration,
    ) -> Result<(), RigError> {
        let ended = process!(self.rig, target, p => p.status());
        let late = now > since + SHUTDOWN_TIMEOUT;
        if ended.is_none() && !late {
            return Ok(());
        }
        let well = ended.is_some_and(|status| status.success());
        // NATS exits with 1 when a signal ends it.
        if !well && target != Target::Nats && now > self.excused {
            let found = ended.map_or("it still runs".to_owned(), |s| s.to_string());
            let expected = format!("exit code 0 within {SHUTDOWN_TIMEOUT:?} of SIGTERM");
            let ledger = &mut field.ledger;
            ledger.blame(Rule::Process, "", &target.to_string(), &expected, &found);
        }
        process!(self.rig, target, p => p.relaunch()?);
        self.states.remove(&target);
        Ok(())
    }

    /// Handles a process that ended by itself.
    fn on_end(&mut self, target: Target, status: ExitStatus, field: &mut Field) {
        // A process that starts without a permission says so.
        let excuses = [Exit::Unavailable, Exit::Config];
        let excused = excuses.map(|exit| Some(i32::from(exit.code())));
        if excused.contains(&status.code()) && field.now() <= self.excused {
            self.restarts += 1;
            return;
        }
        let tail = process!(self.rig, target, p => p.log_tail());
        let process = target.to_string();
        let found = format!("{status}; last lines of the log:\n{tail}");
        let ledger = &mut field.ledger;
        ledger.blame(
            Rule::Process,
            "",
            &process,
            "the process keeps running",
            &found,
        );
    }

    /// Records a violation for every panic in the logs.
    pub(super) fn check_logs(&self, field: &mut Field) {
        field.now();
        let logs = self.rig.workers.iter().chain(&self.rig.edges);
        for process in logs {
            let text = process.log_text();
            let panics = text.lines().filter(|line| line.contains("panicked at"));
            for line in panics {
                let log = process.log_path().display().to_string();
                let ledger = &mut field.ledger;
                ledger.blame(Rule::Process, "", &log, "no panic", line);
            }
        }
    }
}

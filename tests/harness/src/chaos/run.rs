//! A run from its start to its report.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, interval, sleep};

use super::crowd::{self, Cast};
use super::director::Director;
use super::faults::nats_config;
use super::field::{Field, Mode, SeatState, Shared};
use super::listener::{Listener, listen};
use super::page::{Page, Plan as PagePlan};
use super::replays::{check_quarantine, compare_logs};
use super::report::Report;
use super::schedule::{Event, Kind, Shape, schedule};
use super::script::OwnGame;
use super::violation::Rule;
use crate::error::RigError;
use crate::rig::{Plan, Rig};

/// Interval of the director's checks.
const TICK_INTERVAL: Duration = Duration::from_millis(10);
/// Interval of progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// The most time until all clients have joined their rooms.
const JOIN_TIMEOUT: Duration = Duration::from_secs(120);
/// The most time for each step of the recovery.
const STEP_TIMEOUT: Duration = Duration::from_secs(90);
/// The most time for each later step, once one has failed.
const LATER_STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// The time at the end in which nothing may change. It is longer than cards of `memory` stay open.
const SETTLED_AFTER: Duration = Duration::from_millis(1_500);

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The seed of the schedule and of players' decisions.
    pub seed: u64,
    /// The duration of the faults.
    pub duration: Duration,
    /// The number of rooms that are played at a time.
    pub rooms: usize,
    /// The game of this program that is played; `None` for the built-in ones.
    pub game: Option<OwnGame>,
    /// The mean time between two inputs of a player in a room.
    pub pace: Duration,
    /// Keeps the processes' logs always, not only after a violation.
    pub keep_logs: bool,
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// The processes.
    pub rig: Plan,
}

/// The progress of a run.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The current stage.
    pub stage: Stage,
    /// The time since the first stage with faults began.
    pub elapsed: Duration,
    /// Events that have just begun.
    pub events: Vec<Event>,
    /// Answered inputs.
    pub acked: u64,
    /// Unanswered inputs.
    pub waiting: usize,
    /// Violations so far.
    pub violations: u64,
}

/// A stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Clients join their rooms.
    Gathering,
    /// Faults happen.
    Chaos,
    /// Faults have ended and everything must recover.
    Healing,
}

/// Runs the cluster, the clients and the faults. Calls `progress` about once a second and at each event; `stop` ends
/// the run early.
///
/// # Errors
/// If a process cannot be started, or does not become ready at the end. Violations that clients see are in the report.
pub async fn run(
    settings: Settings,
    progress: &mut dyn FnMut(Progress),
    stop: watch::Receiver<bool>,
) -> Result<Report, RigError> {
    LocalSet::new()
        .run_until(async move {
            let mut run = Run::start(settings).await?;
            run.gather(progress, &stop).await?;
            run.chaos(progress, &stop).await?;
            run.heal(progress).await?;
            Ok(run.report(*stop.borrow()))
        })
        .await
}

struct Run {
    settings: Settings,
    director: Director,
    field: Shared,
    listener: Rc<RefCell<Listener>>,
    tasks: JoinSet<()>,
    connections: usize,
    start: Instant,
    /// The most time for a step of the recovery.
    patience: Duration,
    /// The rooms whose logs were replayed.
    replayed: usize,
}

impl Run {
    async fn start(mut settings: Settings) -> Result<Self, RigError> {
        settings.rig.nats_config = nats_config(&settings.kinds);
        if settings.kinds.contains(&Kind::ClockJumped) {
            settings.rig.worker_clocks = vec![0; settings.rig.workers];
        }
        let rig = Rig::start(settings.rig.clone()).await?;
        let start = Instant::now();
        let cast = Cast {
            rooms: settings.rooms,
            own: settings.game.clone().map(Arc::new),
            seed: settings.seed,
            pace: settings.pace,
        };
        let field = Field::new(settings.rooms, cast.own.as_ref(), start);
        let field = Rc::new(RefCell::new(field));
        let listener = Listener::new(rig.plan().partitions);
        let listener = Rc::new(RefCell::new(listener));
        let url = rig.nats.url();
        let listening = listen(&url, Rc::clone(&listener), Rc::clone(&field));
        let listening = listening.await.map_err(|error| RigError::Listen {
            why: error.to_string(),
        })?;
        let mut tasks = JoinSet::new();
        tasks.spawn_local(listening);
        let shape = Shape {
            workers: rig.workers.len(),
            edges: rig.edges.len(),
        };
        let events = schedule(settings.seed, settings.duration, &settings.kinds, shape);
        let mut run = Self {
            director: Director::new(rig, events),
            settings,
            field,
            listener,
            tasks,
            connections: 0,
            start,
            patience: STEP_TIMEOUT,
            replayed: 0,
        };
        for plan in crowd::crowd(&cast, &run.edges()) {
            run.enter(plan);
        }
        Ok(run)
    }

    fn edges(&self) -> Vec<std::net::SocketAddr> {
        let edges = self.director.rig.edges.iter();
        edges.map(|edge| edge.address()).collect()
    }

    fn enter(&mut self, plan: PagePlan) {
        let page = Page::new(plan, Rc::clone(&self.field));
        self.tasks.spawn_local(page.run());
        self.connections += 1;
    }

    fn progress(&self, stage: Stage, since: Instant, events: Vec<Event>) -> Progress {
        let field = self.field.borrow();
        Progress {
            stage,
            elapsed: since.elapsed(),
            events,
            acked: field.counts.inputs_acked,
            waiting: field.seats().map(|seat| seat.unanswered).sum(),
            violations: field.ledger.violations.total,
        }
    }

    /// Waits until all clients are in their rooms.
    async fn gather(
        &mut self,
        progress: &mut dyn FnMut(Progress),
        stop: &watch::Receiver<bool>,
    ) -> Result<(), RigError> {
        let since = Instant::now();
        let shown = |seat: &SeatState| seat.version.is_some();
        while !self.all(shown) && since.elapsed() < JOIN_TIMEOUT && !*stop.borrow() {
            progress(self.progress(Stage::Gathering, since, Vec::new()));
            sleep(PROGRESS_INTERVAL / 4).await;
            if let Some(refusal) = self.field.borrow_mut().refused.take() {
                return Err(refusal);
            }
        }
        Ok(())
    }

    async fn chaos(
        &mut self,
        progress: &mut dyn FnMut(Progress),
        stop: &watch::Receiver<bool>,
    ) -> Result<(), RigError> {
        let since = Instant::now();
        let offset = self.field.borrow_mut().now();
        self.director.begin_at(offset);
        let mut tick = interval(TICK_INTERVAL);
        let mut reported = since;
        while since.elapsed() < self.settings.duration && !*stop.borrow() {
            tick.tick().await;
            let begun = self.director.tick(&mut self.field.borrow_mut())?;
            if !begun.is_empty() || reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                progress(self.progress(Stage::Chaos, since, begun));
            }
        }
        Ok(())
    }

    /// Checks that everything recovers: all inputs are answered, every room answers one more input of each of its
    /// players, and all clients show the same.
    async fn heal(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), RigError> {
        let since = Instant::now();
        self.director.heal().await?;
        {
            let field = &mut self.field.borrow_mut();
            let now = field.now();
            field.waits.mark(None, now);
            field.mode = Mode::Finish;
        }
        let answered =
            |seat: &SeatState| seat.over || (seat.version.is_some() && seat.unanswered == 0);
        self.wait("all inputs answered", progress, since, answered)
            .await;
        self.field.borrow_mut().probe();
        let probed = move |seat: &SeatState| seat.over || (answered(seat) && !seat.probes);
        self.wait(
            "one more input of each player answered",
            progress,
            since,
            probed,
        )
        .await;
        if self.settings.game.is_some() {
            // All clients show the newest views now. They must not change when all rooms are stored and loaded.
            self.settle().await;
            self.director.restart_workers(&self.field).await?;
            let shown = |seat: &SeatState| seat.over || seat.version.is_some();
            let what = "a view of each room once all workers were restarted";
            self.wait(what, progress, since, shown).await;
        }
        for mut plan in crowd::late(self.settings.rooms, &self.edges()) {
            // Where a game has just ended there may be no next one.
            plan.slots
                .retain(|&slot| self.field.borrow().is_played(slot));
            self.enter(plan);
        }
        let shown = |seat: &SeatState| seat.over || seat.version.is_some();
        self.wait("a current view of every room", progress, since, shown)
            .await;
        self.settle().await;
        {
            let field = &mut self.field.borrow_mut();
            field.now();
            for slot in 0..field.rooms() {
                let room = field.room(slot);
                field.check_views(&room);
            }
            field.ledger.close_all();
            self.director.check_logs(field);
        }
        let nats = self.director.rig.nats.url();
        let replay = compare_logs(&self.field, &nats, || {
            progress(self.progress(Stage::Healing, since, Vec::new()));
        });
        self.replayed = replay.await?;
        check_quarantine(&self.field, &self.director.rig.bus().await?).await
    }

    fn all(&self, holds: impl Fn(&SeatState) -> bool) -> bool {
        self.field.borrow().seats().all(holds)
    }

    /// Waits until `holds` is true for all seats, and records a violation for each seat for which it is false.
    async fn wait(
        &mut self,
        what: &str,
        progress: &mut dyn FnMut(Progress),
        since: Instant,
        holds: impl Fn(&SeatState) -> bool + Copy,
    ) {
        let deadline = Instant::now() + self.patience;
        while !self.all(holds) && Instant::now() < deadline {
            progress(self.progress(Stage::Healing, since, Vec::new()));
            sleep(PROGRESS_INTERVAL / 4).await;
        }
        let field = &mut self.field.borrow_mut();
        field.now();
        let stuck: Vec<_> = field.seats().filter(|seat| !holds(seat)).cloned().collect();
        if !stuck.is_empty() {
            self.patience = LATER_STEP_TIMEOUT;
        }
        for seat in stuck {
            let found = format!("{seat:?}");
            field
                .ledger
                .blame(Rule::Stuck, &seat.room, &seat.client, what, &found);
        }
    }

    /// Waits until nothing has changed for a while and all clients show the newest known versions.
    async fn settle(&mut self) {
        let deadline = Instant::now() + self.patience;
        let mut before = Vec::new();
        let mut since = Instant::now();
        while Instant::now() < deadline {
            sleep(PROGRESS_INTERVAL / 10).await;
            let field = self.field.borrow();
            let seats = field.seats().filter(|seat| !seat.over);
            let now: Vec<_> = seats.map(|seat| seat.version).collect();
            let mut seats = field.seats().filter(|seat| !seat.over);
            let level = seats.all(|seat| {
                let newest = field.ledger.top(&seat.room, seat.lane);
                seat.version == Some(newest) && !seat.waits_for_bot
            });
            if now != before || !level {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() > SETTLED_AFTER {
                return;
            }
        }
    }

    fn report(mut self, ended_early: bool) -> Report {
        self.tasks.abort_all();
        let field = &mut self.field.borrow_mut();
        let mut waits = field.waits.summary();
        let violations = field.ledger.violations.clone();
        let keep = self.settings.keep_logs || violations.total > 0;
        let logs = keep.then(|| {
            self.director.rig.keep_logs();
            self.director.rig.log_dir()
        });
        Report {
            seed: self.settings.seed,
            seconds: self.settings.duration.as_secs(),
            took_s: self.start.elapsed().as_secs_f64(),
            ended_early,
            rooms: self.settings.rooms,
            game: self.settings.game.as_ref().map(|game| game.name.clone()),
            replayed: self.replayed,
            connections: self.connections,
            restarts: self.director.restarts,
            events: self.director.events.clone(),
            clients: field.counts.clone(),
            bus: self.listener.borrow().heard.clone(),
            undisturbed: waits.remove(&None),
            pauses: waits
                .into_iter()
                .filter_map(|(kind, pauses)| Some((kind?, pauses)))
                .collect(),
            violations,
            logs: logs.flatten(),
        }
    }
}

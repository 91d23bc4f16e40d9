//! The phases of a process' components, and the liveness of their loops.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::pulse::{Pulse, Question};
use crate::clock::unix_ms;
use crate::process::service_manager;

/// The silence of a loop after which the process is not healthy, unless [`Status::answer_within`] sets another one.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The phase of a component of the process (its edge, its worker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The component starts; the text says what it waits for.
    Starting(Cow<'static, str>),
    /// The component does its work.
    Ready,
    /// The component runs, but accepts nothing at the moment; the text says why.
    Unready(Cow<'static, str>),
    /// The component accepts nothing new and ends.
    Draining,
}

impl Phase {
    /// The name of the phase for programs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Starting(_) => "starting",
            Self::Ready => "ready",
            Self::Unready(_) => "not_ready",
            Self::Draining => "draining",
        }
    }

    /// The reason why the component is not ready.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Starting(why) | Self::Unready(why) => Some(why),
            Self::Ready | Self::Draining => None,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting(what) => write!(f, "starting ({what})"),
            Self::Ready => f.write_str("ready"),
            Self::Unready(why) => write!(f, "not ready ({why})"),
            Self::Draining => f.write_str("draining"),
        }
    }
}

/// The phases of all components, and their loops. Clones share them.
///
/// The lock is taken a few times in a process' life, and by the admin thread.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    states: Vec<State>,
    questions: Vec<Question>,
    /// Loops that have been reported as silent.
    silent: usize,
    answer_within: Duration,
    /// Tells of each new phase.
    changed: watch::Sender<()>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            questions: Vec::new(),
            silent: 0,
            answer_within: ANSWER_WITHIN,
            changed: watch::Sender::new(()),
        }
    }
}

#[derive(Debug)]
struct State {
    name: &'static str,
    phase: Phase,
    started: bool,
    /// The Unix time at which the phase began, its text aside, in milliseconds.
    since_ms: u64,
    response_time: Option<Duration>,
}

/// A component at one moment.
#[derive(Debug, Clone)]
pub(super) struct ComponentState {
    pub(super) name: &'static str,
    pub(super) phase: Phase,
    /// The Unix time at which the phase began, in milliseconds.
    pub(super) since_ms: u64,
    /// The time that it took to answer last, if it is asked.
    pub(super) response_time: Option<Duration>,
}

impl Status {
    /// A process without components, which is not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component, which is starting.
    pub fn component(&self, name: &'static str) -> Component {
        let mut shared = self.0.lock();
        shared.states.push(State {
            name,
            phase: Phase::Starting(Cow::Borrowed("just started")),
            started: false,
            since_ms: unix_ms(),
            response_time: None,
        });
        Component {
            status: self.clone(),
            index: shared.states.len() - 1,
        }
    }

    /// Sets how long a loop may leave its liveness question unanswered.
    pub fn answer_within(&self, within: Duration) {
        self.0.lock().answer_within = within;
    }

    /// Asks all loops whether they turn, and logs which have become silent. The admin thread calls it every
    /// [`ASK_EVERY`](super::pulse::ASK_EVERY).
    pub(super) fn ask(&self) {
        let mut shared = self.0.lock();
        shared.questions.retain(|question| !question.is_retired());
        shared.questions.iter_mut().for_each(Question::ask);
        let within = shared.answer_within;
        let silent = shared.questions.iter().filter(|q| q.silence() >= within);
        let names: Vec<_> = silent.map(Question::name).collect();
        let count = names.len();
        if count > shared.silent {
            let parts = names.join(", ");
            tracing::error!(
                parts,
                "these loops do not turn: /health says 503 until they do"
            );
        } else if count == 0 && shared.silent > 0 {
            tracing::info!("all loops turn again");
        }
        shared.silent = count;
    }

    /// The loops that do not turn, a line for each.
    pub(super) fn silent(&self) -> String {
        let shared = self.0.lock();
        let within = shared.answer_within;
        let silent = shared.questions.iter().filter(|q| q.silence() >= within);
        silent
            .map(|q| {
                let seconds = q.silence().as_secs();
                format!("{} has not answered for {seconds} s\n", q.name())
            })
            .collect()
    }

    /// The components.
    pub(super) fn components(&self) -> Vec<ComponentState> {
        let shared = self.0.lock();
        let states = shared.states.iter().map(|state| ComponentState {
            name: state.name,
            phase: state.phase.clone(),
            since_ms: state.since_ms,
            response_time: state.response_time,
        });
        states.collect()
    }

    /// The loops, each with the time since it last answered, and whether that is too long.
    pub(super) fn loops(&self) -> Vec<(String, Duration, bool)> {
        let shared = self.0.lock();
        let within = shared.answer_within;
        let loops = shared.questions.iter().map(|question| {
            let silence = question.silence();
            (question.name().to_owned(), silence, silence >= within)
        });
        loops.collect()
    }

    /// Whether every component is ready.
    pub fn is_ready(&self) -> bool {
        self.all(|state| state.phase == Phase::Ready)
    }

    /// Whether every component has been ready once.
    pub fn has_started(&self) -> bool {
        self.all(|state| state.started)
    }

    fn all(&self, holds: impl Fn(&State) -> bool) -> bool {
        let shared = self.0.lock();
        !shared.states.is_empty() && shared.states.iter().all(holds)
    }
}

/// One line per component.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for State { name, phase, .. } in &self.0.lock().states {
            writeln!(f, "{name}: {phase}")?;
        }
        Ok(())
    }
}

/// A component's handle to the [`Status`]. Clones are handles to the same component.
#[derive(Debug, Clone)]
pub struct Component {
    status: Status,
    index: usize,
}

impl Component {
    /// Sets the component's phase and logs it. A component that drains has no further phase. When every component has been
    /// ready once, the service manager is told.
    pub fn set(&self, phase: Phase) {
        if let Some((name, phase)) = self.change(phase) {
            tracing::info!(component = name, %phase, "a component has a new phase");
        }
    }

    /// Sets the component's phase without a line in the log, for a text that changes often.
    pub fn describe(&self, phase: Phase) {
        self.change(phase);
    }

    /// Waits until the component is ready.
    pub async fn until_ready(&self) {
        let mut changed = self.status.0.lock().changed.subscribe();
        while self.status.0.lock().states[self.index].phase != Phase::Ready {
            // The sender lives as long as `self`.
            changed.changed().await.ok();
        }
    }

    /// Adds another component of the same process, which is starting.
    pub fn beside(&self, name: &'static str) -> Self {
        self.status.component(name)
    }

    /// Sets the phase. Returns the component's name and the phase if it is another one.
    fn change(&self, phase: Phase) -> Option<(&'static str, Phase)> {
        let mut shared = self.status.0.lock();
        let state = &mut shared.states[self.index];
        if state.phase == phase || state.phase == Phase::Draining {
            return None;
        }
        let starts = phase == Phase::Ready && !state.started;
        state.started |= starts;
        if phase.name() != state.phase.name() {
            state.since_ms = unix_ms();
        }
        state.phase = phase.clone();
        let name = state.name;
        shared.changed.send_replace(());
        if starts && shared.states.iter().all(|state| state.started) {
            service_manager::ready();
        }
        Some((name, phase))
    }

    /// Notes how long what the component stands for took to answer.
    pub fn set_response_time(&self, took: Duration) {
        self.status.0.lock().states[self.index].response_time = Some(took);
    }

    /// Adds a loop of the component, which is asked whether it turns once it has [begun](Pulse::begin).
    pub fn pulse(&self, name: &str) -> Pulse {
        let (question, pulse) = Question::new(name);
        self.status.0.lock().questions.push(question);
        pulse
    }
}

//! How far the parts of a process are.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// How far a part of the process (its edge, its worker) is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It comes up; what it waits for.
    Starting(Cow<'static, str>),
    /// It does its work.
    Ready,
    /// It is up, but cannot take more for now; why.
    Unready(Cow<'static, str>),
    /// It takes nothing new and ends.
    Draining,
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

/// How far all parts of the process are. Clones show the same.
///
/// Behind a lock: written a few times in a process' life, read by the admin thread alone.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Vec<State>>>);

#[derive(Debug)]
struct State {
    name: &'static str,
    phase: Phase,
    started: bool,
}

impl Status {
    /// Of a process without parts so far, which is not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new part, which is starting.
    pub fn part(&self, name: &'static str) -> Part {
        let mut states = self.0.lock();
        states.push(State {
            name,
            phase: Phase::Starting(Cow::Borrowed("just begun")),
            started: false,
        });
        Part {
            status: self.clone(),
            index: states.len() - 1,
        }
    }

    /// Whether every part is ready.
    pub fn is_ready(&self) -> bool {
        self.all(|state| state.phase == Phase::Ready)
    }

    /// Whether every part has been ready once.
    pub fn has_started(&self) -> bool {
        self.all(|state| state.started)
    }

    fn all(&self, holds: impl Fn(&State) -> bool) -> bool {
        let states = self.0.lock();
        !states.is_empty() && states.iter().all(holds)
    }
}

/// A line for each part.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for State { name, phase, .. } in &*self.0.lock() {
            writeln!(f, "{name}: {phase}")?;
        }
        Ok(())
    }
}

/// One part's end of a [`Status`].
#[derive(Debug)]
pub struct Part {
    status: Status,
    index: usize,
}

impl Part {
    /// Says how far the part is, also in the log.
    pub fn set(&self, phase: Phase) {
        let mut states = self.status.0.lock();
        let state = &mut states[self.index];
        if state.phase == phase {
            return;
        }
        tracing::info!(part = state.name, %phase, "phase");
        state.started |= phase == Phase::Ready;
        state.phase = phase;
    }
}

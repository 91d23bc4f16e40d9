//! How far the components of a process are.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// How far a component of the process (its edge, its worker) is.
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

/// How far all components of the process are. Clones show the same.
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
    /// Of a process without components so far, which is not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new component, which is starting.
    pub fn component(&self, name: &'static str) -> Component {
        let mut states = self.0.lock();
        states.push(State {
            name,
            phase: Phase::Starting(Cow::Borrowed("just begun")),
            started: false,
        });
        Component {
            status: self.clone(),
            index: states.len() - 1,
        }
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
        let states = self.0.lock();
        !states.is_empty() && states.iter().all(holds)
    }
}

/// A line for each component.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for State { name, phase, .. } in &*self.0.lock() {
            writeln!(f, "{name}: {phase}")?;
        }
        Ok(())
    }
}

/// One component's end of a [`Status`].
#[derive(Debug)]
pub struct Component {
    status: Status,
    index: usize,
}

impl Component {
    /// Says how far the component is, also in the log.
    pub fn set(&self, phase: Phase) {
        let mut states = self.status.0.lock();
        let state = &mut states[self.index];
        if state.phase == phase {
            return;
        }
        tracing::info!(component = state.name, %phase, "phase");
        state.started |= phase == Phase::Ready;
        state.phase = phase;
    }
}

//! The phases of a process' components.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// The phase of a component of the process (its edge, its worker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The component starts; the text says what it waits for.
    Starting(Cow<'static, str>),
    /// The component does its work.
    Ready,
    /// The component runs, but accepts no more at the moment; the text says why.
    Unready(Cow<'static, str>),
    /// The component accepts nothing new and ends.
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

/// The phases of all components. Clones share them.
///
/// The lock is taken a few times in a process' life, and by the admin thread.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Vec<State>>>);

#[derive(Debug)]
struct State {
    name: &'static str,
    phase: Phase,
    started: bool,
}

impl Status {
    /// A process without components, which is not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component, which is starting.
    pub fn component(&self, name: &'static str) -> Component {
        let mut states = self.0.lock();
        states.push(State {
            name,
            phase: Phase::Starting(Cow::Borrowed("just started")),
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

/// One line per component.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for State { name, phase, .. } in &*self.0.lock() {
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
    /// Sets the component's phase and logs it. A component that drains has no further phase.
    pub fn set(&self, phase: Phase) {
        let mut states = self.status.0.lock();
        let state = &mut states[self.index];
        if state.phase == phase || state.phase == Phase::Draining {
            return;
        }
        tracing::info!(component = state.name, %phase, "phase");
        state.started |= phase == Phase::Ready;
        state.phase = phase;
    }
}

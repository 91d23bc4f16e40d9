//! Scheduling priority of generators that share a core.

use std::io;

use rustix::process::setpriority_process;
use serde::{Deserialize, Serialize};
use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// The nice value of [`Priority::Last`].
const NICE: i32 = 10;

/// The order in which generators run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all others and without delay, so that a client whose latency is measured does not wait for its core.
    /// Needs `CAP_SYS_NICE`; without it, the same as [`Self::Plain`].
    First,
    /// The system's default.
    #[default]
    Plain,
    /// After others, so that a crowd does not delay clients whose latency is measured.
    Last,
}

impl Priority {
    /// Applies the priority to this thread.
    ///
    /// # Errors
    /// If the system does not let this process lower its priority.
    pub fn take(self) -> io::Result<()> {
        match self {
            Self::First => {
                let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
                set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, fifo).ok();
            }
            Self::Plain => {}
            Self::Last => setpriority_process(None, NICE)?,
        }
        Ok(())
    }
}

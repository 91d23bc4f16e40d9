//! Whose turn it is on a core that several generators share.

use std::io;

use rustix::process::setpriority_process;
use serde::{Deserialize, Serialize};
use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// The nice value of [`Priority::Last`].
const NICE: i32 = 10;

/// Who goes before whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all others, at once: whose latency is measured must not wait for the core on which it is. Where this user may
    /// not have it (it takes `CAP_SYS_NICE`), as [`Self::Plain`].
    First,
    /// As everybody.
    #[default]
    Plain,
    /// Behind others: a crowd must not delay those whose latency is measured.
    Last,
}

impl Priority {
    /// Gives it to this thread.
    ///
    /// # Errors
    /// If the system does not let this process stand back.
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

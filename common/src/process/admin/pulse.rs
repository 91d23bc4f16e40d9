//! The liveness questions to the loops of a process (D28).
//!
//! The admin thread asks each loop a question every [`ASK_EVERY`]. The loop answers it in its own turn, so that a loop that
//! hangs is seen even though its thread lives. Silence is counted in questions, not in time: a process that was stopped
//! and continues has missed none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The interval of the questions.
pub const ASK_EVERY: Duration = Duration::from_millis(250);

/// A loop's side of the questions. Dropping it ends them.
#[derive(Debug, Default)]
pub struct Pulse(Arc<Beat>);

#[derive(Debug, Default)]
struct Beat {
    begun: AtomicBool,
    asked: AtomicU64,
    answered: AtomicU64,
    retired: AtomicBool,
    question: Notify,
}

impl Pulse {
    /// Says that the loop starts. It is not asked before.
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::Relaxed);
    }

    /// Whether a question waits for an answer.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed) != self.0.answered.load(Ordering::Relaxed)
    }

    /// Waits for a question. May return although there is none.
    pub async fn asked(&self) {
        self.0.question.notified().await;
    }

    /// Answers the question, if there is one. The loop calls this in each turn.
    pub fn answer(&self) {
        let asked = self.0.asked.load(Ordering::Relaxed);
        if self.0.answered.load(Ordering::Relaxed) != asked {
            self.0.answered.store(asked, Ordering::Relaxed);
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        // A loop that dies by a panic stays silent.
        if !std::thread::panicking() {
            self.0.retired.store(true, Ordering::Relaxed);
        }
    }
}

/// The asker's side. The admin thread asks all loops for `/health`; a part of a process may ask its own loops.
#[derive(Debug)]
pub struct Question {
    name: String,
    beat: Arc<Beat>,
    /// Questions in a row without an answer.
    missed: u32,
}

impl Question {
    /// A question to a loop, and the loop's side.
    pub fn new(name: &str) -> (Self, Pulse) {
        let pulse = Pulse::default();
        let question = Self {
            name: name.to_owned(),
            beat: Arc::clone(&pulse.0),
            missed: 0,
        };
        (question, pulse)
    }

    /// The name of the loop.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the loop has ended in order.
    pub fn is_retired(&self) -> bool {
        self.beat.retired.load(Ordering::Relaxed)
    }

    /// Asks, and counts if the last question was not answered.
    pub fn ask(&mut self) {
        if !self.beat.begun.load(Ordering::Relaxed) {
            return;
        }
        let asked = self.beat.asked.load(Ordering::Relaxed);
        if self.beat.answered.load(Ordering::Relaxed) == asked {
            self.missed = 0;
            self.beat.asked.store(asked + 1, Ordering::Relaxed);
        } else {
            self.missed = self.missed.saturating_add(1);
        }
        self.beat.question.notify_one();
    }

    /// The time since the loop last answered.
    pub fn silence(&self) -> Duration {
        ASK_EVERY * self.missed
    }
}

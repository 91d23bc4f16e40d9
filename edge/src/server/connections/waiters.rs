//! The requests of an event stream's client that wait for the answers to their inputs.

use tokio::sync::oneshot;

/// The most requests of a client that wait.
const MOST: usize = 256;

/// The message that answers an input: an `ack`, a `reject` or an `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputAnswer {
    /// The type of the message.
    pub(crate) kind: String,
    /// The code of a reject or an error; empty for an ack.
    pub(crate) code: String,
    /// The milliseconds after which the input may be sent again.
    pub(crate) retry_after_ms: Option<u64>,
    /// The message in JSON.
    pub(crate) text: String,
}

/// The requests that wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    seq: u64,
    answer: oneshot::Sender<InputAnswer>,
}

impl Waiters {
    /// Forgets the requests that have given up. Returns whether as many wait as may.
    pub(super) fn is_full(&mut self) -> bool {
        self.waiting.retain(|waiter| !waiter.answer.is_closed());
        self.waiting.len() >= MOST
    }

    /// Forgets the requests that have given up. Returns whether none waits.
    pub(super) fn is_empty(&mut self) -> bool {
        self.waiting.retain(|waiter| !waiter.answer.is_closed());
        self.waiting.is_empty()
    }

    /// Adds a request that waits for the answer to the input `seq`.
    pub(super) fn push(&mut self, seq: u64, answer: oneshot::Sender<InputAnswer>) {
        self.waiting.push(Waiter { seq, answer });
    }

    /// Answers the requests whose inputs a message is about. An `ack` is about earlier inputs, too.
    pub(super) fn answer(&mut self, seq: u64, answer: &InputAnswer) {
        let is_cumulative = answer.kind == "ack";
        let is_met = |waiter: &mut Waiter| waiter.seq == seq || is_cumulative && waiter.seq < seq;
        for waiter in self.waiting.extract_if(.., is_met) {
            // The request may have given up.
            waiter.answer.send(answer.clone()).ok();
        }
    }
}

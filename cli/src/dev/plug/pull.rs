//! The plugs, and what happens when one is pulled.

use grandstand_common::process::admin::{ApiAnswer, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A part of the process that can be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dev) enum Plug {
    /// The worker dies, and another one starts.
    Worker,
    /// The edge dies with its connections, and another one starts.
    Edge,
    /// The edge tells its clients to reconnect, to another one that has started before.
    Drain,
    /// No part reaches the bus for a moment.
    Bus,
}

impl Plug {
    /// The name in paths and answers.
    pub(in crate::dev) fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Edge => "edge",
            Self::Drain => "drain",
            Self::Bus => "bus",
        }
    }
}

/// The reason why a plug is not pulled.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dev) enum Refusal {
    /// A part could not start again at the moment.
    Unavailable(&'static str),
    /// The process does not have the part.
    Impossible(&'static str),
}

impl From<Refusal> for ApiAnswer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unavailable(why) => {
                Self::problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why)
            }
            Refusal::Impossible(why) => {
                Self::problem(StatusCode::NOT_IMPLEMENTED, "impossible", why)
            }
        }
    }
}

/// A plug that is to be pulled now. Until it is dropped, no other can be.
#[derive(Debug)]
pub(in crate::dev) struct Pull {
    pub(in crate::dev) plug: Plug,
    pub(super) reply: oneshot::Sender<Result<(), Refusal>>,
    pub(super) only: OwnedSemaphorePermit,
}

impl Pull {
    /// Answers that the plug was pulled and its part serves again, or why not.
    pub(in crate::dev) fn answer(self, pulled: Result<(), Refusal>) {
        // With the answer the next plug may be pulled.
        drop(self.only);
        // Whoever asked may have gone.
        self.reply.send(pulled).ok();
    }
}

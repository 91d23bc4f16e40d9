//! The requests about a ticket of a queue that wait for their answers. Performs no I/O.

use grandstand_common::envelope::EventHead;
use serde_json::json;
use tokio::sync::oneshot;

use crate::server::connections::ticket::{DECIDED, ENTERED, Ticket, WITHDRAW, answer};
use crate::server::connections::waiters::{InputAnswer, Waiters};

/// A ticket, and the requests about it.
#[derive(Debug)]
pub(super) struct TicketLink {
    ticket: Ticket,
    /// The requests that wait until the queue has answered.
    entered: Waiters,
    /// The requests that wait until the ticket waits no longer.
    decided: Waiters,
}

/// The messages that the client of the ticket sends, and whether it closes then.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) messages: Vec<String>,
    pub(super) closes: bool,
}

impl TicketLink {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            entered: Waiters::default(),
            decided: Waiters::default(),
        }
    }

    /// Takes a request.
    pub(super) fn ask(&mut self, request: &str, waiter: oneshot::Sender<InputAnswer>) -> Said {
        let known = self.ticket.ask(request);
        match (request, known) {
            (WITHDRAW, known) => {
                let gone = known.unwrap_or_else(|| answer("withdrawn", json!({})));
                // The request may have given up.
                waiter.send(gone).ok();
                return self.withdraw();
            }
            (_, Some(answer)) => {
                let is_told = waiter.send(answer).is_ok();
                let leaves = is_told && self.ticket.is_decided();
                let leaves = leaves.then(|| self.ticket.leave());
                // The answer can be asked for again for a while.
                return Said {
                    messages: leaves.into_iter().collect(),
                    closes: false,
                };
            }
            (DECIDED, None) if !self.decided.is_full() => self.decided.push(0, waiter),
            (ENTERED, None) => self.entered.push(0, waiter),
            _ => {}
        }
        Said::default()
    }

    /// Takes a message of the edge, and answers the requests that have waited for it.
    pub(super) fn see(&mut self, head: &EventHead, text: &str) -> Said {
        let mut said = Said::default();
        said.messages.extend(self.ticket.see(head, text));
        for (waiters, request) in [(&mut self.entered, ENTERED), (&mut self.decided, DECIDED)] {
            if !waiters.is_empty()
                && let Some(answer) = self.ticket.ask(request)
            {
                waiters.answer(0, &answer);
                if self.ticket.is_decided() {
                    said.messages.push(self.ticket.leave());
                }
            }
        }
        said
    }

    /// Takes a ping. Withdraws a ticket for which nobody has asked since the last one.
    pub(super) fn ping(&mut self) -> Option<Said> {
        let is_used = self.ticket.take_asked() || !self.decided.is_empty();
        (!is_used).then(|| self.withdraw())
    }

    /// Leaves the queue, and closes.
    fn withdraw(&self) -> Said {
        Said {
            messages: vec![self.ticket.leave()],
            closes: true,
        }
    }
}

//! Subscriptions and delivery: the lossy part of the embedded bus.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::bus::subscription::SubscriptionSender;
use crate::bus::types::Message;
use crate::subject;

/// A client of the embedded bus. Each has its own connection, so that a fault cuts one and not all.
pub(super) type ClientId = u64;

/// All subscriptions and pending requests.
#[derive(Debug, Default)]
pub(super) struct Routes {
    exact: HashMap<String, Vec<Listener>>,
    patterns: Vec<(String, Listener)>,
    /// Pending answers by reply subject.
    answers: HashMap<String, (ClientId, oneshot::Sender<Bytes>)>,
    down: Vec<ClientId>,
    next: u64,
    /// The number of exact subjects after the last sweep of those without listeners.
    swept: usize,
}

#[derive(Debug)]
struct Listener {
    client: ClientId,
    sender: SubscriptionSender,
}

impl Routes {
    pub(super) fn subscribe(
        &mut self,
        client: ClientId,
        pattern: &str,
        sender: SubscriptionSender,
    ) {
        let listener = Listener { client, sender };
        if pattern.split('.').any(|token| token == "*" || token == ">") {
            self.patterns
                .retain(|(_, listener)| !listener.sender.is_closed());
            self.patterns.push((pattern.to_owned(), listener));
            return;
        }
        if self.exact.len() > 2 * self.swept + 64 {
            for listeners in self.exact.values_mut() {
                listeners.retain(|listener| !listener.sender.is_closed());
            }
            self.exact.retain(|_, listeners| !listeners.is_empty());
            self.swept = self.exact.len();
        }
        self.exact
            .entry(pattern.to_owned())
            .or_default()
            .push(listener);
    }

    /// Creates a reply subject whose answer goes to `sender`.
    pub(super) fn register(&mut self, client: ClientId, sender: oneshot::Sender<Bytes>) -> String {
        self.next += 1;
        let reply = format!("_INBOX.{client}.{}", self.next);
        self.answers.insert(reply.clone(), (client, sender));
        reply
    }

    /// Forgets a pending answer.
    pub(super) fn forget(&mut self, reply: &str) {
        self.answers.remove(reply);
    }

    /// Connects or disconnects a client. Dropping the senders tells its pending requests.
    pub(super) fn set_up(&mut self, client: ClientId, up: bool) {
        self.down.retain(|&other| other != client);
        if !up {
            self.down.push(client);
            self.answers.retain(|_, (other, _)| *other != client);
        }
    }

    /// Whether `subject` has a subscriber now.
    pub(super) fn has_listener(&self, subject: &str) -> bool {
        self.listeners(subject).next().is_some()
    }

    fn listeners<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Listener> {
        let exact = self.exact.get(subject).into_iter().flatten();
        let patterns = self
            .patterns
            .iter()
            .filter(move |(pattern, _)| subject::matches(pattern, subject))
            .map(|(_, listener)| listener);
        exact
            .chain(patterns)
            .filter(|one| !one.sender.is_closed() && !self.down.contains(&one.client))
    }

    /// Delivers a message to all listeners.
    pub(super) fn deliver(&mut self, message: Message) {
        if let Some((_, sender)) = self.answers.remove(&message.subject) {
            let _ = sender.send(message.payload);
            return;
        }
        for listener in self.listeners(&message.subject) {
            listener.sender.send(message.clone());
        }
    }
}

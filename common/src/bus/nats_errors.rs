//! The refusals of NATS, and their reports (D27, D31).
//!
//! All connections of a process share one [`NatsErrors`], so that each fault is said once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

// Shared by the connections of a process; taken when NATS complains, and while something is refused.
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::bus::nats_error::{NatsError, NatsErrorKind};
use crate::subject;

/// The time after which the same error is said again.
const SAY_AGAIN: Duration = Duration::from_secs(600);
/// The most different errors that are remembered. Further ones are only counted.
const MAX_SAID: usize = 256;
/// The most faults that are remembered while they last. Further ones are only counted.
const MAX_LASTING: usize = 1_024;
/// The time after which an exceeded limit is tried again by a new connection.
const LIMIT_RETRY: Duration = Duration::from_secs(30);

/// The errors of all connections of a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct NatsErrors(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether something is refused: all that an append reads while all is well.
    any: AtomicBool,
    state: Mutex<State>,
    /// Counts the errors, and the refusals that have passed.
    changes: watch::Sender<u64>,
    /// Counts the times that all connections must be made again.
    reconnects: watch::Sender<u64>,
}

type Key = (NatsErrorKind, String);

#[derive(Debug, Default)]
struct State {
    /// The present refusals, and when they began.
    lasting: BTreeMap<Key, (NatsError, Instant)>,
    said: BTreeMap<Key, LoggedError>,
}

#[derive(Debug)]
struct LoggedError {
    at: Instant,
    more: u64,
}

impl State {
    /// Adds an error. Returns what to say about it, unless it was said.
    fn note(&mut self, error: &NatsError, now: Instant) -> Option<String> {
        let key = (error.kind, error.scope());
        let is_known = self.lasting.contains_key(&key);
        if error.kind.lasts() && (is_known || self.lasting.len() < MAX_LASTING) {
            let lasting = self.lasting.entry(key.clone());
            lasting.or_insert_with(|| (error.clone(), now));
        }
        if let Some(said) = self.said.get_mut(&key) {
            said.more += 1;
            if now < said.at + SAY_AGAIN {
                return None;
            }
            let more = std::mem::take(&mut said.more);
            said.at = now;
            return Some(format!(
                "{} ({more} times since the last line)",
                error.text()
            ));
        }
        if self.said.len() >= MAX_SAID {
            return None;
        }
        self.said.insert(key, LoggedError { at: now, more: 0 });
        Some(error.text())
    }
}

impl NatsErrors {
    /// Adds an error, and says it in the log if it is new.
    pub(crate) fn note(&self, error: &NatsError, now: Instant) {
        let said = {
            let mut state = self.0.state.lock();
            let said = state.note(error, now);
            self.0
                .any
                .store(!state.lasting.is_empty(), Ordering::Relaxed);
            said
        };
        self.0.changes.send_modify(|count| *count += 1);
        let Some(text) = said else { return };
        let kind = error.kind.name();
        match error.kind.lasts() {
            true => tracing::error!(kind, "{text}"),
            false => tracing::warn!(kind, "{text}"),
        }
    }

    /// Whether NATS refuses something at the moment.
    pub fn any(&self) -> bool {
        self.0.any.load(Ordering::Relaxed)
    }

    /// The present refusals in NATS' words, and the number of further ones.
    pub fn current(&self) -> Option<String> {
        if !self.any() {
            return None;
        }
        let state = self.0.state.lock();
        let (first, _) = state.lasting.values().next()?;
        Some(match state.lasting.len() {
            1 => first.text(),
            all => format!("{} (and {} more)", first.text(), all - 1),
        })
    }

    /// The number of refusals of a kind at the moment.
    pub fn lasting(&self, kind: NatsErrorKind) -> usize {
        if !self.any() {
            return 0;
        }
        let state = self.0.state.lock();
        state.lasting.keys().filter(|key| key.0 == kind).count()
    }

    /// NATS' words, if it denied a message on such a subject.
    pub(crate) fn denies_publish(&self, subject: &str) -> Option<String> {
        if !self.any() {
            return None;
        }
        let state = self.0.state.lock();
        let key = (NatsErrorKind::PublishDenied, subject::family(subject));
        state
            .lasting
            .get(&key)
            .map(|(error, _)| error.words.clone())
    }

    /// Waits until NATS denies a message on such a subject, and returns its words.
    pub(crate) async fn publish_denied(&self, subject: &str) -> String {
        let mut changes = self.0.changes.subscribe();
        loop {
            if let Some(words) = self.denies_publish(subject) {
                return words;
            }
            // `self` owns the sender.
            let _ = changes.changed().await;
        }
    }

    /// Waits while NATS denies a message on such a subject: until a trial of the permission succeeds, or there is a new
    /// connection.
    pub(crate) async fn publish_permitted(&self, subject: &str) {
        let mut changes = self.0.changes.subscribe();
        while self.denies_publish(subject).is_some() {
            // `self` owns the sender.
            let _ = changes.changed().await;
        }
    }

    /// The denied permissions.
    pub(crate) fn denied(&self) -> Vec<NatsError> {
        let state = self.0.state.lock();
        let errors = state.lasting.values().map(|(error, _)| error);
        errors
            .filter(|error| error.subject.is_some())
            .cloned()
            .collect()
    }

    /// Removes a refusal that has passed. A subscription is made again by a new connection.
    pub(crate) fn permitted(&self, error: &NatsError) {
        let mut state = self.0.state.lock();
        state.lasting.remove(&(error.kind, error.scope()));
        self.0
            .any
            .store(!state.lasting.is_empty(), Ordering::Relaxed);
        drop(state);
        self.0.changes.send_modify(|count| *count += 1);
        if error.kind == NatsErrorKind::SubscribeDenied {
            self.reconnect();
        }
    }

    /// Reconnects everything if a limit has been exceeded for long, because subscriptions may be lost.
    pub(crate) fn retry_limits(&self, now: Instant) {
        let state = self.0.state.lock();
        let is_due = state.lasting.iter().any(|((kind, _), (_, since))| {
            *kind == NatsErrorKind::Limit && now >= *since + LIMIT_RETRY
        });
        drop(state);
        if is_due {
            self.reconnect();
        }
    }

    fn reconnect(&self) {
        self.0.reconnects.send_modify(|count| *count += 1);
    }

    /// Changes when all connections must be made again.
    pub(crate) fn reconnects(&self) -> watch::Receiver<u64> {
        self.0.reconnects.subscribe()
    }

    /// Handles a new connection. NATS reports again what it still refuses.
    pub(crate) fn on_reconnected(&self) {
        if self.any() {
            self.0.state.lock().lasting.clear();
            self.0.any.store(false, Ordering::Relaxed);
            self.0.changes.send_modify(|count| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(room: u32) -> NatsError {
        NatsError::parse(&format!(
            r#"Permissions Violation for Publish to "in.3.relay-{room}""#
        ))
    }

    #[test]
    fn d31_an_error_of_nats_is_said_once_and_then_counted() {
        let (mut state, now) = (State::default(), tokio::time::Instant::now().into_std());
        let said = state.note(&denied(1), now).unwrap();
        assert!(said.contains("publish on in.3.*"), "{said}");
        assert!(said.contains(r#"Publish to "in.3.relay-1""#), "{said}");
        for room in 0..500 {
            assert_eq!(state.note(&denied(room), now), None);
        }
        let again = state.note(&denied(1), now + SAY_AGAIN).unwrap();
        assert!(
            again.ends_with("(501 times since the last line)"),
            "{again}"
        );
        for n in 0..1_000 {
            state.note(&NatsError::parse(&format!("error {n}")), now);
        }
        assert_eq!(state.said.len(), MAX_SAID);
        for n in 0..2_000 {
            state.note(&NatsError::parse(&format!("maximum {n} exceeded")), now);
        }
        assert_eq!(state.lasting.len(), MAX_LASTING);
    }

    #[test]
    fn d27_a_denied_permission_lasts_until_it_is_granted_or_the_connection_is_new() {
        let (errors, now) = (
            NatsErrors::default(),
            tokio::time::Instant::now().into_std(),
        );
        errors.note(&NatsError::parse("Stale Connection"), now);
        assert_eq!(errors.current(), None, "it does not last");
        errors.note(&denied(1), now);
        assert!(errors.denies_publish("in.3.relay-2").is_some());
        assert_eq!(errors.denies_publish("in.4.relay-2"), None);
        assert!(errors.current().unwrap().contains("Permissions Violation"));
        assert_eq!(errors.lasting(NatsErrorKind::PublishDenied), 1);
        let reconnects = errors.reconnects();
        errors.permitted(&errors.denied()[0]);
        assert_eq!(errors.current(), None);
        assert!(!reconnects.has_changed().unwrap());
        // A subscription that was removed must be made again.
        let hot = r#"Permissions Violation for Subscription to "hot.relay-1""#;
        errors.note(&NatsError::parse(hot), now);
        errors.permitted(&errors.denied()[0]);
        assert!(reconnects.has_changed().unwrap());
        errors.note(&NatsError::parse("authorization violation"), now);
        assert!(errors.current().unwrap().contains("the login"));
        errors.on_reconnected();
        assert_eq!(errors.current(), None);
    }
}

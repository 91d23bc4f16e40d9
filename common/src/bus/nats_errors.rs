//! The refusals of NATS, and their reports (D27, D31).
//!
//! All connections of a process share one [`NatsErrors`], so that each fault is said once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
/// The time without another refusal after which a bucket is forgotten, because no process writes to it any longer.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// The time after which an exceeded limit is tried again by a new connection.
const LIMIT_RETRY: Duration = Duration::from_secs(30);

/// The errors of all connections of a process, as one of its connections knows them. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct NatsErrors {
    shared: Arc<Shared>,
    connection: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether something is refused: all that an append reads while all is well.
    any: AtomicBool,
    state: Mutex<State>,
    /// Counts the connections.
    connections: AtomicU64,
    /// Counts the errors, and the refusals that have passed.
    changes: watch::Sender<u64>,
    /// Counts the times that all connections must be made again.
    reconnects: watch::Sender<u64>,
}

type Key = (NatsErrorKind, String);

/// A present refusal.
#[derive(Debug)]
struct Lasting {
    error: NatsError,
    /// The time at which it began; of a bucket, the time at which it came last.
    since: Instant,
    /// The connections that it was told to, and that have not been made again since.
    connections: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct State {
    lasting: BTreeMap<Key, Lasting>,
    said: BTreeMap<Key, LoggedError>,
}

#[derive(Debug)]
struct LoggedError {
    at: Instant,
    more: u64,
}

impl State {
    /// Adds an error. Returns what to say about it, unless it was said.
    fn note(&mut self, error: &NatsError, connection: u64, now: Instant) -> Option<String> {
        let key = (error.kind, error.scope());
        let is_known = self.lasting.contains_key(&key);
        if error.kind.lasts() && (is_known || self.lasting.len() < MAX_LASTING) {
            let lasting = self.lasting.entry(key.clone());
            let lasting = lasting.or_insert_with(|| Lasting {
                error: error.clone(),
                since: now,
                connections: BTreeSet::new(),
            });
            lasting.connections.insert(connection);
            if error.kind == NatsErrorKind::WriteRefused {
                lasting.since = now;
            }
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
    /// The same errors for a further connection.
    #[must_use]
    pub(crate) fn of_connection(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            connection: 1 + self.shared.connections.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Adds an error, and says it in the log if it is new.
    pub(crate) fn note(&self, error: &NatsError, now: Instant) {
        let said = {
            let mut state = self.shared.state.lock();
            let said = state.note(error, self.connection, now);
            self.shared
                .any
                .store(!state.lasting.is_empty(), Ordering::Relaxed);
            said
        };
        self.shared.changes.send_modify(|count| *count += 1);
        let Some(text) = said else { return };
        let kind = error.kind.name();
        if error.kind.lasts() {
            tracing::error!(kind, "{text}")
        } else {
            tracing::warn!(kind, "{text}")
        }
    }

    /// Whether NATS refuses something at the moment.
    pub fn any(&self) -> bool {
        self.shared.any.load(Ordering::Relaxed)
    }

    /// The present refusals in NATS' words, and the number of further ones.
    pub fn current(&self) -> Option<String> {
        if !self.any() {
            return None;
        }
        let state = self.shared.state.lock();
        let first = state.lasting.values().next()?.error.text();
        Some(match state.lasting.len() {
            1 => first,
            all => format!("{first} (and {} more)", all - 1),
        })
    }

    /// The number of refusals of a kind at the moment.
    pub fn lasting(&self, kind: NatsErrorKind) -> usize {
        if !self.any() {
            return 0;
        }
        let state = self.shared.state.lock();
        state.lasting.keys().filter(|key| key.0 == kind).count()
    }

    /// NATS' words, if it denied a message on such a subject.
    pub(crate) fn denies_publish(&self, subject: &str) -> Option<String> {
        if !self.any() {
            return None;
        }
        let state = self.shared.state.lock();
        let key = (NatsErrorKind::PublishDenied, subject::family(subject));
        state
            .lasting
            .get(&key)
            .map(|lasting| lasting.error.words.clone())
    }

    /// Waits until NATS denies a message on such a subject, and returns its words.
    pub(crate) async fn publish_denied(&self, subject: &str) -> String {
        let mut changes = self.shared.changes.subscribe();
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
        let mut changes = self.shared.changes.subscribe();
        while self.denies_publish(subject).is_some() {
            // `self` owns the sender.
            let _ = changes.changed().await;
        }
    }

    /// The denied permissions.
    pub(crate) fn denied(&self) -> Vec<NatsError> {
        let state = self.shared.state.lock();
        let errors = state.lasting.values().map(|lasting| &lasting.error);
        errors.filter(|error| error.is_denial()).cloned().collect()
    }

    /// Removes a refusal that has passed. A subscription is made again by a new connection.
    pub(crate) fn permitted(&self, error: &NatsError) {
        let passed = (error.kind, error.scope());
        self.retain(|key, _| *key != passed);
        if error.kind == NatsErrorKind::SubscribeDenied {
            self.reconnect();
        }
    }

    /// Handles a write that the bucket of this stream has accepted.
    pub(crate) fn on_stored(&self, stream: &str) {
        if self.any() {
            self.retain(|(kind, scope), _| {
                *kind != NatsErrorKind::WriteRefused || scope.as_str() != stream
            });
        }
    }

    /// Forgets refusals of buckets to which no process writes any longer.
    pub(crate) fn forget_refused(&self, now: Instant) {
        self.retain(|(kind, _), lasting| {
            *kind != NatsErrorKind::WriteRefused || now < lasting.since + REFUSED_FOR
        });
    }

    /// Keeps the refusals for which `keep` returns true.
    fn retain(&self, keep: impl Fn(&Key, &mut Lasting) -> bool) {
        let mut state = self.shared.state.lock();
        let before = state.lasting.len();
        state.lasting.retain(|key, lasting| keep(key, lasting));
        let is_changed = state.lasting.len() < before;
        self.shared
            .any
            .store(!state.lasting.is_empty(), Ordering::Relaxed);
        drop(state);
        if is_changed {
            self.shared.changes.send_modify(|count| *count += 1);
        }
    }

    /// Reconnects everything if a limit has been exceeded for long, because subscriptions may be lost.
    pub(crate) fn retry_limits(&self, now: Instant) {
        let state = self.shared.state.lock();
        let is_due = state.lasting.iter().any(|((kind, _), lasting)| {
            *kind == NatsErrorKind::Limit && now >= lasting.since + LIMIT_RETRY
        });
        drop(state);
        if is_due {
            self.reconnect();
        }
    }

    fn reconnect(&self) {
        self.shared.reconnects.send_modify(|count| *count += 1);
    }

    /// Changes when all connections must be made again.
    pub(crate) fn reconnects(&self) -> watch::Receiver<u64> {
        self.shared.reconnects.subscribe()
    }

    /// Handles a new connection in place of this one. NATS reports again what it still refuses, except to other connections
    /// about subscriptions that they have lost: those they still lack.
    pub(crate) fn on_reconnected(&self) {
        if self.any() {
            self.retain(|(kind, _), lasting| {
                lasting.connections.remove(&self.connection);
                *kind == NatsErrorKind::SubscribeDenied && !lasting.connections.is_empty()
            });
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
        let said = state.note(&denied(1), 1, now).unwrap();
        assert!(said.contains("publish on in.3.*"), "{said}");
        assert!(said.contains(r#"Publish to "in.3.relay-1""#), "{said}");
        for room in 0..500 {
            assert_eq!(state.note(&denied(room), 1, now), None);
        }
        let again = state.note(&denied(1), 1, now + SAY_AGAIN).unwrap();
        assert!(
            again.ends_with("(501 times since the last line)"),
            "{again}"
        );
        for n in 0..1_000 {
            state.note(&NatsError::parse(&format!("error {n}")), 1, now);
        }
        assert_eq!(state.said.len(), MAX_SAID);
        for n in 0..2_000 {
            state.note(&NatsError::parse(&format!("maximum {n} exceeded")), 1, now);
        }
        assert_eq!(state.lasting.len(), MAX_LASTING);
    }

    #[test]
    fn d27_a_reconnect_of_one_connection_forgets_nothing_that_another_lacks() {
        let all = NatsErrors::default();
        let (first, second) = (all.of_connection(), all.of_connection());
        let now = tokio::time::Instant::now().into_std();
        let ctl = r#"Permissions Violation for Subscription to "ctl.3""#;
        let (ctl, live) = (NatsError::parse(ctl), denied(1));
        second.note(&ctl, now);
        first.note(&live, now);
        let reconnects = all.reconnects();
        first.on_reconnected();
        assert_eq!(
            all.denied(),
            std::slice::from_ref(&ctl),
            "the second one lacks its subscription"
        );
        first.note(&ctl, now);
        second.on_reconnected();
        assert!(all.any());
        all.permitted(&ctl);
        assert!(reconnects.has_changed().unwrap());
        assert_eq!(all.current(), None);
    }

    #[test]
    fn d27_a_refused_write_lasts_until_its_bucket_stores_one_or_nobody_writes() {
        let (errors, now) = (
            NatsErrors::default(),
            tokio::time::Instant::now().into_std(),
        );
        let refused =
            |stream: &str| NatsError::write_refused(stream, 10_077, "maximum bytes exceeded");
        errors.note(&refused("KV_rooms_0"), now);
        errors.note(&refused("KV_workers"), now);
        assert_eq!(errors.lasting(NatsErrorKind::WriteRefused), 2);
        assert!(errors.denied().is_empty(), "it is not a permission");
        errors.on_stored("KV_rooms_1");
        errors.on_stored("KV_rooms_0");
        let current = errors.current().unwrap();
        assert!(
            current.contains("KV_workers: maximum bytes exceeded"),
            "{current}"
        );
        let later = now + REFUSED_FOR;
        errors.note(&refused("KV_workers"), later - LIMIT_RETRY / 2);
        errors.forget_refused(later);
        assert!(errors.any(), "it came again");
        errors.forget_refused(later + REFUSED_FOR);
        assert_eq!(errors.current(), None);
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

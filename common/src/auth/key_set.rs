//! Keeps the keys of a key set up to date.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::jwks::Jwks;
use crate::auth::jwks_source::{JwksSource, ReadError};
use crate::auth::verifier::Verifier;

/// The most time from a failed read to the next.
const RETRY: Duration = Duration::from_secs(10);

/// The metrics of a key set. Clones share their counters.
#[derive(Debug, Clone, Default)]
pub struct KeySetMetrics {
    reads: Family<Vec<(&'static str, &'static str)>, Counter>,
    keys: Gauge,
}

impl KeySetMetrics {
    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "key_set_reads",
            "Reads of the key set of tokens (auth.jwks), by result: ok, failed",
            self.reads.clone(),
        );
        let help = "Keys that verify tokens";
        registry.register("token_keys", help, self.keys.clone());
    }

    /// Makes each series exist, so that a description of the metrics sees its labels.
    pub fn touch(&self) {
        drop(self.reads.get_or_create(&vec![("result", "ok")]));
    }

    fn count(&self, result: &'static str) {
        self.reads.get_or_create(&vec![("result", result)]).inc();
    }
}

/// The state of the reads of a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// The reads that have ended.
    pub done: u64,
    /// Whether the next read is under way, or begins as soon as a token has an unknown key.
    pub is_next_open: bool,
}

/// A key set that is kept up to date. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct KeySet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: watch::Sender<Option<KeySetSettings>>,
    verifier: Verifier,
    reads: watch::Sender<Reads>,
}

/// The source of a key set, and the interval of its reads.
#[derive(Debug, Clone)]
pub struct KeySetSettings {
    /// Its source.
    pub source: JwksSource,
    /// The time between two reads.
    pub interval: Duration,
    /// The least time between two reads that tokens with unknown keys cause.
    pub least: Duration,
}

impl KeySet {
    /// A key set for a verifier; without `settings` there is none.
    pub fn new(settings: Option<KeySetSettings>, verifier: Verifier) -> Self {
        let is_next_open = settings.is_some();
        if is_next_open {
            verifier.expect_set();
        }
        let reads = Reads {
            done: 0,
            is_next_open,
        };
        Self(Arc::new(Shared {
            settings: watch::Sender::new(settings),
            verifier,
            reads: watch::Sender::new(reads),
        }))
    }

    /// Reads the set from another source, or at other times, beginning now. The keys of the former source stay until then;
    /// without `settings` they are removed.
    pub fn replace(&self, settings: Option<KeySetSettings>) {
        let shared = &*self.0;
        match (&settings, self.exists()) {
            (Some(_), false) => shared.verifier.expect_set(),
            (None, true) => shared.verifier.forget_set(),
            _ => {}
        }
        let is_next_open = settings.is_some();
        shared.settings.send_replace(settings);
        shared
            .reads
            .send_modify(|reads| reads.is_next_open = is_next_open);
    }

    /// Whether there is a set.
    pub fn exists(&self) -> bool {
        self.0.settings.borrow().is_some()
    }

    /// The ends of reads. A token with an unknown key may be verified again after the next one, if that is open.
    pub fn reads(&self) -> watch::Receiver<Reads> {
        self.0.reads.subscribe()
    }

    /// Waits until the verifier has keys, or, if it has some beside the set, until the first read has ended.
    pub async fn ready(&self) {
        let verifier = &self.0.verifier;
        let is_ready = |reads: &Reads| reads.done > 0 && verifier.keys() > 0;
        // The sender is in `self`.
        self.reads().wait_for(is_ready).await.ok();
    }

    /// Reads the set again and again, forever. Keys that were read stay while the source is away.
    pub async fn drive(self, metrics: KeySetMetrics) {
        let shared = &*self.0;
        let verifier = &shared.verifier;
        let mut settings = shared.settings.subscribe();
        let mut said = String::new();
        let mut failing = None::<ReadError>;
        loop {
            let current = settings.borrow_and_update().clone();
            let Some(KeySetSettings {
                source,
                interval,
                least,
            }) = current
            else {
                (said, failing) = (String::new(), None);
                metrics.keys.set(verifier.keys() as i64);
                // The sender is in `self`.
                settings.changed().await.ok();
                continue;
            };
            let begun = Instant::now();
            let read = tokio::select! {
                read = source.read() => read,
                _ = settings.changed() => continue,
            };
            let pause = match &read {
                Ok(_) => interval,
                Err(_) => interval.min(RETRY),
            };
            match read {
                Ok(set) => {
                    metrics.count("ok");
                    said = match failing.take() {
                        Some(_) => say(&set, String::new()),
                        None => say(&set, said),
                    };
                    verifier.replace_set(set.keys);
                }
                Err(error) => {
                    metrics.count("failed");
                    if !failing.as_ref().is_some_and(|last| last.is_like(&error)) {
                        let keys = verifier.keys();
                        tracing::error!(
                            keys,
                            "auth.jwks: the key set of tokens cannot be used, so the keys stay as they are: {error}"
                        );
                    }
                    failing = Some(error);
                }
            }
            metrics.keys.set(verifier.keys() as i64);
            // A token that came during the read waits for its end, not for another one.
            verifier.missed().now_or_never();
            shared.reads.send_modify(|reads| {
                reads.done += 1;
                reads.is_next_open = false;
            });
            tokio::select! {
                () = tokio::time::sleep_until(begun + least.min(pause)) => {}
                _ = settings.changed() => continue,
            }
            shared.reads.send_modify(|reads| reads.is_next_open = true);
            tokio::select! {
                () = tokio::time::sleep_until(begun + pause) => {}
                () = verifier.missed() => {}
                _ = settings.changed() => {}
            }
        }
    }
}

/// Logs what was read, unless `said` is the same. Returns what was logged.
fn say(set: &Jwks, said: String) -> String {
    let ids = set.keys.iter().map(|key| key.id().unwrap_or("(no kid)"));
    let kids = ids.collect::<Vec<_>>().join(", ");
    let skipped = set.skipped.join("; ");
    let now = format!("{kids}\n{skipped}");
    if now != said {
        tracing::info!(kids, skipped, "the key set of tokens was read");
    }
    now
}

#[cfg(test)]
mod tests;

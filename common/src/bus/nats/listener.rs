//! Listens to what the client library reports about a connection beside messages.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::{Event, Server};
// Taken by the client library while it reconnects.
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bus::nats::dial;
use crate::bus::nats_error::{NatsError, NatsErrorKind};
use crate::bus::nats_errors::NatsErrors;
use crate::bus::stats::BusStats;

/// Passes on what NATS reports about a connection.
#[derive(Clone)]
pub(super) struct Listener {
    errors: NatsErrors,
    stats: Arc<BusStats>,
}

impl Listener {
    pub(super) fn new(errors: &NatsErrors, stats: &Arc<BusStats>) -> Self {
        Self {
            errors: errors.clone(),
            stats: stats.clone(),
        }
    }

    pub(super) fn hear(&self, event: &Event) {
        let (kind, words) = match event {
            Event::ServerError(error) => return self.note(&NatsError::parse(&dial::words(error))),
            Event::SlowConsumer(_) => {
                BusStats::count(&self.stats.slow_consumers);
                (NatsErrorKind::SlowConsumer, event.to_string())
            }
            Event::LameDuckMode => (NatsErrorKind::LameDuck, event.to_string()),
            _ => return,
        };
        self.note(&NatsError {
            kind,
            subject: None,
            words,
        });
    }

    fn note(&self, error: &NatsError) {
        BusStats::count(&self.stats.errors[error.kind as usize]);
        self.errors.note(error, Instant::now().into_std());
    }
}

/// Passes on why servers refuse to be connected to, which no event tells. The number of failed attempts of each server
/// shows which refusals are new.
pub(super) struct RefusedServers(Listener, Mutex<HashMap<String, usize>>);

impl RefusedServers {
    pub(super) fn new(listener: &Listener) -> Self {
        Self(listener.clone(), Mutex::default())
    }

    pub(super) fn hear(&self, servers: &[Server]) {
        let mut known = self.1.lock();
        for server in servers {
            let failed = known
                .entry(server.addr.as_url_str().to_owned())
                .or_default();
            let is_new = std::mem::replace(failed, server.failed_attempts) < server.failed_attempts;
            let error = server.last_error.as_deref().filter(|_| is_new);
            if let Some(words) = error.and_then(dial::words_in) {
                self.0.note(&NatsError::parse(&words));
            }
        }
    }
}

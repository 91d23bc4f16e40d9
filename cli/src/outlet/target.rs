//! An endpoint with its connections, its circuit breaker and its metrics.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::client::{AttemptError, Client, Wanted};
use super::endpoint::Endpoint;
use super::metrics::{EndpointMetrics, OutletMetrics};

/// An endpoint that gets requests. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) metrics: EndpointMetrics,
    client: Arc<Client>,
    /// A lock, because deliveries and calls share it and their future moves between threads.
    breaker: Arc<Mutex<Breaker>>,
}

/// Tells the breaker of a request that was dropped.
struct Dropped<'a>(Option<&'a Mutex<Breaker>>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = self.0 {
            breaker.lock().forget();
        }
    }
}

impl Target {
    pub(super) fn new(endpoint: Endpoint, tls: ClientConfig, metrics: &OutletMetrics) -> Self {
        let endpoint = Arc::new(endpoint);
        let breaker = Breaker::new(endpoint.breaker_failures, endpoint.breaker);
        Self {
            metrics: metrics.endpoint(&endpoint.name),
            client: Arc::new(Client::new(Arc::clone(&endpoint), tls)),
            endpoint,
            breaker: Arc::new(Mutex::new(breaker)),
        }
    }

    /// Whether a request may be sent now. If so, it must be [sent](Self::send).
    pub(super) fn admit(&self) -> bool {
        let admitted = self.breaker.lock().admit(Instant::now());
        self.show();
        admitted
    }

    /// The time from which on a request may be sent; `None` if that is now, or depends on the request under way.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.breaker.lock().opens_at(Instant::now())
    }

    /// Sends a request that was admitted.
    pub(super) async fn send(
        &self,
        id: &str,
        body: Bytes,
        wanted: Wanted,
        limit: Duration,
    ) -> Result<Bytes, AttemptError> {
        let mut dropped = Dropped(Some(&self.breaker));
        let result = self.client.post(id, body, wanted, limit).await;
        dropped.0 = None;
        let is_well = result.as_ref().err().is_none_or(AttemptError::is_refusal);
        let changed = self.breaker.lock().end(is_well, Instant::now());
        self.show();
        let endpoint = self.endpoint.name.as_str();
        match (&result, changed) {
            (Err(why), true) if !is_well => {
                tracing::warn!(endpoint, "the endpoint gets no requests for a while: {why}");
            }
            (_, true) => tracing::info!(endpoint, "the endpoint works again"),
            (Err(why), false) => tracing::debug!(endpoint, id, "an attempt has failed: {why}"),
            (Ok(_), false) => {}
        }
        result
    }

    /// Notes that a request that was admitted is not sent.
    pub(super) fn forget(&self) {
        self.breaker.lock().forget();
    }

    /// Sets the metric of the breaker.
    pub(super) fn show(&self) {
        let state = self.breaker.lock().state(Instant::now());
        self.metrics.breaker.set(state as i64);
    }
}

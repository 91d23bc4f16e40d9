//! Delivers the items of some topics to an endpoint.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::OutItem;
use grandstand_common::clock::unix_ms;

use super::client::{AttemptError, Wanted};
use super::letter::{Letter, gone_key};
use super::metrics::Delivery;
use super::store::{Keep, Store};
use super::target::Target;

/// The most bytes of an item that the bucket keeps. Games emit less; items of other programs may be larger.
const MAX_BYTES: usize = 256 * 1024;

/// An item to deliver, and where it comes from.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) letter: Letter,
    /// The revision of the letter in the bucket; 0 if it is not there yet.
    pub(super) revision: u64,
    /// The sequence in the stream of an item that comes from there.
    pub(super) seq: Option<u64>,
}

impl Parcel {
    /// The parcel of an item of the stream.
    pub(super) fn new(endpoint: &str, item: &OutItem) -> Self {
        Self {
            letter: Letter::new(endpoint, item),
            revision: 0,
            seq: Some(item.seq),
        }
    }
}

/// The end of an attempt to deliver a parcel.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) id: String,
    pub(super) seq: Option<u64>,
    pub(super) fate: Fate,
}

/// The fate of an item after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The endpoint has taken it.
    Taken,
    /// The item waits in the bucket for its next attempt.
    Waits { revision: u64, next_ms: u64 },
    /// The item waits in the bucket, because the endpoint wants no requests any more.
    Gone { revision: u64, next_ms: u64 },
    /// The item is a dead letter.
    Dead,
}

/// Delivers items to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Deliverer {
    pub(super) target: Target,
    pub(super) store: Store,
    pub(super) dead_for: Duration,
}

impl Deliverer {
    /// Makes one attempt to deliver an item, and stores what is to be done if it fails.
    pub(super) async fn deliver(self, parcel: Parcel) -> Delivered {
        let Parcel {
            mut letter,
            revision,
            seq,
        } = parcel;
        let body = Bytes::from(letter.body.clone());
        let sent = self
            .target
            .send(&letter.id, body, Wanted::Receipt, Duration::MAX)
            .await;
        let id = letter.id.clone();
        let fate = match sent {
            Ok(_) => {
                self.target.metrics.deliveries.inc(Delivery::Delivered);
                if revision > 0 {
                    self.store.delete_for_sure(&letter.key(), revision).await;
                }
                Fate::Taken
            }
            Err(why) => self.fail(&mut letter, revision, &why).await,
        };
        Delivered { id, seq, fate }
    }

    async fn fail(&self, letter: &mut Letter, revision: u64, why: &AttemptError) -> Fate {
        let endpoint = &self.target.endpoint;
        let now_ms = unix_ms();
        letter.attempts = letter.attempts.saturating_add(1);
        letter.failed_ms = now_ms;
        letter.why = why.to_string();
        let age_ms = now_ms.saturating_sub(letter.stored_ms);
        let is_last = letter.attempts >= endpoint.max_attempts || age_ms > endpoint.max_age_ms;
        if letter.body.len() > MAX_BYTES {
            let (endpoint, id) = (&letter.endpoint, &letter.id);
            tracing::error!(
                endpoint,
                id,
                "an item is dropped, because it has more than {MAX_BYTES} bytes: {why}"
            );
            self.target.metrics.deliveries.inc(Delivery::Dead);
            return Fate::Dead;
        }
        if is_last && !why.is_gone() {
            letter.next_ms = None;
            let (endpoint, id) = (&letter.endpoint, &letter.id);
            tracing::warn!(endpoint, id, "an item is a dead letter: {why}");
            self.target.metrics.deliveries.inc(Delivery::Dead);
            let keep = Keep::For(self.dead_for);
            let key = letter.key();
            self.store
                .write_for_sure(&key, letter, revision, keep)
                .await;
            return Fate::Dead;
        }
        self.target.metrics.deliveries.inc(Delivery::Failed);
        let pause = endpoint.backoff.pause(letter.attempts, why.retry_after());
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let next_ms = now_ms.saturating_add(pause_ms);
        letter.next_ms = Some(next_ms);
        let key = letter.key();
        let revision = self
            .store
            .write_for_sure(&key, letter, revision, Keep::Forever)
            .await;
        if !why.is_gone() {
            return Fate::Waits { revision, next_ms };
        }
        let key = gone_key(&endpoint.name);
        self.store
            .write_for_sure(&key, &now_ms, 0, Keep::Forever)
            .await;
        Fate::Gone { revision, next_ms }
    }
}

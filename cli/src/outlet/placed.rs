//! A place in the stream that is stored now and then.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use grandstand_common::bus::{BusError, OutGap, OutPosition, OutReader, PutError};
use grandstand_common::id::Topic;
use tokio::time::{Instant, sleep_until};

use super::place::Place;
use super::sections::From;
use super::store::{Keep, Store};

/// The interval at which a place is stored. What was completed meanwhile is delivered again after a crash.
const INTERVAL: Duration = Duration::from_millis(500);

/// A place in the stream, as it is and as it is stored.
pub(super) struct Placed {
    store: Store,
    key: String,
    pub(super) place: Place,
    stored: Place,
    revision: u64,
    saving: Option<BoxFuture<'static, (Place, Result<u64, PutError>)>>,
    not_before: Instant,
}

impl Placed {
    /// Opens a reader at the place of a consumer.
    ///
    /// # Errors
    /// If the bus is away.
    pub(super) async fn open(
        store: &Store,
        consumer: &str,
        topics: &[Topic],
        from: From,
    ) -> Result<(Self, OutReader), BusError> {
        let key = format!("place.{consumer}");
        let (found, revision) = store.read::<Place>(&key).await?;
        let stored = found.clone().unwrap_or_default();
        let (place, reader) = match found {
            Some(mut place) => {
                let reader = store.bus().read_out(topics, Some(place.resume())).await?;
                tell_gap(&reader, consumer);
                if reader.gap() == OutGap::Restarted {
                    place = Place::behind(OutPosition {
                        created_ms: reader.end().created_ms,
                        seq: 0,
                    });
                }
                (place, reader)
            }
            None => {
                let reader = store.bus().read_out(topics, None).await?;
                let end = reader.end();
                match from {
                    From::New => {
                        let reader = store.bus().read_out(topics, Some(end)).await?;
                        (Place::behind(end), reader)
                    }
                    From::All => (Place::behind(OutPosition { seq: 0, ..end }), reader),
                }
            }
        };
        let placed = Self {
            store: store.clone(),
            key,
            place,
            stored,
            revision,
            saving: None,
            not_before: Instant::now(),
        };
        Ok((placed, reader))
    }

    /// Stores the place when it has changed, but not more often than twice a second. Cancel safe. Never returns otherwise.
    ///
    /// # Errors
    /// If another process has stored one.
    pub(super) async fn save(&mut self) -> Result<(), PutError> {
        loop {
            if let Some(saving) = &mut self.saving {
                let (place, result) = saving.await;
                self.saving = None;
                self.saved(place, result)?;
            }
            if self.place == self.stored {
                return std::future::pending().await;
            }
            sleep_until(self.not_before).await;
            self.begin();
        }
    }

    /// Stores the place at the end.
    pub(super) async fn finish(&mut self) {
        if let Some(saving) = self.saving.take() {
            let (place, result) = saving.await;
            self.saved(place, result).ok();
        }
        if self.place != self.stored {
            self.begin();
            if let Some(saving) = self.saving.take() {
                let (_, result) = saving.await;
                if let Err(error) = result {
                    let key = &self.key;
                    tracing::warn!(key, %error, "the place is not stored: some items are delivered again");
                }
            }
        }
    }

    fn begin(&mut self) {
        let (store, key, place) = (self.store.clone(), self.key.clone(), self.place.clone());
        let revision = self.revision;
        let saving = async move {
            let result = store.write(&key, &place, revision, Keep::Forever).await;
            (place, result)
        };
        self.saving = Some(saving.boxed());
    }

    fn saved(&mut self, place: Place, result: Result<u64, PutError>) -> Result<(), PutError> {
        self.not_before = Instant::now() + INTERVAL;
        match result {
            Ok(revision) => {
                self.revision = revision;
                self.stored = place;
                Ok(())
            }
            Err(error @ (PutError::WrongRevision | PutError::Unknown(_))) => Err(error),
            Err(error) => {
                tracing::debug!(key = self.key, %error, "the place is stored later");
                Ok(())
            }
        }
    }
}

fn tell_gap(reader: &OutReader, consumer: &str) {
    match reader.gap() {
        OutGap::None => {}
        OutGap::Removed => tracing::error!(
            consumer,
            "the stream has removed items before they were delivered, because they were old or the stream was full"
        ),
        OutGap::Restarted => tracing::warn!(
            consumer,
            "the stream was created again or has lost its end; it is read from its beginning, and items may be delivered again"
        ),
    }
}

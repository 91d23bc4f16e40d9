//! The lease of the outlet process that is at work, of several.

use std::time::Duration;

use grandstand_common::bus::{BusError, PutError};
use tokio::time::{Instant, sleep};

use super::store::{Keep, Store};

/// The key of the lease.
const KEY: &str = "lease";
/// The time after which the lease of a dead process ends.
const TTL: Duration = Duration::from_secs(6);
/// The interval of renewals.
const RENEW: Duration = Duration::from_secs(2);

/// The reason why it is not known which process is at work.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    #[error("the bucket of outlets cannot be read: {0}")]
    Read(#[from] BusError),
    #[error("the bucket of outlets cannot be written: {0}")]
    Write(#[from] PutError),
}

/// The lease, held or not.
#[derive(Debug)]
pub(super) struct Lease {
    store: Store,
    /// A random number that tells this process from others.
    holder: String,
    revision: u64,
}

impl Lease {
    pub(super) fn new(store: Store) -> Self {
        let holder = format!("{:032x}", rand::random::<u128>());
        Self {
            store,
            holder,
            revision: 0,
        }
    }

    /// Takes the lease, if no other process has it.
    ///
    /// # Errors
    /// If the bus is away, or refuses it.
    pub(super) async fn take(&mut self) -> Result<bool, LeaseError> {
        let (found, revision) = self.store.read::<String>(KEY).await?;
        if found.is_some_and(|holder| holder != self.holder) {
            return Ok(false);
        }
        match self.put(revision).await {
            Ok(revision) => {
                self.revision = revision;
                Ok(true)
            }
            Err(PutError::WrongRevision) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, expected: u64) -> Result<u64, PutError> {
        let put = self
            .store
            .write(KEY, &self.holder, expected, Keep::For(TTL));
        put.await
    }

    /// Renews the lease until another process has it. While the bus is away nobody can take it.
    pub(super) async fn keep(&mut self) {
        let mut renewed = Instant::now();
        loop {
            sleep(RENEW).await;
            match self.put(self.revision).await {
                Ok(revision) => {
                    self.revision = revision;
                    renewed = Instant::now();
                }
                Err(PutError::WrongRevision) => match self.take().await {
                    Ok(true) => renewed = Instant::now(),
                    Ok(false) => return,
                    Err(_) => {}
                },
                Err(error) => {
                    let since_s = renewed.elapsed().as_secs();
                    tracing::debug!(%error, since_s, "the lease is not renewed");
                }
            }
        }
    }

    /// Gives the lease back.
    pub(super) async fn release(&self) {
        // Without it the lease ends by itself.
        self.store.delete(KEY, self.revision).await.ok();
    }
}

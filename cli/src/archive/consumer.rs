//! Takes results from the stream and stores them.

use std::pin::pin;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusError, OutGap, OutPosition, OutReader, Read};
use grandstand_common::id::Topic;
use grandstand_common::process::admin::Pulse;
use grandstand_common::process::drain;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::backoff::Backoff;
use super::batch::{Batch, StoreError, Stored};
use super::health::Health;
use super::metrics::ArchiveMetrics;
use super::result::Item;
use super::store::{Database, Store};

/// The most messages of a batch.
const MOST_MESSAGES: usize = 2_000;

/// The bytes of messages after which a batch ends.
const MOST_BYTES: usize = 4 << 20;

/// The time for which a batch waits for more messages.
const LINGER: Duration = Duration::from_millis(20);

/// The most time for which the database may take for a batch.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// The interval at which a standby tries to take over.
const STANDBY: Duration = Duration::from_secs(1);

/// The most time for finding out how much waits while the database is away.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// Stores results until the process ends.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) bus: Bus,
    pub(super) topic: Topic,
    pub(super) database: Database,
    pub(super) health: Health,
    pub(super) metrics: ArchiveMetrics,
    pub(super) pulse: Pulse,
    pub(super) watch: drain::Watch,
}

/// The reason why a session has ended before the process.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the stream cannot be read: {0}")]
    Bus(#[from] BusError),
    #[error("the reader of the stream has lost its place")]
    Lost,
}

impl Consumer {
    /// Stores results until the process ends. Waits while the database or the stream is away.
    ///
    /// # Errors
    /// If the tables of the database are newer than the program.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        self.pulse.begin();
        let mut backoff = Backoff::default();
        let mut position = None;
        loop {
            let Err(error) = self.session(&mut backoff, &mut position).await else {
                return Ok(());
            };
            match error {
                SessionError::Store(error @ StoreError::Newer { .. }) => return Err(error),
                SessionError::Store(StoreError::Moved) | SessionError::Lost => {
                    tracing::info!("reading the stream again: {error}");
                }
                error => self.health.down(&error.to_string()),
            }
            let pause = sleep(backoff.pause());
            if self.wait(pause).await.is_none() {
                return Ok(());
            }
            if !self.health.is_up() {
                let lag = timeout(LOOK_TIMEOUT, self.waiting(position)).await;
                if let Ok(Some(lag)) = lag {
                    self.metrics.lag.set(lag);
                }
            }
        }
    }

    /// Connects, and stores results until the process ends.
    async fn session(
        &mut self,
        backoff: &mut Backoff,
        position: &mut Option<OutPosition>,
    ) -> Result<(), SessionError> {
        let database = self.database.clone();
        let mut store = match self.wait(database.store()).await {
            Some(store) => store?,
            None => return Ok(()),
        };
        while !self.hold(in_time(store.leads())).await? {
            self.health.standby();
            if self.wait(sleep(STANDBY)).await.is_none() {
                return Ok(());
            }
        }
        *position = self.hold(in_time(store.position())).await?;
        let topics = [self.topic.clone()];
        let bus = self.bus.clone();
        let Some(reader) = self.wait(bus.read_out(&topics, *position)).await else {
            return Ok(());
        };
        let mut reader = reader?;
        self.tell_gap(&reader);
        self.health.up();
        while let Some(batch) = self.next_batch(&mut reader, *position).await? {
            let (after, count) = (batch.after, batch.items.len() as i64);
            let stored = self.store(&mut store, batch).await?;
            self.metrics.count(stored);
            self.metrics
                .lag
                .set((self.metrics.lag.get() - count).max(0));
            *position = Some(after);
            backoff.reset();
        }
        Ok(())
    }

    /// The next messages, as many as there are; `None` once the process ends.
    async fn next_batch(
        &self,
        reader: &mut OutReader,
        before: Option<OutPosition>,
    ) -> Result<Option<Batch>, SessionError> {
        let (first, mut behind) = loop {
            match self.wait(reader.next()).await {
                None => return Ok(None),
                Some(Read::Item(item, behind)) => break (item, behind),
                Some(Read::Idle) => drop(self.metrics.lag.set(0)),
                Some(Read::Lost) => return Err(SessionError::Lost),
            }
        };
        let deadline = Instant::now() + LINGER;
        let mut bytes = first.body.len();
        let mut after = reader.position(&first);
        let mut items = vec![Item::from(first)];
        while items.len() < MOST_MESSAGES && bytes < MOST_BYTES {
            // A lost reader says so again.
            let Ok(Read::Item(item, still)) = timeout_at(deadline, reader.next()).await else {
                break;
            };
            behind = still;
            bytes += item.body.len();
            after = reader.position(&item);
            items.push(Item::from(item));
        }
        let lag = behind.saturating_add(items.len() as u64);
        self.metrics.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        Ok(Some(Batch {
            before,
            after,
            items,
        }))
    }

    /// Stores a batch. A message with a value that the database cannot store is refused, and disturbs no other one.
    pub(super) async fn store(
        &self,
        store: &mut Store,
        batch: Batch,
    ) -> Result<Stored, StoreError> {
        let mut all = Stored::default();
        let mut todo = vec![batch];
        while let Some(batch) = todo.pop() {
            match self.hold(in_time(store.store(&batch))).await {
                Ok(stored) => {
                    tell_refused(&batch, stored);
                    all.add(stored);
                }
                Err(StoreError::Value(why)) => todo.extend(split(batch, why)?),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The number of messages that wait behind a place; `None` if that is not known.
    async fn waiting(&self, position: Option<OutPosition>) -> Option<i64> {
        let topics = [self.topic.clone()];
        let mut reader = self.bus.read_out(&topics, position).await.ok()?;
        match reader.next().await {
            Read::Item(_, behind) => i64::try_from(behind).ok()?.checked_add(1),
            Read::Idle => Some(0),
            Read::Lost => None,
        }
    }

    fn tell_gap(&self, reader: &OutReader) {
        match reader.gap() {
            OutGap::None => return,
            OutGap::Removed => tracing::error!(
                "the stream has removed messages before they were stored, because they were old or the stream was full: results may \
                 be missing"
            ),
            OutGap::Restarted => tracing::warn!(
                "the stream was created again or has lost its end; it is read from its beginning, and results that are stored are \
                 skipped"
            ),
        }
        self.metrics.gaps.inc();
    }

    /// Waits for something, or for the end of the process: then `None`.
    async fn wait<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                _ = self.watch.signaled() => return None,
                value = &mut future => return Some(value),
                () = self.pulse.asked() => self.pulse.answer(),
            }
        }
    }

    /// Waits for something that is to be completed even if the process ends.
    async fn hold<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                value = &mut future => return value,
                () = self.pulse.asked() => self.pulse.answer(),
            }
        }
    }
}

/// Something that the database does, unless it takes too long.
async fn in_time<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(STORE_TIMEOUT, future).await.unwrap_or_else(|_| {
        let seconds = STORE_TIMEOUT.as_secs();
        let text = format!("the database has not answered within {seconds} s");
        Err(StoreError::Unavailable(text))
    })
}

/// Two halves of a batch, the first one last. A single message is refused instead.
fn split(batch: Batch, why: String) -> Result<Vec<Batch>, StoreError> {
    let Batch {
        before,
        after,
        mut items,
    } = batch;
    if let [item] = items.as_mut_slice() {
        if item.result.is_err() {
            // It cannot be kept as a refused one either.
            return Err(StoreError::Unavailable(why));
        }
        item.result = Err(why);
        return Ok(vec![Batch {
            before,
            after,
            items,
        }]);
    }
    let second = items.split_off(items.len() / 2);
    let middle = items.last().map(|item| OutPosition {
        created_ms: after.created_ms,
        seq: item.message.seq,
    });
    let first = Batch {
        before,
        after: middle.unwrap_or(after),
        items,
    };
    let second = Batch {
        before: middle,
        after,
        items: second,
    };
    Ok(vec![second, first])
}

/// Names the first of the refused messages, so that a flood of them does not flood the log.
fn tell_refused(batch: &Batch, stored: Stored) {
    let refused = batch.items.iter().find_map(|item| {
        let reason = item.result.as_ref().err()?;
        Some((&item.message, reason))
    });
    if let Some((message, reason)) = refused {
        tracing::warn!(
            id = message.id,
            seq = message.seq,
            refused = stored.refused,
            "a message is no result and is kept in the table refused_results: {reason}"
        );
    }
}

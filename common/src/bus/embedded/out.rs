//! The stream of what games emit, in the embedded bus: a table of keys `{topic}.{id}`, whose revisions are the sequences.
//!
//! An item is therefore never stored twice as long as it is kept.

use bytes::Bytes;
use grandstand_types::id::Topic;
use tokio::sync::OwnedSemaphorePermit;

use crate::bus::embedded::client::Embedded;
use crate::bus::embedded::cursor::{Cursor, KvPosition, Lookup, Position};
use crate::bus::embedded::faults::WriteOutcome;
use crate::bus::embedded::kv::Value;
use crate::bus::embedded::state::{Ack, State, out_index};
use crate::bus::embedded::store::Shared;
use crate::bus::embedded::write::never;
use crate::bus::error::{AppendError, BusError, PublishError, Unanswered};
use crate::bus::key_filter::KeyFilter;
use crate::bus::options::OUT_MAX_AGE;
use crate::bus::receipt::{Answer, Receipt};
use crate::bus::types::{KvEntry, LogState, OutItem, OutPosition};

/// The beginning of an item's way.
enum Emitting {
    Started(Receipt),
    /// The item with this sequence has the same id.
    Repeated(u64),
}

impl Embedded {
    pub(crate) async fn emit(
        &self,
        topic: &Topic,
        id: &str,
        body: Bytes,
    ) -> Result<Receipt, PublishError> {
        let key = format!("{topic}.{id}");
        let permit = self.permit().await;
        match self.start_emit(&key, body, permit)? {
            Emitting::Started(receipt) => Ok(receipt),
            Emitting::Repeated(seq) => self.until_stored(seq).await,
        }
    }

    fn start_emit(
        &self,
        key: &str,
        body: Bytes,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Emitting, PublishError> {
        let out = out_index(&self.shared().options);
        let size = key.len() + body.len();
        let mut guard = self.shared().state.lock();
        let state = &mut *guard;
        if !self.before_send(state, body.len())? {
            let lost: AppendError = Unanswered::Disconnected.into();
            return Ok(Emitting::Started(known(Err(lost))));
        }
        let outcome = state.faults.as_mut().map(|faults| faults.write(false));
        if outcome == Some(WriteOutcome::Lost) {
            return Ok(Emitting::Started(Receipt::new(never())));
        }
        state.expire(out);
        let earlier = state.buckets[out].revision(key);
        if earlier > 0 {
            return Ok(match outcome {
                Some(WriteOutcome::AckLost) => Emitting::Started(Receipt::new(never())),
                _ => Emitting::Repeated(earlier),
            });
        }
        let ttl_ms = Some(OUT_MAX_AGE.as_millis() as u64);
        let put = state.put(out, key, Value::InMemory(body), ttl_ms, 0);
        let Ok((seq, to_write)) = put else {
            return Ok(Emitting::Started(known(Err(AppendError::Unavailable))));
        };
        if to_write.is_none() {
            state.trim_out(out, (seq, size), self.shared().options.log_memory);
        }
        if outcome == Some(WriteOutcome::AckLost) {
            return Ok(Emitting::Started(Receipt::new(never())));
        }
        let Some(change) = to_write else {
            return Ok(Emitting::Started(known(Ok(seq))));
        };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.queue(guard, change, Ack::Append(sender, seq), permit);
        Ok(Emitting::Started(Receipt::new(Answer::Pending(receiver))))
    }

    /// Waits until an item that was emitted before is durable.
    async fn until_stored(&self, seq: u64) -> Result<Receipt, PublishError> {
        let out = out_index(&self.shared().options);
        let mut wake = self.shared().state.lock().buckets[out].wake.subscribe();
        loop {
            {
                let state = self.shared().state.lock();
                if state.failed {
                    return Err(PublishError::StoreFailed);
                }
                if state.buckets[out].visible >= seq {
                    return Ok(known(Ok(seq)));
                }
            }
            if wake.changed().await.is_err() {
                return Err(PublishError::StoreFailed);
            }
        }
    }

    pub(crate) async fn read_out(
        &self,
        topics: &[Topic],
        after: Option<OutPosition>,
    ) -> Result<(LogState, Cursor<OutKeys>), BusError> {
        if self.is_down() {
            return Err(BusError::Disconnected);
        }
        let prefixes: Vec<_> = match topics {
            [] => vec![String::new()],
            topics => topics.iter().map(|topic| format!("{topic}.")).collect(),
        };
        let filter = KeyFilter::new(&prefixes)?;
        let bucket = out_index(&self.shared().options);
        let (stream, wake) = {
            let mut state = self.shared().state.lock();
            state.expire(bucket);
            (
                state.out_state(bucket),
                state.buckets[bucket].wake.subscribe(),
            )
        };
        let position = OutKeys(KvPosition {
            bucket,
            filter,
            next: OutPosition::resume(after, &stream).0,
            waits_for: 0,
        });
        Ok((stream, self.cursor(wake, position)))
    }
}

impl State {
    /// Drops the oldest items of a bus without a folder that exceed its memory, because of one that was added.
    fn trim_out(&mut self, out: usize, (seq, bytes): (u64, usize), max: usize) {
        for gone in self.out_memory.add(seq, bytes, max) {
            self.buckets[out].drop_revision(gone);
        }
    }

    /// The stream is as old as those of the log.
    fn out_state(&self, out: usize) -> LogState {
        let kv = &self.buckets[out];
        LogState {
            first: kv.first(),
            last: kv.visible,
            created_ms: self.log.streams[0].created_ms,
        }
    }
}

fn known(result: Result<u64, AppendError>) -> Receipt {
    Receipt::new(Answer::Ready(Some(result)))
}

/// A position among the items.
#[derive(Debug)]
pub(crate) struct OutKeys(KvPosition);

impl Position for OutKeys {
    type Item = OutItem;

    fn read_next(&mut self, shared: &Shared, state: &mut State) -> Lookup<OutItem> {
        match self.0.read_next(shared, state) {
            Lookup::Items(entries, more) => {
                Lookup::Items(entries.into_iter().filter_map(item).collect(), more)
            }
            Lookup::Lost => Lookup::Lost,
        }
    }
}

fn item(entry: KvEntry) -> Option<OutItem> {
    let (topic, id) = entry.key.split_once('.')?;
    Some(OutItem {
        seq: entry.revision,
        time_ms: entry.time_ms,
        topic: Topic::of_name(topic).ok()?,
        id: id.to_owned(),
        body: entry.value?,
    })
}

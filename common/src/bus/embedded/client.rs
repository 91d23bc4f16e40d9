//! A client of a bus in this process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use grandstand_types::id::Partition;
use grandstand_types::layout::Layout;
use tokio::sync::{oneshot, watch};

use crate::bus::connect_error::{ConnectError, StoreFailure};
use crate::bus::embedded::cursor::{self, Cursor, KvPosition, LogPosition};
use crate::bus::embedded::faults::{FaultState, Faults};
use crate::bus::embedded::route::ClientId;
use crate::bus::embedded::state::State;
use crate::bus::embedded::store::{Shared, StoreHandle};
use crate::bus::embedded::{inspect, open};
use crate::bus::error::{BusError, PublishError, RequestError};
use crate::bus::key_filter::KeyFilter;
use crate::bus::options::BusOptions;
use crate::bus::stats::BusStats;
use crate::bus::subscription::Subscription;
use crate::bus::types::{Bucket, ConnectionState, KvEntry, LogState, Message};
use crate::log_clock::LogClock;

/// The most bytes of a message: the default of NATS.
const MAX_PAYLOAD: usize = 1 << 20;

/// A client of a bus in this process.
#[derive(Debug, Clone)]
pub struct Embedded {
    store: Arc<StoreHandle>,
    pub(super) client: Arc<Client>,
}

/// The connection that clones share.
#[derive(Debug)]
pub(super) struct Client {
    id: ClientId,
    connection_state: watch::Sender<ConnectionState>,
    connections: AtomicU64,
    pub(super) stats: Arc<BusStats>,
    log_clock: LogClock,
}

impl Embedded {
    pub(crate) fn in_memory(options: &BusOptions) -> Result<Self, ConnectError> {
        open::in_memory(options).map(Self::from_store)
    }

    pub(crate) fn simulated(options: &BusOptions, faults: Faults) -> Result<Self, ConnectError> {
        open::simulated(options, faults).map(Self::from_store)
    }

    pub(crate) async fn open(dir: &Path, options: &BusOptions) -> Result<Self, ConnectError> {
        open::folder(dir, options).await.map(Self::from_store)
    }

    pub(crate) async fn inspect(dir: &Path, options: &BusOptions) -> Result<Self, ConnectError> {
        inspect::folder(dir, options).await.map(Self::from_store)
    }

    pub(super) fn from_store(store: StoreHandle) -> Self {
        let id = store.shared.state.lock().next_id();
        Self::new(Arc::new(store), id)
    }

    /// Another client of the same bus, with its own connection and counters.
    pub fn client(&self) -> Self {
        let id = self.store.shared.state.lock().next_id();
        Self::new(self.store.clone(), id)
    }

    fn new(store: Arc<StoreHandle>, id: ClientId) -> Self {
        let log_clock = LogClock::new();
        // Both advance with the monotonic clock, so that one look is enough.
        let now_ms = store.shared.state.lock().clock.now_ms();
        log_clock.note(log_clock.now().at, now_ms);
        let client = Client {
            id,
            connection_state: watch::Sender::new(ConnectionState::Up(1)),
            connections: AtomicU64::new(1),
            stats: Arc::default(),
            log_clock,
        };
        Self {
            store,
            client: Arc::new(client),
        }
    }

    /// Waits until the disk of the folder fails.
    pub(crate) async fn failed(&self) -> StoreFailure {
        let mut failure = self.shared().failure();
        loop {
            if let Some(failure) = failure.borrow_and_update().clone() {
                return failure;
            }
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The clock of the log, which this process makes.
    pub(crate) fn log_clock(&self) -> &LogClock {
        &self.client.log_clock
    }

    pub(crate) fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    pub(crate) fn max_entry(&self) -> usize {
        MAX_PAYLOAD
    }

    pub(crate) fn max_value(&self) -> usize {
        MAX_PAYLOAD
    }

    pub(crate) fn connection_state(&self) -> watch::Receiver<ConnectionState> {
        self.client.connection_state.subscribe()
    }

    pub(crate) fn stats(&self) -> &BusStats {
        &self.client.stats
    }

    pub(crate) fn shared_stats(&self) -> Arc<BusStats> {
        self.client.stats.clone()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.store.shared
    }

    pub(super) fn is_down(&self) -> bool {
        *self.client.connection_state.borrow() == ConnectionState::Down
    }

    /// Begins every send. `Ok(false)` means that the message goes out and the connection is lost with it.
    pub(super) fn before_send(&self, state: &mut State, size: usize) -> Result<bool, PublishError> {
        if size > MAX_PAYLOAD {
            let max = MAX_PAYLOAD;
            return Err(PublishError::TooBig { size, max });
        }
        if state.failed {
            return Err(PublishError::StoreFailed);
        }
        if state.read_only {
            return Err(PublishError::ReadOnly);
        }
        if self.is_down() {
            return Err(PublishError::Disconnected);
        }
        let Some(outage) = state.faults.as_mut().and_then(FaultState::outage) else {
            return Ok(true);
        };
        self.drop_connection(state, outage);
        Ok(false)
    }

    /// Cuts this client's connection for a while, like a fault.
    pub fn disconnect(&self, outage: Duration) {
        let mut state = self.shared().state.lock();
        if !self.is_down() {
            self.drop_connection(&mut state, outage);
        }
    }

    fn drop_connection(&self, state: &mut State, outage: Duration) {
        state.routes.set_up(self.client.id, false);
        for stream in 0..state.log.streams.len() {
            let lost = state.faults.as_mut().map_or(0, FaultState::lost_tail);
            if lost > 0 && !state.log.on_disk {
                let last = state.log.streams[stream].last;
                state.log.lose_tail(stream, (last + 1).saturating_sub(lost));
            }
        }
        self.client
            .connection_state
            .send_replace(ConnectionState::Down);
        let this = self.clone();
        let supervisor = &self.shared().options.supervisor;
        supervisor.run("bus-outage", async move {
            tokio::time::sleep(outage).await;
            this.shared()
                .state
                .lock()
                .routes
                .set_up(this.client.id, true);
            let count = this.client.connections.fetch_add(1, Ordering::Relaxed) + 1;
            BusStats::count(&this.client.stats.reconnects);
            this.client
                .connection_state
                .send_replace(ConnectionState::Up(count));
        });
    }

    pub(crate) async fn publish(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        let mut state = self.shared().state.lock();
        if self.before_send(&mut state, payload.len())? {
            let message = Message {
                subject,
                reply: None,
                payload,
            };
            state.send(self.client.id, message, &self.shared().delays);
        }
        Ok(())
    }

    pub(crate) async fn subscribe(
        &self,
        pattern: &str,
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        if self.is_down() {
            return Err(BusError::Disconnected);
        }
        let (sender, subscription) = Subscription::new(capacity, self.client.stats.clone());
        let mut state = self.shared().state.lock();
        state.routes.subscribe(self.client.id, pattern, sender);
        Ok(subscription)
    }

    pub(crate) async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let (sender, receiver) = oneshot::channel();
        let _asked = {
            let mut state = self.shared().state.lock();
            let sent = self.before_send(&mut state, payload.len())?;
            if !sent {
                return Err(RequestError::Disconnected);
            }
            if !state.routes.has_listener(&subject) {
                return Err(RequestError::NoResponders);
            }
            let reply = state.routes.register(self.client.id, sender);
            let message = Message {
                subject,
                reply: Some(reply.clone()),
                payload,
            };
            state.send(self.client.id, message, &self.shared().delays);
            PendingRequest { bus: self, reply }
        };
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(RequestError::Disconnected),
            Err(_) => Err(RequestError::Timeout),
        }
    }

    pub(crate) async fn log_state(&self, partition: Partition) -> Result<LogState, BusError> {
        let mut state = self.connected(partition)?;
        let now_ms = state.clock.now_ms();
        state.log.trim(now_ms);
        Ok(state.log.state(partition))
    }

    /// The state, if the client is connected and the partition exists.
    fn connected(
        &self,
        partition: Partition,
    ) -> Result<parking_lot::MutexGuard<'_, State>, BusError> {
        let state = self.shared().state.lock();
        if self.is_down() {
            return Err(BusError::Disconnected);
        }
        if !state.log.has(partition) {
            return Err(BusError::NoStream);
        }
        Ok(state)
    }

    pub(crate) fn layout(&self) -> Layout {
        self.shared().options.layout()
    }

    pub(crate) async fn read_log(
        &self,
        partition: Partition,
        subject: Option<String>,
        from: u64,
    ) -> Result<Cursor<LogPosition>, BusError> {
        let state = self.connected(partition)?;
        let position = LogPosition {
            partition,
            subject,
            next: state.log.begin(partition, from),
            read: false,
        };
        let wake = state.log.partitions[usize::from(partition.0)]
            .wake
            .subscribe();
        drop(state);
        Ok(self.cursor(wake, position))
    }

    /// Reads from a position on. `wake` tells of changes there.
    pub(super) fn cursor<P: cursor::Position>(
        &self,
        wake: watch::Receiver<()>,
        position: P,
    ) -> Cursor<P> {
        Cursor::new(self.store.clone(), self.connection_state(), wake, position)
    }

    pub(crate) async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<KvEntry>, BusError> {
        let bucket = self.shared().bucket(bucket);
        let mut wake = self.shared().state.lock().buckets[bucket].wake.subscribe();
        loop {
            {
                let mut state = self.shared().state.lock();
                if self.is_down() {
                    return Err(BusError::Disconnected);
                }
                if state.failed {
                    return Err(BusError::StoreFailed);
                }
                state.expire(bucket);
                let kv = &state.buckets[bucket];
                match kv.get(key) {
                    None => return Ok(None),
                    Some(record) if record.revision <= kv.visible => {
                        let read = cursor::read_record(self.shared(), bucket, key, record);
                        return read.map(Some).map_err(|error| {
                            self.shared().fail(&mut state, &error);
                            BusError::StoreFailed
                        });
                    }
                    // The write is not durable yet; wait for it.
                    Some(_) => {}
                }
            }
            if wake.changed().await.is_err() {
                return Err(BusError::StoreFailed);
            }
        }
    }

    pub(crate) async fn watch(
        &self,
        bucket: Bucket,
        filter: KeyFilter,
    ) -> Result<Cursor<KvPosition>, BusError> {
        if self.is_down() {
            return Err(BusError::Disconnected);
        }
        let bucket = self.shared().bucket(bucket);
        let wake = self.shared().state.lock().buckets[bucket].wake.subscribe();
        let position = KvPosition {
            bucket,
            filter,
            next: 1,
            waits_for: 0,
        };
        Ok(self.cursor(wake, position))
    }
}

/// A request in progress. Dropping it forgets the answer.
struct PendingRequest<'a> {
    bus: &'a Embedded,
    reply: String,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        let mut state = self.bus.shared().state.lock();
        state.routes.forget(&self.reply);
    }
}

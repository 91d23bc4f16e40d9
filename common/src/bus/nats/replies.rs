//! Pending replies: one reply subject per connection, and a table of waiters.
//!
//! All waiters fail at once when the connection is lost.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::StatusCode;
use grandstand_types::layout::Layout;
// Shared by the threads that use the bus and the task that reads answers; held for a few instructions.
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;

use crate::bus::error::{AppendError, PublishError, PutError, Unanswered};
use crate::bus::nats::pub_ack;
use crate::bus::nats::size_limits::{SharedSizeLimits, SizeLimits};
use crate::bus::nats_error::NatsError;
use crate::bus::nats_errors::NatsErrors;
use crate::bus::options::RECEIPT_DEADLINE;
use crate::bus::stats::BusStats;
use crate::bus::types::ConnectionState;

/// The most pending answers; further requests wait to be sent. Less than the capacity of the replies' subscription.
const MAX_WAITING: usize = 16 * 1024;

/// The receiver of an answer.
#[derive(Debug)]
pub(super) enum Waiter {
    Message(oneshot::Sender<Result<async_nats::Message, Unanswered>>),
    Append(oneshot::Sender<Result<u64, AppendError>>),
    Put(oneshot::Sender<Result<u64, PutError>>),
}

impl Waiter {
    fn answer(self, message: async_nats::Message, replies: &Replies) {
        match self {
            Self::Message(sender) => drop(sender.send(Ok(message))),
            Self::Append(sender) => drop(sender.send(replies.append_result(&message))),
            Self::Put(sender) => drop(sender.send(replies.put_result(&message))),
        }
    }

    fn fail(self, why: Unanswered) {
        match self {
            Self::Message(sender) => drop(sender.send(Err(why))),
            Self::Append(sender) => drop(sender.send(Err(why.into()))),
            Self::Put(sender) => drop(sender.send(Err(why.into()))),
        }
    }
}

#[derive(Debug)]
struct PendingEntry {
    waiter: Waiter,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: HashMap<u64, PendingEntry>,
    /// The deadlines of receipts, in order, because all have the same timeout.
    due: VecDeque<(Instant, u64)>,
}

/// The connection's reply subject and state.
#[derive(Debug)]
pub(super) struct Replies {
    prefix: String,
    table: Mutex<Table>,
    permits: Arc<Semaphore>,
    /// The same as `connection_state`, but cheaper to read. Changed while the table is locked.
    up: AtomicBool,
    connection_state: watch::Sender<ConnectionState>,
    pub(super) stats: Arc<BusStats>,
    /// The refusals of NATS, if the process cannot work without its buckets. An edge writes only revocations, and tells the
    /// operator of each that is refused.
    errors: Option<NatsErrors>,
    size_limits: SharedSizeLimits,
    /// Whether all streams were there once.
    was_set_up: AtomicBool,
    /// Whether a stream or bucket was missing since then.
    is_missing: AtomicBool,
    /// The layout of the cluster when it was last read.
    layout: Mutex<Option<Layout>>,
}

/// An entry of the table. Dropping it before [`keep`](Self::keep) removes the entry.
pub(super) struct PendingReply<'a> {
    replies: &'a Replies,
    pub(super) id: u64,
    kept: bool,
}

impl PendingReply<'_> {
    /// Leaves the entry to the answer or the deadline.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for PendingReply<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.replies.table.lock().entries.remove(&self.id);
        }
    }
}

impl Replies {
    /// `prefix` begins this connection's reply subjects and ends with a dot.
    pub(super) fn new(prefix: String, errors: Option<NatsErrors>) -> Self {
        Self {
            prefix,
            table: Mutex::default(),
            permits: Arc::new(Semaphore::new(MAX_WAITING)),
            up: AtomicBool::new(false),
            connection_state: watch::Sender::new(ConnectionState::Down),
            stats: Arc::default(),
            errors,
            size_limits: SharedSizeLimits::default(),
            was_set_up: AtomicBool::new(false),
            is_missing: AtomicBool::new(false),
            layout: Mutex::default(),
        }
    }

    /// Notes the cluster's layout.
    pub(super) fn set_layout(&self, layout: Layout) {
        *self.layout.lock() = Some(layout);
    }

    /// The cluster's layout when it was last read; `None` before.
    pub(super) fn layout(&self) -> Option<Layout> {
        *self.layout.lock()
    }

    /// Notes that all streams and buckets are there.
    pub(super) fn on_set_up(&self) {
        self.was_set_up.store(true, Ordering::Relaxed);
        self.is_missing.store(false, Ordering::Relaxed);
    }

    /// Whether all streams and buckets were there once.
    pub(super) fn was_set_up(&self) -> bool {
        self.was_set_up.load(Ordering::Relaxed)
    }

    /// Notes that a stream or bucket is missing, or that no server answers for it.
    pub(super) fn on_missing(&self) {
        self.is_missing.store(true, Ordering::Relaxed);
    }

    /// Whether a stream or bucket was missing since all were there.
    pub(super) fn is_missing(&self) -> bool {
        self.was_set_up() && self.is_missing.load(Ordering::Relaxed)
    }

    pub(super) fn set_size_limits(&self, limits: SizeLimits) {
        self.size_limits.set(limits);
    }

    /// The most bytes that the streams accept in a message.
    pub(super) fn size_limits(&self) -> SizeLimits {
        self.size_limits.get()
    }

    /// The subject of answer number `id`.
    pub(super) fn subject(&self, id: u64) -> String {
        format!("{}{id}", self.prefix)
    }

    /// The pattern of all answers.
    pub(super) fn pattern(&self) -> String {
        format!("{}*", self.prefix)
    }

    /// A subject for this connection that is not a reply subject.
    pub(super) fn deliver_subject(&self, number: u64) -> String {
        format!("{}d.{number}", self.prefix)
    }

    pub(super) fn connection_state(&self) -> watch::Receiver<ConnectionState> {
        self.connection_state.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Registers a waiter. Waits while too many answers are pending.
    pub(super) async fn register(&self, waiter: Waiter) -> Result<PendingReply<'_>, PublishError> {
        let Ok(permit) = self.permits.clone().acquire_owned().await else {
            return Err(PublishError::Disconnected);
        };
        let mut table = self.table.lock();
        if !self.is_up() {
            return Err(PublishError::Disconnected);
        }
        let id = table.next;
        table.next += 1;
        if !matches!(waiter, Waiter::Message(_)) {
            table.due.push_back((Instant::now() + RECEIPT_DEADLINE, id));
        }
        let entry = PendingEntry {
            waiter,
            _permit: permit,
        };
        table.entries.insert(id, entry);
        Ok(PendingReply {
            replies: self,
            id,
            kept: false,
        })
    }

    /// Handles an answer.
    pub(super) fn on_message(&self, message: async_nats::Message) {
        let id = message.subject.strip_prefix(self.prefix.as_str());
        let Some(id) = id.and_then(|id| id.parse().ok()) else {
            return;
        };
        let entry = {
            let mut table = self.table.lock();
            let entry = table.entries.remove(&id);
            while let Some(&(_, first)) = table.due.front()
                && !table.entries.contains_key(&first)
            {
                table.due.pop_front();
            }
            entry
        };
        if let Some(entry) = entry {
            entry.waiter.answer(message, self);
        }
    }

    fn append_result(&self, message: &async_nats::Message) -> Result<u64, AppendError> {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            self.on_missing();
            return Err(AppendError::Unavailable);
        }
        pub_ack::parse_pub_ack(&message.payload).map_err(|error| AppendError::Refused {
            code: error.err_code,
            description: error.description,
        })
    }

    /// The result of a put. Refusals that will not pass by themselves are noted, because whoever repeats the put tells
    /// nobody why it fails (D27).
    fn put_result(&self, message: &async_nats::Message) -> Result<u64, PutError> {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            self.on_missing();
            return Err(PutError::Unavailable);
        }
        let (stream, result) = pub_ack::parse_pub_ack_of(&message.payload);
        if result.is_ok()
            && let Some(errors) = &self.errors
        {
            errors.on_stored(&stream);
        }
        result.map_err(|error| match error.err_code {
            pub_ack::WRONG_LAST_SEQUENCE | pub_ack::WRONG_LAST_SEQUENCE_CONSTANT => {
                PutError::WrongRevision
            }
            code => {
                if code != pub_ack::TEMPORARILY_UNAVAILABLE
                    && let Some(errors) = &self.errors
                {
                    let refused = NatsError::write_refused(&stream, code, &error.description);
                    BusStats::count(&self.stats.errors[refused.kind as usize]);
                    errors.note(&refused, Instant::now().into_std());
                }
                PutError::Refused {
                    code,
                    description: error.description,
                }
            }
        })
    }

    /// Fails overdue receipts.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        let mut overdue = Vec::new();
        {
            let mut table = self.table.lock();
            while let Some(&(due, id)) = table.due.front()
                && due <= now
            {
                table.due.pop_front();
                overdue.extend(table.entries.remove(&id));
            }
        }
        for entry in overdue {
            entry.waiter.fail(Unanswered::Deadline);
        }
    }

    /// Handles the loss of the connection: fails all waiters and refuses new ones.
    pub(super) fn on_down(&self) {
        let entries = {
            let mut table = self.table.lock();
            self.up.store(false, Ordering::Release);
            table.due.clear();
            std::mem::take(&mut table.entries)
        };
        self.connection_state.send_if_modified(|state| {
            let changed = *state != ConnectionState::Down;
            *state = ConnectionState::Down;
            changed
        });
        for entry in entries.into_values() {
            entry.waiter.fail(Unanswered::Disconnected);
        }
    }

    /// Handles connection number `count`.
    pub(super) fn on_up(&self, count: u64) {
        {
            let _table = self.table.lock();
            self.up.store(true, Ordering::Release);
        }
        if count > 1 {
            BusStats::count(&self.stats.reconnects);
        }
        self.connection_state
            .send_replace(ConnectionState::Up(count));
    }
}

/// The interval at which [`Replies::expire`] must be called.
pub(super) const EXPIRE_EVERY: Duration = Duration::from_millis(100);

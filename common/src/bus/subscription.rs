//! Subscriptions to the lossy part of the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use crate::bus::stats::BusStats;
use crate::bus::types::Message;

/// The most bytes of the messages in a subscription, beside one message of any size.
const MAX_BYTES: usize = 32 << 20;

/// Messages of one pattern. Unsubscribes when dropped.
///
/// It holds `capacity` messages, and 32 MiB of them. Messages that come while it is full are dropped and counted.
#[derive(Debug)]
pub struct Subscription {
    receiver: mpsc::Receiver<Message>,
    load: Arc<Load>,
}

/// The counts that both ends of a subscription share.
#[derive(Debug, Default)]
struct Load {
    /// The bytes of the messages that wait.
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// The sending end of a [`Subscription`].
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionSender {
    messages: mpsc::Sender<Message>,
    load: Arc<Load>,
    stats: Arc<BusStats>,
}

impl Subscription {
    pub(crate) fn new(capacity: usize, stats: Arc<BusStats>) -> (SubscriptionSender, Self) {
        let (messages, receiver) = mpsc::channel(capacity.max(1));
        let load = Arc::<Load>::default();
        let sender = SubscriptionSender {
            messages,
            load: load.clone(),
            stats,
        };
        (sender, Self { receiver, load })
    }

    /// Counts a message that is taken out.
    fn taken(&self, message: Option<Message>) -> Option<Message> {
        if let Some(message) = &message {
            let bytes = message.payload.len();
            self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        message
    }

    /// The next message; `None` once the bus is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        let message = self.receiver.recv().await;
        self.taken(message)
    }

    /// Polls for the next message; `None` once the bus is gone.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let polled = self.receiver.poll_recv(cx);
        polled.map(|message| self.taken(message))
    }

    /// The next message, if it is available already.
    pub fn try_next(&mut self) -> Option<Message> {
        let message = self.receiver.try_recv().ok();
        self.taken(message)
    }

    /// The number of messages dropped because the subscription was full.
    pub fn dropped(&self) -> u64 {
        self.load.dropped.load(Ordering::Relaxed)
    }
}

impl SubscriptionSender {
    /// Passes a message on, or drops and counts it. `false` if the subscription is gone.
    pub(crate) fn send(&self, message: Message) -> bool {
        let bytes = message.payload.len();
        let waiting = self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        let sent = if waiting > 0 && waiting + bytes > MAX_BYTES {
            Err(mpsc::error::TrySendError::Full(message))
        } else {
            self.messages.try_send(message)
        };
        let Err(error) = sent else {
            return true;
        };
        self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if matches!(error, mpsc::error::TrySendError::Closed(_)) {
            return false;
        }
        BusStats::count(&self.load.dropped);
        BusStats::count(&self.stats.dropped);
        true
    }

    /// Whether the subscription is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    /// Waits until the subscription is gone.
    pub(crate) async fn closed(&self) {
        self.messages.closed().await;
    }
}

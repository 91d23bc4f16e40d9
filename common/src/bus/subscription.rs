//! Subscriptions to the lossy part of the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use crate::bus::stats::BusStats;
use crate::bus::types::Message;

/// Messages of one pattern. Unsubscribes when dropped.
///
/// It holds `capacity` messages. Messages that come while it is full are dropped and counted.
#[derive(Debug)]
pub struct Subscription {
    receiver: mpsc::Receiver<Message>,
    dropped: Arc<AtomicU64>,
}

/// The sending end of a [`Subscription`].
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionSender {
    messages: mpsc::Sender<Message>,
    dropped: Arc<AtomicU64>,
    stats: Arc<BusStats>,
}

impl Subscription {
    pub(crate) fn new(capacity: usize, stats: Arc<BusStats>) -> (SubscriptionSender, Self) {
        let (messages, receiver) = mpsc::channel(capacity.max(1));
        let dropped = Arc::new(AtomicU64::new(0));
        let sender = SubscriptionSender {
            messages,
            dropped: dropped.clone(),
            stats,
        };
        (sender, Self { receiver, dropped })
    }

    /// The next message; `None` once the bus is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// Polls for the next message; `None` once the bus is gone.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.receiver.poll_recv(cx)
    }

    /// The next message, if it is available already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }

    /// The number of messages dropped because the subscription was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl SubscriptionSender {
    /// Passes a message on, or drops and counts it. `false` if the subscription is gone.
    pub(crate) fn send(&self, message: Message) -> bool {
        match self.messages.try_send(message) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                BusStats::count(&self.dropped);
                BusStats::count(&self.stats.dropped);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
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

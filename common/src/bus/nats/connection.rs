//! Sends messages and requests over one connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use async_nats::client::traits::Publisher as _;
use async_nats::header::HeaderMap;
use async_nats::message::OutboundMessage;
use async_nats::{Client, PublishErrorKind, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::bus::error::{BusError, PublishError, RequestError};
use crate::bus::nats::names::Names;
use crate::bus::nats::replies::{PendingReply, Replies, Waiter};
use crate::bus::nats::send_queue::SendQueue;
use crate::bus::nats_errors::NatsErrors;
use crate::bus::types::ConnectionState;
use crate::histogram::micros;
use crate::log_clock::LogClock;

/// The time that the server has to answer requests that change something.
pub(super) const SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// The time that JetStream has to answer other requests. In a cluster no server answers for a stream without a leader,
/// so it is better to repeat a request soon.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The time that a request waits for a permission that NATS has denied. The process tries the permission about as often.
const DENIED_PAUSE: Duration = Duration::from_secs(2);

/// A connection and its replies.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) names: Names,
    pub(super) replies: Arc<Replies>,
    /// Answers of JetStream and entries that readers get tell it the server's time.
    pub(super) log_clock: LogClock,
    pub(super) errors: NatsErrors,
    pub(super) send_queue: SendQueue,
}

/// The next message of a client library's subscription.
pub(super) async fn next(subscriber: &mut Subscriber) -> Option<async_nats::Message> {
    subscriber.next().await
}

impl Connection {
    /// Sends a message. Waits while the connection is saturated, in messages or in bytes, but not for a reconnect.
    pub(super) async fn send(
        &self,
        subject: String,
        reply: Option<String>,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        if !self.replies.is_up() {
            return Err(PublishError::Disconnected);
        }
        let size = payload.len();
        let payload = match self.send_queue.try_count(&payload) {
            Some(payload) => payload,
            None => tokio::select! {
                payload = self.send_queue.count(payload) => payload,
                () = self.down() => return Err(PublishError::Disconnected),
            },
        };
        let message = OutboundMessage {
            subject: subject.clone().into(),
            reply: reply.map(Into::into),
            payload,
            headers,
        };
        let result = {
            let mut publish = pin!(self.client.publish_message(message));
            // Nearly always there is room, and no need to observe the connection.
            match poll_fn(|cx| Poll::Ready(publish.as_mut().poll(cx))).await {
                Poll::Ready(result) => result,
                Poll::Pending => tokio::select! {
                    result = publish => result,
                    () = self.down() => return Err(PublishError::Disconnected),
                },
            }
        };
        result.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => PublishError::TooBig {
                size,
                max: self.client.max_payload(),
            },
            PublishErrorKind::InvalidSubject => PublishError::BadSubject(subject),
            PublishErrorKind::Send => PublishError::Disconnected,
        })
    }

    async fn down(&self) {
        // `self.replies` keeps the sender alive, so this ends only with the state.
        let mut connection_state = self.replies.connection_state();
        let _ = connection_state
            .wait_for(|state| *state == ConnectionState::Down)
            .await;
    }

    /// Fails if NATS has denied such a message before, and does not grant it yet.
    pub(super) fn check_permitted(&self, subject: &str) -> Result<(), PublishError> {
        match self.errors.denies_publish(subject) {
            None => Ok(()),
            Some(words) => Err(PublishError::Denied(words)),
        }
    }

    /// Waits while NATS denies such a message, for a while. A caller repeats a denied request no faster than that, and
    /// NATS is not asked again before it grants the permission.
    pub(super) async fn until_permitted(&self, subject: &str) -> Result<(), BusError> {
        let Some(words) = self.errors.denies_publish(subject) else {
            return Ok(());
        };
        let permitted = self.errors.publish_permitted(subject);
        let waited = tokio::time::timeout(DENIED_PAUSE, permitted).await;
        waited.map_err(|_| BusError::Denied { words })
    }

    /// Sends a message whose answer goes to `waiter`.
    pub(super) async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        waiter: Waiter,
    ) -> Result<PendingReply<'_>, PublishError> {
        let pending = self.replies.register(waiter).await?;
        let reply = self.replies.subject(pending.id);
        self.send(subject, Some(reply), headers, payload).await?;
        Ok(pending)
    }

    /// Sends a request and waits for the answer.
    pub(super) async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<async_nats::Message, RequestError> {
        let (sender, receiver) = oneshot::channel();
        let asked = async {
            let _place = self
                .ask(subject, None, payload, Waiter::Message(sender))
                .await?;
            match receiver.await {
                Ok(Ok(message)) if message.status == Some(StatusCode::NO_RESPONDERS) => {
                    Err(RequestError::NoResponders)
                }
                Ok(Ok(message)) => Ok(message),
                Ok(Err(why)) => Err(why.into()),
                Err(_) => Err(RequestError::Disconnected),
            }
        };
        tokio::time::timeout(timeout, asked)
            .await
            .unwrap_or(Err(RequestError::Timeout))
    }

    /// Waits until the server has everything sent before: a message to ourselves comes back.
    pub(super) async fn round_trip(&self) -> Result<(), BusError> {
        let (sender, receiver) = oneshot::channel();
        let begun = Instant::now();
        let trip = async {
            let pending = self.replies.register(Waiter::Message(sender)).await?;
            let subject = self.replies.subject(pending.id);
            self.send(subject, None, None, Bytes::new()).await?;
            match receiver.await {
                Ok(Ok(_)) => {
                    let took = micros(begun.elapsed()).max(1);
                    self.replies.stats.round_trip_us.store(took, Relaxed);
                    Ok(())
                }
                Ok(Err(why)) => Err(BusError::from(RequestError::from(why))),
                Err(_) => Err(BusError::Disconnected),
            }
        };
        tokio::time::timeout(SERVER_TIMEOUT, trip)
            .await
            .unwrap_or(Err(BusError::Timeout))
    }

    /// Subscribes. Messages sent after this returns reach the subscription.
    pub(super) async fn subscribe(&self, subject: String) -> Result<Subscriber, BusError> {
        if !self.replies.is_up() {
            return Err(BusError::Disconnected);
        }
        tokio::select! {
            result = self.client.subscribe(subject.clone()) => {
                result.map_err(|_| BusError::BadSubject(subject))
            }
            () = self.down() => Err(BusError::Disconnected),
        }
    }
}

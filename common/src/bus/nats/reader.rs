//! Reads a stream from a position on, across failures of consumers and connections (D20).

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::bus::error::BusError;
use crate::bus::nats::consumer::{Consumer, ConsumerEvent};
use crate::bus::nats::jetstream::{Delivery, StreamInfo};
use crate::bus::nats::shared::Inner;
use crate::bus::stats::BusStats;
use crate::bus::types::{ConnectionState, Read};
use crate::log_clock::ReaderClock;

/// The most entries that wait for the reader; then flow control stops the server.
const CAPACITY: usize = 256;
/// The longest silence of a consumer after two heartbeats.
const SLACK: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_millis(100);

/// The entries to read.
#[derive(Debug)]
pub(super) struct ReadSpec {
    pub(super) stream: String,
    /// The subjects. An entry that matches any of them counts.
    pub(super) filters: Vec<String>,
    /// The bytes of a subject before that of the bus, or before the key.
    pub(super) prefix: usize,
    pub(super) from: u64,
    /// Whether every entry counts (the log): if some were removed unread, the position is lost. Otherwise only the last
    /// entry of each subject counts (a bucket).
    pub(super) every_entry: bool,
    /// The interval of heartbeats while the reader is idle. After two missing ones another consumer goes on.
    pub(super) heartbeat: Duration,
}

/// The reader's position.
#[derive(Debug)]
struct Position {
    /// The creation time of the stream. Another time means another stream.
    created: String,
    /// The reader has looked at everything up to this sequence.
    looked_at: u64,
    /// The highest sequence that is known to be stored.
    seen: u64,
    /// The last entry read: its sequence, and its time in milliseconds.
    last: Option<(u64, u64)>,
    /// The last matching sequence of the stream's leader when the consumer was created. A consumer may live on a server
    /// that is behind, and the reader is not at the end before this sequence.
    floor: u64,
}

impl Position {
    fn new(info: &StreamInfo, from: u64) -> Self {
        Self {
            created: info.created.clone(),
            looked_at: from.max(info.state.first()) - 1,
            seen: 0,
            last: None,
            floor: 0,
        }
    }

    fn advance(&mut self, seq: u64) {
        self.looked_at = self.looked_at.max(seq);
        self.seen = self.seen.max(seq);
    }

    /// Whether the reader has looked at everything that the leader had.
    fn is_current(&self) -> bool {
        self.looked_at >= self.floor
    }

    /// Whether the stream continues from this position.
    fn is_in(&self, info: &StreamInfo, every_entry: bool) -> bool {
        info.created == self.created
            && info.state.last_seq >= self.seen
            && (!every_entry || info.state.first() <= self.looked_at + 1)
    }
}

type Decode<T> = fn(&ReadSpec, Delivery, &Message) -> Option<T>;

/// Starts to read. A task does the rest, and ends when the receiver is dropped.
pub(super) async fn open<T: Send + 'static>(
    inner: Arc<Inner>,
    spec: ReadSpec,
    decode: Decode<T>,
) -> Result<mpsc::Receiver<Read<T>>, BusError> {
    let info = inner.connection.stream_info(&spec.stream).await?;
    open_in(inner, spec, decode, &info).await
}

/// Starts to read a stream that is described by `info`.
pub(super) async fn open_in<T: Send + 'static>(
    inner: Arc<Inner>,
    spec: ReadSpec,
    decode: Decode<T>,
    info: &StreamInfo,
) -> Result<mpsc::Receiver<Read<T>>, BusError> {
    let connection_state = inner.connection.replies.connection_state();
    let position = Position::new(info, spec.from);
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let mut reader = Reader {
        clock: ReaderClock::new(inner.connection.log_clock.clone()),
        inner,
        spec,
        decode,
        position,
        connection_state,
        sender,
    };
    let consumer = reader.create().await?;
    let supervisor = reader.inner.options.supervisor.clone();
    supervisor.run("bus-reader", async move { reader.drive(consumer).await });
    Ok(receiver)
}

struct Reader<T> {
    inner: Arc<Inner>,
    spec: ReadSpec,
    decode: Decode<T>,
    position: Position,
    connection_state: watch::Receiver<ConnectionState>,
    clock: ReaderClock,
    sender: mpsc::Sender<Read<T>>,
}

/// The reason why a consumer is abandoned.
#[derive(Debug, PartialEq, Eq)]
enum ConsumerEnd {
    /// The receiver was dropped.
    ReaderGone,
    /// Another consumer must continue.
    Restart,
}

impl<T> Reader<T> {
    async fn create(&mut self) -> Result<Consumer, BusError> {
        self.connection_state.mark_unchanged();
        if self.inner.options.replicas > 1 {
            self.position.floor = self.last_of_leader().await?;
        }
        let consumer = Consumer::create(
            &self.inner.connection,
            &self.spec.stream,
            &self.spec.filters,
            self.position.looked_at + 1,
            self.spec.heartbeat,
            self.inner.next_reader(),
        )
        .await?;
        Ok(consumer)
    }

    /// The last sequence of the stream's leader: that of the last match, or with several subjects the last of all. What
    /// lies between the two is looked at by the next heartbeat.
    async fn last_of_leader(&self) -> Result<u64, BusError> {
        let connection = &self.inner.connection;
        let stream = &self.spec.stream;
        match self.spec.filters.as_slice() {
            [filter] => {
                let last = connection.last_message(stream, filter, "").await?;
                Ok(last.map_or(0, |entry| entry.revision))
            }
            _ => Ok(connection.stream_info(stream).await?.state.last_seq),
        }
    }

    async fn drive(&mut self, mut consumer: Consumer) {
        loop {
            let end = self.drive_consumer(&mut consumer).await;
            consumer.delete(&self.inner.connection).await;
            if end == ConsumerEnd::ReaderGone {
                return;
            }
            BusStats::count(&self.inner.connection.replies.stats.reader_restarts);
            match self.create_again().await {
                Some(next) => consumer = next,
                None => return,
            }
        }
    }

    /// Reads a consumer until it fails.
    async fn drive_consumer(&mut self, consumer: &mut Consumer) -> ConsumerEnd {
        if consumer.pending == 0 {
            self.offer_idle();
        }
        let silence = self.spec.heartbeat * 2 + SLACK;
        let mut heard = Instant::now();
        loop {
            let event = tokio::select! {
                biased;
                event = consumer.next() => event,
                () = self.sender.closed() => return ConsumerEnd::ReaderGone,
                _ = self.connection_state.changed() => return ConsumerEnd::Restart,
                () = tokio::time::sleep_until(heard + silence) => return ConsumerEnd::Restart,
            };
            match event {
                ConsumerEvent::Entry(delivery, message) => {
                    // A server that is behind may start at its own end instead of `from`.
                    let is_new = delivery.stream_seq > self.position.looked_at;
                    self.position.advance(delivery.stream_seq);
                    self.position.last = Some((delivery.stream_seq, delivery.time_ms));
                    let behind = delivery.pending.max(u64::from(!self.position.is_current()));
                    if is_new {
                        let at = Instant::now().into_std();
                        self.clock.note(at, delivery.time_ms, behind);
                    }
                    if is_new
                        && let Some(entry) = (self.decode)(&self.spec, delivery, &message)
                        && self.sender.send(Read::Item(entry, behind)).await.is_err()
                    {
                        return ConsumerEnd::ReaderGone;
                    }
                }
                ConsumerEvent::Idle(last) => {
                    // A reader that starts beyond the end stays there.
                    if last >= self.spec.from {
                        self.position.advance(last);
                    }
                    self.offer_idle();
                }
                ConsumerEvent::FlowControl(subject) => {
                    consumer
                        .answer_flow_control(&self.inner.connection, subject)
                        .await
                }
                ConsumerEvent::Broken => return ConsumerEnd::Restart,
            }
            heard = Instant::now();
        }
    }

    /// Reports that everything was delivered. If the reader is behind, the next heartbeat repeats it.
    fn offer_idle(&mut self) {
        if self.position.is_current() {
            self.clock.note_idle();
            let _ = self.sender.try_send(Read::Idle);
        }
    }

    /// Whether the stream lost its tail (a power cut) and grew past the position again, so that the last entry read no
    /// longer exists. A bucket removes entries that were replaced, so the absence of one says nothing: then the answer
    /// is yes, and the bucket is read from the beginning.
    async fn is_rewritten(&self, info: &StreamInfo) -> Result<bool, BusError> {
        let Some((seq, time_ms)) = self.position.last else {
            return Ok(false);
        };
        if self.spec.every_entry && seq < info.state.first() {
            return Ok(false);
        }
        let found = self
            .inner
            .connection
            .message_time(&self.spec.stream, seq)
            .await?;
        Ok(found != Some(time_ms))
    }

    /// Creates another consumer at the same position. `None` if the position is gone or the receiver was dropped.
    async fn create_again(&mut self) -> Option<Consumer> {
        loop {
            let closed = self.sender.clone();
            let attempt = async {
                let up = self
                    .connection_state
                    .wait_for(|state| matches!(state, ConnectionState::Up(_)))
                    .await;
                up.map_err(|_| BusError::Disconnected)?;
                let info = self.inner.connection.stream_info(&self.spec.stream).await?;
                if !self.position.is_in(&info, self.spec.every_entry)
                    || self.is_rewritten(&info).await?
                {
                    return Err(BusError::NoStream);
                }
                self.create().await
            };
            let result = tokio::select! {
                result = attempt => result,
                () = closed.closed() => return None,
            };
            match result {
                Ok(consumer) => return Some(consumer),
                Err(BusError::NoStream) => {
                    tracing::debug!(stream = self.spec.stream, "a reader lost its position");
                    let _ = self.sender.send(Read::Lost).await;
                    return None;
                }
                Err(error) => {
                    tracing::debug!(%error, stream = self.spec.stream, "a reader retries");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(created: &str, first: u64, last: u64) -> StreamInfo {
        let state = format!(
            r#"{{"config":{{"name":"IN_0","retention":"limits","discard":"new","storage":"file","num_replicas":1}},
                "created":"{created}","state":{{"messages":{},"first_seq":{first},"last_seq":{last}}}}}"#,
            last + 1 - first
        );
        serde_json::from_str(&state).unwrap()
    }

    #[test]
    fn a_position_is_lost_if_the_stream_is_new_or_truncated() {
        let mut position = Position::new(&info("a", 5, 20), 1);
        assert_eq!(position.looked_at, 4);
        position.advance(10);
        assert!(position.is_in(&info("a", 5, 20), true));
        assert!(position.is_in(&info("a", 11, 20), true));
        assert!(
            !position.is_in(&info("a", 12, 20), true),
            "11 was removed unread"
        );
        assert!(
            position.is_in(&info("a", 12, 20), false),
            "a bucket's 11 was replaced"
        );
        assert!(!position.is_in(&info("a", 5, 9), true), "the tail was lost");
        assert!(!position.is_in(&info("b", 5, 20), true), "created again");
    }

    #[test]
    fn d10_a_server_that_is_behind_is_at_no_end() {
        let mut position = Position::new(&info("a", 5, 20), 10);
        assert!(position.is_current(), "there was nothing for us");
        position.floor = 12;
        assert!(!position.is_current());
        position.advance(12);
        assert!(position.is_current());
    }
}

//! A connection to NATS as the bus.

use std::sync::Arc;
use std::time::Duration;

use async_nats::header;
use bytes::Bytes;
use grandstand_types::id::Partition;
use grandstand_types::layout::Layout;
use tokio::sync::{mpsc, watch};

use crate::bus::connect_error::ConnectError;
use crate::bus::error::{BusError, PublishError, RequestError};
use crate::bus::key_filter::KeyFilter;
use crate::bus::nats::connection::Connection;
use crate::bus::nats::names::BucketName;
use crate::bus::nats::replies::Waiter;
use crate::bus::nats::second_connection::SecondConnection;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::shared::Inner;
use crate::bus::nats::{
    connect, connection, entries, inspect, jetstream, names, needed, permissions, reader,
};
use crate::bus::nats_errors::NatsErrors;
use crate::bus::options::{self, BusOptions, IDLE_HEARTBEAT, log_heartbeat};
use crate::bus::receipt::{Answer, PutReceipt, Receipt};
use crate::bus::stats::BusStats;
use crate::bus::subscription::Subscription;
use crate::bus::types::{
    Bucket, ConnectionState, KeyWrite, KvEntry, LogEntry, LogState, Message, Read,
};
use crate::log_clock::LogClock;
use crate::subject;

/// A connection to NATS.
#[derive(Debug, Clone)]
pub struct Nats {
    inner: Arc<Inner>,
    layout: Layout,
}

impl Nats {
    pub(crate) async fn connect(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        options.check()?;
        let servers = Servers::parse(url)?;
        let (connection, tasks) = connect::connect(&servers, options).await?;
        let layout = connection.replies.layout().unwrap_or(options.layout());
        Ok(Self {
            inner: Arc::new(Inner::new(connection, options, servers, tasks)),
            layout,
        })
    }

    pub(crate) async fn inspect(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        let (inner, layout) = inspect::connect(url, options).await?;
        Ok(Self {
            inner: Arc::new(inner),
            layout,
        })
    }

    fn bucket(&self, bucket: Bucket) -> BucketName {
        self.inner.connection.names.bucket(&self.layout, bucket)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// The state of the connection, for a reader.
    pub(super) fn shared(&self) -> Arc<Inner> {
        self.inner.clone()
    }

    /// The servers, and the options of the connection.
    pub(super) fn place(&self) -> (&Servers, &BusOptions) {
        (&self.inner.servers, &self.inner.options)
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// A handle of the same connection for another layout of the cluster.
    #[must_use]
    pub fn with_layout(&self, layout: Layout) -> Self {
        Self {
            inner: self.inner.clone(),
            layout,
        }
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.inner.connection.client.max_payload()
    }

    pub(crate) fn max_entry(&self) -> usize {
        let limits = self.inner.connection.replies.size_limits();
        self.max_payload().min(limits.entry)
    }

    pub(crate) fn max_value(&self) -> usize {
        let limits = self.inner.connection.replies.size_limits();
        self.max_payload().min(limits.value)
    }

    pub(crate) fn connection_state(&self) -> watch::Receiver<ConnectionState> {
        self.inner.connection.replies.connection_state()
    }

    pub(crate) async fn ask_log_time(&self) -> Result<(), BusError> {
        let stream = self.bucket(Bucket::Leases).stream();
        self.inner.connection.stream_info(&stream).await.map(drop)
    }

    pub(crate) fn log_clock(&self) -> &LogClock {
        &self.inner.connection.log_clock
    }

    pub(crate) fn stats(&self) -> &BusStats {
        &self.inner.connection.replies.stats
    }

    pub(crate) fn shared_stats(&self) -> Arc<BusStats> {
        self.inner.connection.replies.stats.clone()
    }

    pub(crate) fn errors(&self) -> &NatsErrors {
        &self.inner.connection.errors
    }

    pub(crate) async fn check_refusals(&self) {
        let Inner {
            connection,
            servers,
            options,
            ..
        } = &*self.inner;
        let errors = &connection.errors;
        let now = tokio::time::Instant::now().into_std();
        errors.retry_limits(now);
        errors.forget_refused(now);
        let denied = errors.denied();
        if denied.is_empty() {
            return;
        }
        match permissions::granted(servers, options, &denied).await {
            Ok(granted) => granted.iter().for_each(|error| errors.permitted(error)),
            Err(error) => tracing::debug!(%error, "cannot try the denied permissions again"),
        }
    }

    /// Tries all permissions that the role of the process needs. One that was taken away is known before it is needed, for
    /// example by a takeover.
    pub(crate) async fn try_permissions(&self) {
        let Inner {
            connection,
            servers,
            options,
            ..
        } = &*self.inner;
        let layout = connection.replies.layout().unwrap_or(self.layout);
        let needed = |role| {
            let mut trials = needed::in_general(&connection.names, role);
            trials.extend(needed::in_layout(&connection.names, role, &layout));
            trials
        };
        let now = tokio::time::Instant::now().into_std();
        match permissions::denied(servers, options, needed).await {
            Ok(denied) => denied.iter().for_each(|e| connection.errors.note(e, now)),
            Err(error) => tracing::debug!(%error, "cannot try the permissions"),
        }
    }

    /// Looks whether the stream with this number, in turn, is still there, if this process creates streams. One that is
    /// missing is created again soon, also if no process uses it at the moment.
    pub(crate) async fn check_stream(&self, number: u32) {
        let Inner {
            connection,
            options,
            ..
        } = &*self.inner;
        if !options.creates() {
            return;
        }
        let layout = connection.replies.layout().unwrap_or(self.layout);
        let names = &connection.names;
        let buckets = options::buckets(&layout).into_iter();
        let buckets = buckets.map(|bucket| names.bucket(&layout, bucket).stream());
        let log = layout.all_streams().map(|stream| names.log(stream));
        let all: Vec<_> = log.chain([names.out()]).chain(buckets).collect();
        let stream = &all[number as usize % all.len()];
        if let Err(error) = connection.stream_info(stream).await {
            tracing::debug!(%error, stream, "cannot look at the stream");
        }
    }

    /// Starts to look for a second server.
    pub(crate) fn second_connection(&self) -> SecondConnection {
        let Inner {
            connection,
            servers,
            options,
            ..
        } = &*self.inner;
        SecondConnection::start(connection.clone(), servers.clone(), options.clone())
    }

    pub(crate) async fn publish(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        let connection = &self.inner.connection;
        let subject = connection.names.subject(subject);
        connection.send(subject, None, None, payload).await
    }

    pub(crate) async fn flush(&self) -> Result<(), BusError> {
        self.inner.connection.round_trip().await
    }

    pub(crate) async fn subscribe(
        &self,
        pattern: &str,
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        let connection = &self.inner.connection;
        let pattern = connection.names.subject(pattern.to_owned());
        let mut messages = connection.subscribe(pattern).await?;
        let (sender, subscription) = Subscription::new(capacity, connection.replies.stats.clone());
        let inner = self.inner.clone();
        // Each subscription has a task that never waits, so that its capacity holds and its losses are its own.
        let supervisor = self.inner.options.supervisor.clone();
        supervisor.run("bus-subscription", async move {
            loop {
                let message = tokio::select! {
                    message = connection::next(&mut messages) => message,
                    () = sender.closed() => None,
                };
                let Some(message) = message else { return };
                let handed_on = sender.send(Message {
                    subject: inner.connection.names.plain(message.subject.into_string()),
                    reply: message.reply.map(async_nats::Subject::into_string),
                    payload: message.payload,
                });
                if !handed_on {
                    return;
                }
            }
        });
        connection.round_trip().await?;
        Ok(subscription)
    }

    pub(crate) async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let connection = &self.inner.connection;
        let subject = connection.names.subject(subject);
        // A denied request is not answered. That is no silence of those who would answer it.
        connection.check_permitted(&subject)?;
        let answer = connection.request(subject, payload, timeout).await?;
        Ok(answer.payload)
    }

    pub(crate) async fn append(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<Receipt, PublishError> {
        let connection = &self.inner.connection;
        let subject = connection.names.subject(subject);
        connection.check_permitted(&subject)?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        connection
            .ask(subject, None, payload, Waiter::Append(sender))
            .await?
            .keep();
        Ok(Receipt::new(Answer::Pending(receiver)))
    }

    pub(crate) async fn log_state(&self, partition: Partition) -> Result<LogState, BusError> {
        let connection = &self.inner.connection;
        let stream = connection.names.log(self.layout.stream_of(partition));
        connection.stream_info(&stream).await?.log_state()
    }

    pub(crate) async fn read_log(
        &self,
        partition: Partition,
        subject: Option<String>,
        from: u64,
    ) -> Result<mpsc::Receiver<Read<LogEntry>>, BusError> {
        let names = &self.inner.connection.names;
        let subject = subject.unwrap_or_else(|| subject::log_partition(partition));
        let spec = reader::ReadSpec {
            stream: names.log(self.layout.stream_of(partition)),
            filters: vec![names.subject(subject)],
            prefix: names.subject(String::new()).len(),
            from: from.max(1),
            every_entry: true,
            heartbeat: log_heartbeat(self.layout.partitions),
        };
        reader::open(self.inner.clone(), spec, entries::log_entry).await
    }

    pub(crate) async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<KvEntry>, BusError> {
        let bucket = self.bucket(bucket);
        let stream = bucket.stream();
        let subject = bucket.subject(key);
        let connection = &self.inner.connection;
        connection.last_message(&stream, &subject, key).await
    }

    /// Starts to write a key whose revision is `expected`.
    pub(crate) async fn start_write(
        &self,
        bucket: Bucket,
        key: &str,
        write: KeyWrite,
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        let mut headers = names::expecting(expected);
        let (value, ttl_s) = match write {
            KeyWrite::Value { value, ttl_s } => (value, ttl_s),
            KeyWrite::Deletion { ttl_s } => {
                headers.insert(jetstream::KV_OPERATION, "DEL");
                (Bytes::new(), Some(ttl_s))
            }
        };
        if let Some(ttl_s) = ttl_s {
            headers.insert(header::NATS_MESSAGE_TTL, ttl_s.to_string());
        }
        let connection = &self.inner.connection;
        let subject = self.bucket(bucket).subject(key);
        connection.check_permitted(&subject)?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        connection
            .ask(subject, Some(headers), value, Waiter::Put(sender))
            .await?
            .keep();
        Ok(PutReceipt::new(Answer::Pending(receiver)))
    }

    pub(crate) async fn watch(
        &self,
        bucket: Bucket,
        filter: &KeyFilter,
    ) -> Result<mpsc::Receiver<Read<KvEntry>>, BusError> {
        let bucket = self.bucket(bucket);
        let prefixes = filter.prefixes();
        let spec = reader::ReadSpec {
            stream: bucket.stream(),
            filters: prefixes
                .map(|prefix| bucket.subject(&format!("{prefix}>")))
                .collect(),
            prefix: bucket.subject("").len(),
            from: 1,
            every_entry: false,
            heartbeat: IDLE_HEARTBEAT,
        };
        reader::open(self.inner.clone(), spec, entries::kv_entry).await
    }
}

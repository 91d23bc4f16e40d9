//! Requests to JetStream and its answers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::bus::error::BusError;
use crate::bus::nats::connection::{ANSWER_TIMEOUT, Connection, SERVER_TIMEOUT};
use crate::bus::nats::jetstream::message::{is_marker_block, unix_ms};
use crate::bus::nats::pub_ack::{ApiError, MESSAGE_NOT_FOUND};
use crate::bus::types::{KvEntry, LogState};

#[derive(Deserialize)]
struct ApiResponse {
    error: Option<ApiError>,
}

/// The needed parts of a stream's description.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::bus::nats) struct StreamInfo {
    pub(in crate::bus::nats) config: async_nats::jetstream::stream::Config,
    pub(in crate::bus::nats) created: String,
    pub(in crate::bus::nats) state: StreamState,
    /// The server's time at its answer.
    #[serde(rename = "ts")]
    answered: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(in crate::bus::nats) struct StreamState {
    pub(in crate::bus::nats) messages: u64,
    pub(super) first_seq: u64,
    pub(in crate::bus::nats) last_seq: u64,
}

impl StreamState {
    /// The first sequence that exists or will exist.
    pub(in crate::bus::nats) fn first(&self) -> u64 {
        if self.messages == 0 {
            self.last_seq + 1
        } else {
            self.first_seq
        }
    }
}

impl StreamInfo {
    pub(in crate::bus::nats) fn log_state(&self) -> Result<LogState, BusError> {
        Ok(LogState {
            first: self.state.first(),
            last: self.state.last_seq,
            created_ms: unix_ms(&self.created)?,
        })
    }
}

/// An ephemeral push consumer (D20).
#[derive(Debug, Serialize)]
pub(in crate::bus::nats) struct ConsumerConfig<'a> {
    pub(in crate::bus::nats) name: &'a str,
    pub(in crate::bus::nats) deliver_subject: &'a str,
    pub(in crate::bus::nats) deliver_policy: &'static str,
    pub(in crate::bus::nats) opt_start_seq: u64,
    pub(in crate::bus::nats) ack_policy: &'static str,
    pub(in crate::bus::nats) replay_policy: &'static str,
    /// The only subject, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::bus::nats) filter_subject: Option<&'a str>,
    /// The subjects, if there are several.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(in crate::bus::nats) filter_subjects: &'a [String],
    pub(in crate::bus::nats) flow_control: bool,
    /// Nanoseconds.
    pub(in crate::bus::nats) idle_heartbeat: u64,
    /// Nanoseconds.
    pub(in crate::bus::nats) inactive_threshold: u64,
    pub(in crate::bus::nats) num_replicas: usize,
    pub(in crate::bus::nats) mem_storage: bool,
    pub(in crate::bus::nats) max_deliver: i64,
}

#[derive(Serialize)]
struct CreateConsumer<'a> {
    stream_name: &'a str,
    config: &'a ConsumerConfig<'a>,
    action: &'static str,
}

#[derive(Serialize)]
struct EmptyRequest {}

#[derive(Deserialize)]
struct ConsumerInfo {
    num_pending: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MessageRequest<'a> {
    Last { last_by_subj: &'a str },
    Seq { seq: u64 },
}

#[derive(Deserialize)]
struct MessageResponse<'a> {
    #[serde(borrow)]
    message: StoredMessage<'a>,
}

#[derive(Deserialize)]
struct StoredMessage<'a> {
    seq: u64,
    #[serde(default)]
    hdrs: Option<&'a str>,
    #[serde(default)]
    data: Option<&'a str>,
    time: &'a str,
}

impl<'a> MessageResponse<'a> {
    fn read(answer: &'a [u8]) -> Result<Self, BusError> {
        serde_json::from_slice(answer).map_err(|_| BusError::Malformed("stored message"))
    }
}

impl Connection {
    /// Sends a request to JetStream and returns its answer, unless that is an error.
    async fn api(&self, subject: String, request: &impl Serialize) -> Result<Bytes, BusError> {
        self.api_within(ANSWER_TIMEOUT, subject, request).await
    }

    async fn api_within(
        &self,
        timeout: Duration,
        subject: String,
        request: &impl Serialize,
    ) -> Result<Bytes, BusError> {
        let request = serde_json::to_vec(request);
        let request = request.map_err(|_| BusError::NotEncoded("the request"))?;
        self.until_permitted(&subject).await?;
        let asked = tokio::select! {
            asked = self.request(subject.clone(), request.into(), timeout) => asked?,
            words = self.errors.publish_denied(&subject) => return Err(BusError::Denied { words }),
        };
        let answer: ApiResponse = serde_json::from_slice(&asked.payload)
            .map_err(|_| BusError::Malformed("not a JetStream answer"))?;
        let Some(error) = answer.error else {
            return Ok(asked.payload);
        };
        let error = BusError::from(error);
        if error == BusError::NoStream {
            self.replies.on_missing();
        }
        Err(error)
    }

    pub(in crate::bus::nats) async fn stream_info(
        &self,
        stream: &str,
    ) -> Result<StreamInfo, BusError> {
        let answer = self
            .api(format!("$JS.API.STREAM.INFO.{stream}"), &EmptyRequest {})
            .await?;
        let received = Instant::now().into_std();
        let info: StreamInfo =
            serde_json::from_slice(&answer).map_err(|_| BusError::Malformed("stream info"))?;
        if let Some(time_ms) = info.answered.as_deref().and_then(|time| unix_ms(time).ok()) {
            self.log_clock.note(received, time_ms);
        }
        Ok(info)
    }

    pub(in crate::bus::nats) async fn create_stream(
        &self,
        config: &async_nats::jetstream::stream::Config,
    ) -> Result<(), BusError> {
        let subject = format!("$JS.API.STREAM.CREATE.{}", config.name);
        let created = self.api_within(SERVER_TIMEOUT, subject, config).await;
        created.map(drop)
    }

    pub(in crate::bus::nats) async fn delete_stream(&self, stream: &str) -> Result<(), BusError> {
        let subject = format!("$JS.API.STREAM.DELETE.{stream}");
        let deleted = self
            .api_within(SERVER_TIMEOUT, subject, &EmptyRequest {})
            .await;
        deleted.map(drop)
    }

    pub(in crate::bus::nats) async fn update_stream(
        &self,
        config: &async_nats::jetstream::stream::Config,
    ) -> Result<(), BusError> {
        let subject = format!("$JS.API.STREAM.UPDATE.{}", config.name);
        let updated = self.api_within(SERVER_TIMEOUT, subject, config).await;
        updated.map(drop)
    }

    /// Creates a consumer and returns the number of messages that wait for it.
    pub(in crate::bus::nats) async fn create_consumer(
        &self,
        stream: &str,
        config: &ConsumerConfig<'_>,
    ) -> Result<u64, BusError> {
        let name = config.name;
        let request = CreateConsumer {
            stream_name: stream,
            config,
            action: "create",
        };
        // The subject has the filter if there is one, so that it can be a matter of permissions.
        let subject = match config.filter_subject {
            Some(filter) => format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.{filter}"),
            None => format!("$JS.API.CONSUMER.CREATE.{stream}.{name}"),
        };
        let answer = self.api(subject, &request).await?;
        let info: ConsumerInfo =
            serde_json::from_slice(&answer).map_err(|_| BusError::Malformed("consumer info"))?;
        Ok(info.num_pending)
    }

    /// Requests the deletion of a consumer without waiting. If the request fails, the server soon deletes the consumer
    /// by itself.
    pub(in crate::bus::nats) async fn delete_consumer(&self, stream: &str, name: &str) {
        let subject = format!("$JS.API.CONSUMER.DELETE.{stream}.{name}");
        let _ = self.send(subject, None, None, Bytes::new()).await;
    }

    /// Reads a stored message from the stream's leader.
    async fn message(
        &self,
        stream: &str,
        get: &MessageRequest<'_>,
    ) -> Result<Option<Bytes>, BusError> {
        let asked = self
            .api(format!("$JS.API.STREAM.MSG.GET.{stream}"), get)
            .await;
        match asked {
            Ok(answer) => Ok(Some(answer)),
            Err(BusError::Server {
                code: MESSAGE_NOT_FOUND,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The time when a message was stored, in Unix milliseconds.
    pub(in crate::bus::nats) async fn message_time(
        &self,
        stream: &str,
        seq: u64,
    ) -> Result<Option<u64>, BusError> {
        match self.message(stream, &MessageRequest::Seq { seq }).await? {
            Some(answer) => {
                let response = MessageResponse::read(&answer)?;
                unix_ms(response.message.time).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The last message of a subject.
    pub(in crate::bus::nats) async fn last_message(
        &self,
        stream: &str,
        subject: &str,
        key: &str,
    ) -> Result<Option<KvEntry>, BusError> {
        let request = MessageRequest::Last {
            last_by_subj: subject,
        };
        let Some(answer) = self.message(stream, &request).await? else {
            return Ok(None);
        };
        let response = MessageResponse::read(&answer)?;
        let decode = |text: &str| {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|_| BusError::Malformed("stored message's base64"))
        };
        let headers = decode(response.message.hdrs.unwrap_or_default())?;
        let value = if is_marker_block(&headers) {
            None
        } else {
            Some(decode(response.message.data.unwrap_or_default())?.into())
        };
        Ok(Some(KvEntry {
            key: key.to_owned(),
            value,
            revision: response.message.seq,
            time_ms: unix_ms(response.message.time)?,
        }))
    }
}

/// A duration in nanoseconds, as JetStream encodes it.
pub(in crate::bus::nats) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

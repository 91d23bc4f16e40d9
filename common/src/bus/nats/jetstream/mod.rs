//! JetStream's API: requests, answers, and what its messages carry.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bus::error::BusError;
use crate::bus::nats::wire::{ANSWER_TIMEOUT, SERVER_TIMEOUT, Wire};
use crate::bus::types::{KvEntry, LogState};

/// Header: what happened to a key, if it was not put.
pub(super) const KV_OPERATION: &str = "KV-Operation";
/// Error codes of the server's (`server/errors.json` of nats-server).
pub(super) const WRONG_LAST_SEQUENCE: u32 = 10071;
pub(super) const WRONG_LAST_SEQUENCE_CONSTANT: u32 = 10164;
const STREAM_NOT_FOUND: u32 = 10059;
const MESSAGE_NOT_FOUND: u32 = 10037;
pub(super) const NO_META_LEADER: u32 = 10008;
pub(super) const STREAM_OFFLINE: u32 = 10118;
pub(super) const NOT_ENOUGH_SERVERS: u32 = 10005;
pub(super) const NO_CLUSTER: u32 = 10074;

/// What the server says when it refuses.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: String,
}

impl From<Fault> for BusError {
    fn from(fault: Fault) -> Self {
        match fault.err_code {
            STREAM_NOT_FOUND => Self::NoStream,
            code => Self::Server {
                code,
                description: fault.description,
            },
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Published {
    error: Option<Fault>,
    seq: Option<u64>,
}

/// Reads the answer to a message for a stream: its sequence.
pub(super) fn published(payload: &[u8]) -> Result<u64, Fault> {
    let malformed = || Fault {
        err_code: 0,
        description: "an answer that cannot be read".to_owned(),
    };
    let answer: Published = serde_json::from_slice(payload).map_err(|_| malformed())?;
    match answer {
        Published {
            error: Some(fault), ..
        } => Err(fault),
        Published { seq: Some(seq), .. } => Ok(seq),
        Published { .. } => Err(malformed()),
    }
}

/// What we ask of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: async_nats::jetstream::stream::Config,
    pub(super) created: String,
    pub(super) state: StreamState,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct StreamState {
    pub(super) messages: u64,
    first_seq: u64,
    pub(super) last_seq: u64,
}

impl StreamState {
    /// The first sequence that is there or will be.
    pub(super) fn first(&self) -> u64 {
        if self.messages == 0 {
            self.last_seq + 1
        } else {
            self.first_seq
        }
    }
}

impl StreamInfo {
    pub(super) fn log_state(&self) -> LogState {
        LogState {
            first: self.state.first(),
            last: self.state.last_seq,
            created_ms: unix_ms(&self.created).unwrap_or(0),
        }
    }
}

fn unix_ms(rfc3339: &str) -> Option<u64> {
    let time = async_nats::datetime::parse_rfc3339(rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// An ephemeral push consumer (D20).
#[derive(Debug, Serialize)]
pub(super) struct ConsumerConfig<'a> {
    pub(super) name: &'a str,
    pub(super) deliver_subject: &'a str,
    pub(super) deliver_policy: &'static str,
    pub(super) opt_start_seq: u64,
    pub(super) ack_policy: &'static str,
    pub(super) replay_policy: &'static str,
    pub(super) filter_subject: &'a str,
    pub(super) flow_control: bool,
    /// Nanoseconds.
    pub(super) idle_heartbeat: u64,
    /// Nanoseconds.
    pub(super) inactive_threshold: u64,
    pub(super) num_replicas: usize,
    pub(super) mem_storage: bool,
    pub(super) max_deliver: i64,
}

#[derive(Serialize)]
struct CreateConsumer<'a> {
    stream_name: &'a str,
    config: &'a ConsumerConfig<'a>,
    action: &'static str,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Deserialize)]
struct ConsumerInfo {
    num_pending: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Get<'a> {
    Last { last_by_subj: &'a str },
    Seq { seq: u64 },
}

#[derive(Deserialize)]
struct Got<'a> {
    #[serde(borrow)]
    message: Stored<'a>,
}

#[derive(Deserialize)]
struct Stored<'a> {
    seq: u64,
    #[serde(default)]
    hdrs: Option<&'a str>,
    #[serde(default)]
    data: Option<&'a str>,
    time: &'a str,
}

impl<'a> Got<'a> {
    fn read(answer: &'a [u8]) -> Result<Self, BusError> {
        serde_json::from_slice(answer).map_err(|_| BusError::Malformed("stored message"))
    }
}

impl Wire {
    /// Asks JetStream, and gives its answer if that is no refusal.
    async fn api(&self, subject: String, request: &impl Serialize) -> Result<Bytes, BusError> {
        self.api_within(ANSWER_TIMEOUT, subject, request).await
    }

    async fn api_within(
        &self,
        timeout: Duration,
        subject: String,
        request: &impl Serialize,
    ) -> Result<Bytes, BusError> {
        let request = serde_json::to_vec(request).map_err(|_| BusError::Malformed("request"))?;
        let asked = self.request(subject, request.into(), timeout).await?;
        let answer: Answer = serde_json::from_slice(&asked.payload)
            .map_err(|_| BusError::Malformed("not a JetStream answer"))?;
        match answer.error {
            Some(fault) => Err(fault.into()),
            None => Ok(asked.payload),
        }
    }

    pub(super) async fn stream_info(&self, stream: &str) -> Result<StreamInfo, BusError> {
        let answer = self
            .api(format!("$JS.API.STREAM.INFO.{stream}"), &Nothing {})
            .await?;
        serde_json::from_slice(&answer).map_err(|_| BusError::Malformed("stream info"))
    }

    pub(super) async fn create_stream(
        &self,
        config: &async_nats::jetstream::stream::Config,
    ) -> Result<(), BusError> {
        let subject = format!("$JS.API.STREAM.CREATE.{}", config.name);
        let created = self.api_within(SERVER_TIMEOUT, subject, config).await;
        created.map(drop)
    }

    /// Makes a consumer; gives how many messages wait for it.
    pub(super) async fn create_consumer(
        &self,
        stream: &str,
        config: &ConsumerConfig<'_>,
    ) -> Result<u64, BusError> {
        let (name, filter) = (config.name, config.filter_subject);
        let request = CreateConsumer {
            stream_name: stream,
            config,
            action: "create",
        };
        let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.{filter}");
        let answer = self.api(subject, &request).await?;
        let info: ConsumerInfo =
            serde_json::from_slice(&answer).map_err(|_| BusError::Malformed("consumer info"))?;
        Ok(info.num_pending)
    }

    /// Asks to delete a consumer, and does not wait; if it fails, the server does it by itself soon after.
    pub(super) async fn delete_consumer(&self, stream: &str, name: &str) {
        let subject = format!("$JS.API.CONSUMER.DELETE.{stream}.{name}");
        let _ = self.send(subject, None, None, Bytes::new()).await;
    }

    /// A stored message, from the stream's leader.
    async fn message(&self, stream: &str, get: &Get<'_>) -> Result<Option<Bytes>, BusError> {
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

    /// When the message with a sequence was stored, Unix milliseconds.
    pub(super) async fn message_time(
        &self,
        stream: &str,
        seq: u64,
    ) -> Result<Option<u64>, BusError> {
        match self.message(stream, &Get::Seq { seq }).await? {
            Some(answer) => Ok(unix_ms(Got::read(&answer)?.message.time)),
            None => Ok(None),
        }
    }

    /// The last message of a subject.
    pub(super) async fn last_message(
        &self,
        stream: &str,
        subject: &str,
        key: &str,
    ) -> Result<Option<KvEntry>, BusError> {
        let request = Get::Last {
            last_by_subj: subject,
        };
        let Some(answer) = self.message(stream, &request).await? else {
            return Ok(None);
        };
        let got = Got::read(&answer)?;
        let decode = |text: &str| {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|_| BusError::Malformed("stored message's base64"))
        };
        let headers = decode(got.message.hdrs.unwrap_or_default())?;
        let value = if is_marker_block(&headers) {
            None
        } else {
            Some(decode(got.message.data.unwrap_or_default())?.into())
        };
        Ok(Some(KvEntry {
            key: key.to_owned(),
            value,
            revision: got.message.seq,
            time_ms: unix_ms(got.message.time).unwrap_or(0),
        }))
    }
}

/// Whether the headers (as they are on the wire) are of a deletion.
fn is_marker_block(headers: &[u8]) -> bool {
    let text = String::from_utf8_lossy(headers);
    text.lines().any(|line| {
        line.split_once(':')
            .is_some_and(|(name, value)| is_marker(name, value.trim()))
    })
}

/// Whether a header is of a deletion: ours, the `nats` tool's, or the server's own.
pub(super) fn is_marker(name: &str, value: &str) -> bool {
    match name {
        KV_OPERATION => matches!(value, "DEL" | "PURGE"),
        "Nats-Marker-Reason" => true,
        _ => false,
    }
}

/// What the reply subject of a delivered message says:
/// `$JS.ACK.{stream}.{consumer}.{deliveries}.{stream seq}.{consumer seq}.{time}.{pending}`, and with
/// `{domain}.{account}` after `ACK` on newer servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) stream_seq: u64,
    pub(super) consumer_seq: u64,
    pub(super) time_ms: u64,
    pub(super) pending: u64,
}

impl FromStr for Delivery {
    type Err = BusError;

    fn from_str(subject: &str) -> Result<Self, BusError> {
        let malformed = BusError::Malformed("delivery subject");
        let Some(rest) = subject.strip_prefix("$JS.ACK.") else {
            return Err(malformed);
        };
        let skip = match rest.split('.').count() {
            7 => 3,
            9.. => 5,
            _ => return Err(malformed),
        };
        let mut numbers = rest.split('.').skip(skip).map(str::parse::<u64>);
        let mut number = || numbers.next().and_then(Result::ok);
        let (Some(stream_seq), Some(consumer_seq), Some(nanos), Some(pending)) =
            (number(), number(), number(), number())
        else {
            return Err(malformed);
        };
        Ok(Self {
            stream_seq,
            consumer_seq,
            time_ms: nanos / 1_000_000,
            pending,
        })
    }
}

/// A duration as JetStream writes it.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

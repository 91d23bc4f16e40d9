//! Facts about a NATS server and the cluster on it, for people who look for faults. Asking changes nothing.

use std::time::Duration;

use async_nats::{Client, Subscriber};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use grandstand_types::layout::Layout;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::bus::connect_error::ConnectError;
use crate::bus::nats::jetstream::unix_ms;
use crate::bus::nats::names::Names;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::trial::Direction;
use crate::bus::nats::{connection, dial, needed, permissions};
use crate::bus::options::{BusOptions, buckets};
use crate::clock;
use crate::record::{CLUSTER_KEY, ClusterRecord};

/// The round trips that are measured.
const TRIPS: usize = 5;
/// The most time for an answer. A request that is not permitted gets none.
const WITHIN: Duration = Duration::from_secs(1);
/// The most time for the answer about the account, which NATS does not give if it is not permitted.
const ACCOUNT_WITHIN: Duration = Duration::from_millis(500);

/// A NATS server, and the cluster on it.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The version of the server.
    pub version: String,
    /// The name of the server.
    pub server: String,
    /// The number of servers that NATS announces to clients, with this one.
    pub servers: usize,
    /// The most bytes of a message.
    pub max_payload: usize,
    /// Whether the server has JetStream.
    pub has_jetstream: bool,
    /// The times of some round trips, sorted.
    pub round_trips: Vec<Duration>,
    /// The limits of the account, or why they are unknown.
    pub account: Result<Account, String>,
    /// This machine's clock minus that of NATS, milliseconds; `None` if no answer of NATS has its time.
    pub clock_skew_ms: Option<i64>,
    /// The number of partitions and streams; `None` if there is no cluster yet.
    pub layout: Option<Layout>,
    /// The streams and buckets of the cluster that exist.
    pub streams: Vec<StreamUse>,
    /// The names of those that do not exist.
    pub missing: Vec<String>,
    /// The permissions that the role needs and that NATS denies; an error if they cannot be tried.
    pub denied: Result<Vec<String>, String>,
}

/// The limits of an account in JetStream. A limit of -1 is none but the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The bytes in files.
    pub storage: u64,
    /// The most bytes in files.
    pub max_storage: i64,
    /// The number of streams.
    pub streams: u64,
    /// The most streams.
    pub max_streams: i64,
}

/// The use of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamUse {
    /// The name.
    pub name: String,
    /// The bytes that it holds.
    pub bytes: u64,
    /// The most bytes that it may hold; -1 for no limit.
    pub max_bytes: i64,
    /// The number of servers that store it.
    pub replicas: usize,
}

#[derive(Deserialize)]
struct AccountAnswer {
    #[serde(default)]
    storage: u64,
    #[serde(default)]
    streams: u64,
    limits: Option<AccountLimits>,
    error: Option<ErrorAnswer>,
}

#[derive(Deserialize)]
struct AccountLimits {
    #[serde(default)]
    max_storage: i64,
    #[serde(default)]
    max_streams: i64,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct StreamAnswer {
    config: Option<StreamConfig>,
    state: Option<StreamState>,
    ts: Option<String>,
}

#[derive(Deserialize)]
struct StreamConfig {
    max_bytes: i64,
    num_replicas: usize,
}

#[derive(Deserialize)]
struct StreamState {
    bytes: u64,
}

#[derive(Deserialize)]
struct MessageAnswer {
    message: Option<StoredMessage>,
}

#[derive(Deserialize)]
struct StoredMessage {
    #[serde(default)]
    data: String,
}

/// Asks a NATS server about itself and the cluster on it, with the permissions of the role of `options`.
///
/// # Errors
/// If NATS cannot be reached, or refuses the login.
pub async fn survey(url: &str, options: &BusOptions) -> Result<Survey, ConnectError> {
    let servers = Servers::parse(url)?;
    let connecting = dial::options(&servers, options)
        .await?
        .name(format!("{} (survey)", options.name))
        .connection_timeout(dial::CONNECT_TIMEOUT)
        .max_reconnects(1);
    let client = dial::connect(connecting, &servers).await?;
    let names = Names::new(options);
    let info = client.server_info();
    let mut announced = info.connect_urls.clone();
    announced.sort_unstable();
    announced.dedup();
    let mut survey = Survey {
        version: info.version.clone(),
        server: info.server_name.clone(),
        servers: announced.len().max(1),
        max_payload: client.max_payload(),
        has_jetstream: info.jetstream,
        round_trips: round_trips(&client).await,
        account: Err("the server has no JetStream".to_owned()),
        clock_skew_ms: None,
        layout: None,
        streams: Vec::new(),
        missing: Vec::new(),
        denied: Ok(Vec::new()),
    };
    if info.jetstream {
        survey.account = account(&client).await;
        survey.layout = layout(&client, &names).await;
        let layout = survey.layout.unwrap_or(options.layout());
        look_at_streams(&client, &names, &layout, &mut survey).await;
    }
    let layout = survey.layout.unwrap_or(options.layout());
    survey.denied = denied(&servers, options, &names, layout).await;
    Ok(survey)
}

/// Sends messages to this client, one after the other.
async fn round_trips(client: &Client) -> Vec<Duration> {
    let inbox = client.new_inbox();
    let Ok(mut messages) = client.subscribe(inbox.clone()).await else {
        return Vec::new();
    };
    let mut times = Vec::new();
    for _ in 0..TRIPS {
        match trip(client, &inbox, &mut messages).await {
            Some(time) => times.push(time),
            None => break,
        }
    }
    times.sort_unstable();
    times
}

async fn trip(client: &Client, inbox: &str, messages: &mut Subscriber) -> Option<Duration> {
    let begun = Instant::now();
    client.publish(inbox.to_owned(), Bytes::new()).await.ok()?;
    client.flush().await.ok()?;
    let back = timeout(WITHIN, connection::next(messages)).await;
    back.ok()?.map(|_| begun.elapsed())
}

/// Sends a request to JetStream.
async fn request<A: DeserializeOwned>(
    client: &Client,
    subject: String,
    body: String,
    within: Duration,
) -> Result<A, String> {
    let asked = timeout(within, client.request(subject.clone(), body.into())).await;
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return Err(format!("{subject}: {why}")),
        Err(_) => {
            return Err(format!(
                "no answer to {subject}; NATS gives none if the user may not ask"
            ));
        }
    };
    serde_json::from_slice(&answer.payload)
        .map_err(|why| format!("the answer to {subject} cannot be read: {why}"))
}

async fn account(client: &Client) -> Result<Account, String> {
    let subject = "$JS.API.INFO".to_owned();
    let asked = request::<AccountAnswer>(client, subject, String::new(), ACCOUNT_WITHIN);
    let answer = asked.await?;
    if let Some(error) = answer.error {
        return Err(error.description);
    }
    let limits = answer.limits.unwrap_or(AccountLimits {
        max_storage: -1,
        max_streams: -1,
    });
    Ok(Account {
        storage: answer.storage,
        max_storage: limits.max_storage,
        streams: answer.streams,
        max_streams: limits.max_streams,
    })
}

async fn layout(client: &Client, names: &Names) -> Option<Layout> {
    let bucket = names.record();
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", bucket.stream());
    let body = json!({"last_by_subj": bucket.subject(CLUSTER_KEY)}).to_string();
    let answer: MessageAnswer = request(client, subject, body, WITHIN).await.ok()?;
    let data = STANDARD.decode(answer.message?.data).ok()?;
    let record: ClusterRecord = serde_json::from_slice(&data).ok()?;
    Some(record.layout)
}

async fn look_at_streams(client: &Client, names: &Names, layout: &Layout, survey: &mut Survey) {
    let log = layout.all_streams().map(|stream| names.log(stream));
    let kept = buckets(layout).into_iter();
    let kept = kept.map(|bucket| names.bucket(layout, bucket).stream());
    let all: Vec<_> = log.chain([names.out()]).chain(kept).collect();
    for name in all {
        let subject = format!("$JS.API.STREAM.INFO.{name}");
        let sent_ms = clock::unix_ms();
        let asked = request::<StreamAnswer>(client, subject, String::new(), WITHIN).await;
        let Ok(answer) = asked else {
            // One silence is enough: the others would be as long.
            return;
        };
        let now_ms = (sent_ms + clock::unix_ms()) / 2;
        if let Some(ts) = answer.ts.as_deref().and_then(|time| unix_ms(time).ok()) {
            survey.clock_skew_ms = Some(now_ms as i64 - ts as i64);
        }
        match (answer.config, answer.state) {
            (Some(config), Some(state)) => survey.streams.push(StreamUse {
                name,
                bytes: state.bytes,
                max_bytes: config.max_bytes,
                replicas: config.num_replicas,
            }),
            _ => survey.missing.push(name),
        }
    }
}

/// Tries the permissions of the role, and returns those that NATS denies, in words.
async fn denied(
    servers: &Servers,
    options: &BusOptions,
    names: &Names,
    layout: Layout,
) -> Result<Vec<String>, String> {
    let Some(role) = options.role else {
        return Ok(Vec::new());
    };
    let mut trials = needed::in_general(names, role);
    trials.extend(needed::in_layout(names, role, &layout));
    let errors = permissions::denied(servers, options, |_| trials.clone()).await;
    let errors = errors.map_err(|why| why.to_string())?;
    let is_denied = trials
        .iter()
        .filter(|trial| errors.iter().any(|error| trial.is_about(error)));
    let mut words: Vec<_> = is_denied
        .map(|trial| match trial.direction {
            Direction::Publish => format!("publish {}", trial.permission),
            Direction::Subscribe => format!("subscribe {}", trial.permission),
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    Ok(words)
}

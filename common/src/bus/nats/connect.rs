//! Connects to NATS and observes the connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, Subscriber};
use grandstand_types::layout::Layout;
// Held for an assignment.
use parking_lot::Mutex;
use rand::RngExt as _;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

use crate::bus::connect_error::ConnectError;
use crate::bus::nats::connection::{self, Connection};
use crate::bus::nats::listener::{Listener, RefusedServers};
use crate::bus::nats::names::Names;
use crate::bus::nats::replies::{EXPIRE_EVERY, Replies};
use crate::bus::nats::send_queue::SendQueue;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::{cluster_record, dial, needed, permissions};
use crate::bus::nats_errors::NatsErrors;
use crate::bus::options::BusOptions;
use crate::bus::types::BusRole;
use crate::exit::{Exit, ExitError as _};
use crate::log_clock::LogClock;

/// The most commands that wait to be written. Further senders wait.
const CLIENT_CAPACITY: usize = 4096;
/// The least `max_payload` of a server that is usable: entries without data and records of the cluster fit.
const MIN_PAYLOAD: usize = 16 * 1024;
/// The deadline for setting streams up on one server.
const SET_UP_DEADLINE: Duration = Duration::from_secs(5);
/// The deadline for setting streams up in a cluster, which may have to elect leaders first: each election takes up to 9
/// s.
const CLUSTER_DEADLINE: Duration = Duration::from_secs(30);
/// The pause before setting streams up is repeated.
const SET_UP_RETRY: Duration = Duration::from_millis(500);
/// The least time between two times that streams are set up because one is missing. Nobody answers for a stream either
/// while a cluster elects its leader.
const SET_UP_EVERY: Duration = Duration::from_secs(1);
/// The interval of pings. The client gives up a server after three unanswered ones.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const MAX_RECONNECT_DELAY_MS: u64 = 250;
const READ_BUFFER: u16 = u16::MAX;

/// Connects and sets the streams up.
pub(super) async fn connect(
    servers: &Servers,
    options: &BusOptions,
) -> Result<(Connection, Vec<AbortHandle>), ConnectError> {
    let url = servers.to_string();
    let names = Names::new(options);
    let inbox = format!("{}.{}.", names.inbox(), dial::random_id());
    let errors = options.errors.of_connection();
    let needs_buckets = options.role != Some(BusRole::Edge);
    let replies = Replies::new(inbox, needs_buckets.then(|| errors.clone()));
    let replies = Arc::new(replies);
    let wake = Arc::new(Notify::new());
    let connect_options = client_options(servers, options, &replies, &errors, &wake).await?;
    let client = dial::connect(connect_options, servers).await?;
    if !client.is_server_compatible(2, 11, 0) {
        let version = client.server_info().version;
        return Err(ConnectError::TooOld { url, version });
    }
    let max = client.max_payload();
    if max < MIN_PAYLOAD {
        return Err(ConnectError::PayloadTooSmall {
            url,
            max,
            least: MIN_PAYLOAD,
        });
    }
    let needed = |role| needed::in_general(&Names::new(options), role);
    permissions::check(servers, options, needed).await?;
    replies.on_up(1);
    let connection = Connection {
        client,
        names,
        replies,
        errors,
        log_clock: LogClock::new(),
        send_queue: SendQueue::new(),
    };
    let answers = connection.subscribe(connection.replies.pattern()).await;
    let answers = answers.map_err(|cause| ConnectError::Setup {
        stream: "(replies)".to_owned(),
        cause,
    })?;
    let supervisor = &options.supervisor;
    let tasks = vec![
        supervisor.keep(
            "bus-replies",
            drive_replies(connection.replies.clone(), answers),
        ),
        supervisor.keep(
            "bus-link",
            drive_connection(connection.clone(), wake, options.clone()),
        ),
    ];
    let started = async {
        set_up(&connection, options, &url).await?;
        match connection.replies.layout() {
            Some(layout) => check_layout(servers, options, &layout).await,
            None => Ok(()),
        }
    };
    let started = started.await;
    if started.is_err() {
        tasks.iter().for_each(AbortHandle::abort);
    }
    started.map(|()| (connection, tasks))
}

/// Tries the permissions for the partitions and streams of a layout.
pub(super) async fn check_layout(
    servers: &Servers,
    options: &BusOptions,
    layout: &Layout,
) -> Result<(), ConnectError> {
    let needed = |role| needed::in_layout(&Names::new(options), role, layout);
    permissions::check(servers, options, needed).await
}

/// Sets the streams up. Waits while a cluster elects its leaders.
async fn set_up(
    connection: &Connection,
    options: &BusOptions,
    url: &str,
) -> Result<(), ConnectError> {
    let after = options.set_up_deadline.unwrap_or(match options.replicas {
        0 | 1 => SET_UP_DEADLINE,
        _ => CLUSTER_DEADLINE,
    });
    let deadline = Instant::now() + after;
    let mut last = None;
    loop {
        let ensuring = cluster_record::ensure(connection, options, url);
        let error = match timeout_at(deadline, ensuring).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => {
                let url = url.to_owned();
                return Err(last.unwrap_or(ConnectError::TimedOut { url, after }));
            }
        };
        let again = Instant::now() + SET_UP_RETRY;
        if options.replicas < 2 || error.exit() != Exit::Unavailable || again >= deadline {
            return Err(error);
        }
        tracing::debug!(%error, "waiting for the cluster");
        last = Some(error);
        tokio::time::sleep_until(again).await;
    }
}

async fn client_options(
    servers: &Servers,
    options: &BusOptions,
    replies: &Arc<Replies>,
    errors: &NatsErrors,
    wake: &Arc<Notify>,
) -> Result<ConnectOptions, ConnectError> {
    let replies = replies.clone();
    let wake = wake.clone();
    let errors = Listener::new(errors, &replies.stats);
    let refused = RefusedServers::new(&errors);
    let client = dial::options(servers, options)
        .await?
        .name(&options.name)
        .client_capacity(CLIENT_CAPACITY)
        .subscription_capacity(options.library_capacity)
        .connection_timeout(dial::CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .request_timeout(Some(connection::SERVER_TIMEOUT))
        .read_buffer_capacity(READ_BUFFER)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .reconnect_to_server_callback(move |servers, _| {
            refused.hear(&servers);
            // The library chooses the server.
            async { None }
        })
        .event_callback(move |event| {
            errors.hear(&event);
            if event == Event::Disconnected {
                replies.on_down();
            }
            wake.notify_one();
            async {}
        });
    Ok(client)
}

/// No delay at first, then doubling up to 250 ms with up to half of it random, so that many clients do not reconnect at
/// once.
fn reconnect_delay(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let max_ms = (8_u64 << attempt.min(8)).min(MAX_RECONNECT_DELAY_MS);
    Duration::from_millis(rand::rng().random_range(max_ms / 2..=max_ms))
}

async fn drive_replies(replies: Arc<Replies>, mut answers: Subscriber) {
    while let Some(message) = connection::next(&mut answers).await {
        replies.on_message(message);
    }
    replies.on_down();
}

/// Follows the connection's state. Events wake it, but it also polls, because the client library drops events in a
/// burst.
async fn drive_connection(connection: Connection, wake: Arc<Notify>, options: BusOptions) {
    let mut tick = tokio::time::interval(EXPIRE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = connection_count(&connection.client);
    let mut setting_up = None::<AbortHandle>;
    let mut next_set_up = Instant::now();
    let said = Arc::<Mutex<String>>::default();
    let mut reconnects = connection.errors.reconnects();
    loop {
        tokio::select! {
            () = wake.notified() => {}
            _ = tick.tick() => connection.replies.expire(),
            Ok(()) = reconnects.changed() => {
                tracing::info!("connecting to NATS again, so that refused subscriptions are made again");
                // The library is connecting already if this fails.
                connection.client.force_reconnect().await.ok();
            }
        }
        let now = connection_count(&connection.client);
        let connected = connection.client.connection_state() == State::Connected;
        if !connected {
            connection.replies.on_down();
        } else if now > seen {
            // The earlier connection ended, even if the event was dropped.
            connection.replies.on_down();
            seen = now;
            connection.errors.on_reconnected();
            connection.replies.on_up(now);
            setting_up.take().inspect(AbortHandle::abort);
            let again = set_up_again(connection.clone(), options.clone(), said.clone());
            setting_up = Some(options.supervisor.run("bus-setup", again));
        } else if connection.replies.is_missing()
            && Instant::now() >= next_set_up
            && setting_up.as_ref().is_none_or(AbortHandle::is_finished)
        {
            next_set_up = Instant::now() + SET_UP_EVERY;
            let again = set_up_again(connection.clone(), options.clone(), said.clone());
            setting_up = Some(options.supervisor.run("bus-setup", again));
        }
    }
}

/// Sets streams up again, because the server may have come back without them, or one is gone. It may also be too new to
/// answer for them yet. `said` is the last error that was said.
async fn set_up_again(connection: Connection, options: BusOptions, said: Arc<Mutex<String>>) {
    while let Err(error) = cluster_record::ensure(&connection, &options, "the old address").await {
        let again = error.exit() == Exit::Unavailable;
        let text = error.to_string();
        let before = std::mem::replace(&mut *said.lock(), text.clone());
        if before != text {
            tracing::warn!(error = text, again, "cannot check the streams and buckets");
        }
        if !again {
            return;
        }
        tokio::time::sleep(SET_UP_RETRY).await;
    }
    if !std::mem::take(&mut *said.lock()).is_empty() {
        tracing::info!("the streams and buckets are as they should be");
    }
}

fn connection_count(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}

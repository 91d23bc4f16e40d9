//! A connection to another server than the bus uses (D17).

use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{Client, Request, RequestErrorKind};
use async_nats::connection::State;
use async_nats::{Event, ServerAddr};
use bytes::Bytes;
use rand::seq::SliceRandom as _;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::bus::error::{PublishError, RequestError};
use crate::bus::nats::connection::Connection;
use crate::bus::nats::dial;
use crate::bus::nats::listener::Listener;
use crate::bus::nats::names::Names;
use crate::bus::nats::servers::Servers;
use crate::bus::options::BusOptions;
use crate::bus::types::SecondConnectionState;

/// The most time for connecting to a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between searches for another server.
const RETRY: Duration = Duration::from_secs(1);
/// The interval of checks that the connection is up, and leads to another server.
const LOOK: Duration = Duration::from_millis(500);
/// The interval of pings. The client gives up a server after three unanswered ones.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// The most requests and messages that wait. Few are in flight.
const CAPACITY: usize = 1024;

/// The connection, while there is one, and the task that maintains it.
#[derive(Debug)]
pub(crate) struct SecondConnection {
    names: Names,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    connection: watch::Sender<SecondConnectionState>,
    client: watch::Sender<Option<Client>>,
}

impl Drop for SecondConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The result of a search.
enum Found {
    Other(Client),
    /// All reachable servers are the bus' own.
    OnlyOwn,
    Unreachable,
}

impl SecondConnection {
    /// Starts to look for another server than that of `connection`.
    pub(super) fn start(connection: Connection, servers: Servers, options: BusOptions) -> Self {
        let shared = Arc::new(Shared {
            connection: watch::Sender::new(SecondConnectionState::Missing),
            client: watch::Sender::new(None),
        });
        let names = connection.names.clone();
        let seeker = Seeker {
            connection,
            servers,
            options,
            shared: shared.clone(),
        };
        let supervisor = seeker.options.supervisor.clone();
        let task = supervisor.keep("bus-second-connection", seeker.drive());
        Self {
            names,
            shared,
            task,
        }
    }

    pub(crate) fn state(&self) -> watch::Receiver<SecondConnectionState> {
        self.shared.connection.subscribe()
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.shared.client.borrow().clone()
    }

    /// A subject of the bus as NATS knows it.
    pub(crate) fn subject(&self, subject: String) -> String {
        self.names.subject(subject)
    }

    pub(crate) async fn request(
        client: Client,
        subject: String,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let request = Request::new().timeout(Some(timeout));
        let answer = client.send_request(subject.clone(), request).await;
        answer
            .map(|message| message.payload)
            .map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => RequestError::NoResponders,
                RequestErrorKind::TimedOut => RequestError::Timeout,
                RequestErrorKind::InvalidSubject => {
                    RequestError::NotSent(PublishError::BadSubject(subject))
                }
                RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
                    RequestError::Disconnected
                }
            })
    }
}

struct Seeker {
    connection: Connection,
    servers: Servers,
    options: BusOptions,
    shared: Arc<Shared>,
}

impl Seeker {
    async fn drive(self) {
        for number in 1.. {
            let (client, gone) = self.find().await;
            let server = client.server_info().server_name;
            tracing::debug!(server, "connected to a second server");
            self.shared.client.send_replace(Some(client.clone()));
            self.shared
                .connection
                .send_replace(SecondConnectionState::Connected(number));
            self.hold(&client, &gone).await;
            self.shared.client.send_replace(None);
            self.shared
                .connection
                .send_replace(SecondConnectionState::Missing);
        }
    }

    /// Waits until another server is found. Returns the connection to it, and what is notified when that is lost.
    async fn find(&self) -> (Client, Arc<Notify>) {
        loop {
            let gone = Arc::new(Notify::new());
            let connection = match self.look(&gone).await {
                Found::Other(client) => return (client, gone),
                Found::OnlyOwn => SecondConnectionState::NotNeeded,
                Found::Unreachable => SecondConnectionState::Missing,
            };
            self.shared.connection.send_if_modified(|last| {
                let changed = *last != connection;
                *last = connection;
                changed
            });
            let mut connection_state = self.connection.replies.connection_state();
            tokio::select! {
                // Another server may know other addresses.
                _ = connection_state.changed() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Tries all known servers in random order.
    async fn look(&self, gone: &Arc<Notify>) -> Found {
        let own = self.connection.client.server_info();
        let mut candidates = self.servers.candidates(&own.connect_urls);
        if candidates.len() < 2 && own.cluster.is_none() {
            return Found::OnlyOwn;
        }
        candidates.shuffle(&mut rand::rng());
        let mut found = Found::OnlyOwn;
        for address in candidates {
            match self.connect(address, gone).await {
                Some(client) if client.server_info().server_id != self.own_server() => {
                    return Found::Other(client);
                }
                Some(_) => {}
                None => found = Found::Unreachable,
            }
        }
        found
    }

    async fn connect(&self, address: ServerAddr, gone: &Arc<Notify>) -> Option<Client> {
        let gone = gone.clone();
        let listener = Listener::new(&self.connection.errors, &self.connection.replies.stats);
        let options = dial::options(&self.servers, &self.options)
            .await
            .ok()?
            .name(format!("{} (second)", self.options.name))
            .client_capacity(CAPACITY)
            .subscription_capacity(CAPACITY)
            .connection_timeout(CONNECT_TIMEOUT)
            .ping_interval(PING_INTERVAL)
            .ignore_discovered_servers()
            .event_callback(move |event| {
                listener.hear(&event);
                if matches!(event, Event::Disconnected | Event::Closed) {
                    gone.notify_one();
                }
                async {}
            });
        let connecting = options.connect(address);
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        connected.ok()?.ok()
    }

    /// Waits until the connection is lost, or the bus uses the same server.
    async fn hold(&self, client: &Client, gone: &Notify) {
        loop {
            tokio::select! {
                () = gone.notified() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let same = client.server_info().server_id == self.own_server();
            if same || client.connection_state() != State::Connected {
                return;
            }
        }
    }

    fn own_server(&self) -> String {
        self.connection.client.server_info().server_id
    }
}

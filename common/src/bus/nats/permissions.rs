//! Tries the permissions that a process needs, on a connection of its own (D27).
//!
//! NATS tells a client of a denied permission in an error of its own and not in an answer, so a trial publishes and
//! subscribes, and waits until everything that NATS has to say about it has come. The messages of a trial are never
//! stored, because they expect another stream.

use std::sync::Arc;
use std::time::Duration;

use async_nats::header::HeaderMap;
use async_nats::{Client, Event, Subscriber};
use bytes::Bytes;
// Shared by a trial and the client library's event task.
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::bus::connect_error::ConnectError;
use crate::bus::error::BusError;
use crate::bus::nats::names::Names;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::trial::{Direction, TRIAL, Trial};
use crate::bus::nats::{connection, dial};
use crate::bus::nats_error::NatsError;
use crate::bus::options::BusOptions;
use crate::bus::types::BusRole;

/// The most time for all that NATS has to say.
const WITHIN: Duration = Duration::from_secs(2);
/// The most trials at once. The client library drops events beyond 128.
const AT_ONCE: usize = 64;

/// Tries permissions that the role of the process needs, if it has one.
///
/// # Errors
/// If NATS denies some.
pub(super) async fn check(
    servers: &Servers,
    options: &BusOptions,
    needed: impl FnOnce(BusRole) -> Vec<Trial>,
) -> Result<(), ConnectError> {
    let Some(role) = options.role.filter(|_| options.trial) else {
        return Ok(());
    };
    let trials = needed(role);
    let errors = denials(servers, options, &trials).await?;
    let Some(words) = errors.first().map(|error| error.words.clone()) else {
        return Ok(());
    };
    let list = |direction| {
        let tried = trials.iter().filter(|trial| trial.direction == direction);
        let denied = tried.filter(|trial| errors.iter().any(|error| trial.is_about(error)));
        let mut permissions: Vec<_> = denied.map(|trial| trial.permission.as_str()).collect();
        permissions.sort_unstable();
        permissions.dedup();
        permissions.join(", ")
    };
    let what = [
        ("publish on ", list(Direction::Publish)),
        ("subscribe to ", list(Direction::Subscribe)),
    ];
    let what = what.into_iter().filter(|(_, list)| !list.is_empty());
    let what: Vec<_> = what
        .map(|(direction, list)| format!("{direction}{list}"))
        .collect();
    Err(ConnectError::Denied {
        url: servers.to_string(),
        role,
        what: what.join(" and to "),
        words,
    })
}

/// Tries permissions that the role of the process needs, if it has one, and returns those that NATS denies.
pub(super) async fn denied(
    servers: &Servers,
    options: &BusOptions,
    needed: impl FnOnce(BusRole) -> Vec<Trial>,
) -> Result<Vec<NatsError>, ConnectError> {
    match options.role.filter(|_| options.trial) {
        Some(role) => denials(servers, options, &needed(role)).await,
        None => Ok(Vec::new()),
    }
}

/// Runs trials and returns the errors that are about them.
async fn denials(
    servers: &Servers,
    options: &BusOptions,
    trials: &[Trial],
) -> Result<Vec<NatsError>, ConnectError> {
    let mut errors = run(servers, options, trials).await?;
    errors.retain(|error| trials.iter().any(|trial| trial.is_about(error)));
    Ok(errors)
}

/// Returns the denied permissions that NATS grants by now.
pub(super) async fn granted(
    servers: &Servers,
    options: &BusOptions,
    denied: &[NatsError],
) -> Result<Vec<NatsError>, ConnectError> {
    let trials: Vec<_> = denied.iter().filter_map(Trial::again).collect();
    let still = run(servers, options, &trials).await?;
    let is_denied = |error: &NatsError| {
        let same = |e: &NatsError| e.kind == error.kind && e.subject == error.subject;
        still.iter().any(same)
    };
    let granted = denied.iter().filter(|error| !is_denied(error));
    Ok(granted.cloned().collect())
}

/// Runs trials and returns all errors that NATS has sent about them.
async fn run(
    servers: &Servers,
    options: &BusOptions,
    trials: &[Trial],
) -> Result<Vec<NatsError>, ConnectError> {
    let connection = TrialConnection::open(servers, options).await?;
    for some in trials.chunks(AT_ONCE) {
        let ran = connection.run(some).await;
        ran.map_err(|cause| ConnectError::Setup {
            stream: "(permissions)".to_owned(),
            cause,
        })?;
    }
    Ok(connection.close().await)
}

/// A connection with the login of the process, for trials only.
struct TrialConnection {
    client: Client,
    /// The beginning of the subjects of its answers.
    inbox: String,
    heard: Arc<TrialReports>,
}

/// The errors that NATS has reported to the trial, and whether the connection has ended.
#[derive(Default)]
struct TrialReports {
    errors: Mutex<Vec<NatsError>>,
    news: Notify,
    ended: Notify,
}

impl TrialConnection {
    async fn open(servers: &Servers, options: &BusOptions) -> Result<Self, ConnectError> {
        let heard = Arc::new(TrialReports::default());
        let hears = heard.clone();
        let client = dial::options(servers, options)
            .await?
            .name(format!("{} (permissions)", options.name))
            .connection_timeout(dial::CONNECT_TIMEOUT)
            .max_reconnects(1)
            .event_callback(move |event| {
                let heard = hears.clone();
                async move {
                    match event {
                        Event::ServerError(error) => {
                            let words = dial::words(&error);
                            heard.errors.lock().push(NatsError::parse(&words));
                            heard.news.notify_one();
                        }
                        Event::Draining => heard.ended.notify_one(),
                        _ => {}
                    }
                }
            });
        let client = dial::connect(client, servers).await?;
        let inbox = Names::new(options).inbox();
        Ok(Self {
            client,
            inbox,
            heard,
        })
    }

    /// Runs trials. NATS has handled all of them when this returns.
    async fn run(&self, trials: &[Trial]) -> Result<(), BusError> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", TRIAL);
        let mut subscribers = Vec::new();
        for Trial {
            direction, subject, ..
        } in trials
        {
            let subject = subject.clone();
            match direction {
                Direction::Subscribe => subscribers.push(self.subscribe(subject).await?),
                Direction::Publish => {
                    let headers = headers.clone();
                    let client = &self.client;
                    let sent = client.publish_with_headers(subject, headers, Bytes::new());
                    sent.await.map_err(|_| BusError::Disconnected)?;
                }
            }
        }
        self.until_answered().await
    }

    async fn subscribe(&self, subject: String) -> Result<Subscriber, BusError> {
        let subscribed = self.client.subscribe(subject.clone()).await;
        subscribed.map_err(|_| BusError::BadSubject(subject))
    }

    /// Waits until NATS has handled everything that was sent before: it answers a last request, or denies it.
    async fn until_answered(&self) -> Result<(), BusError> {
        let inbox = format!("{}.{}", self.inbox, dial::random_id());
        let last = format!("$JS.API.STREAM.INFO.{TRIAL}-end");
        let mut answers = self.subscribe(inbox.clone()).await?;
        let asked = self
            .client
            .publish_with_reply(last.clone(), inbox.clone(), Bytes::new());
        asked.await.map_err(|_| BusError::Disconnected)?;
        let answered = async {
            loop {
                tokio::select! {
                    _ = connection::next(&mut answers) => return,
                    () = self.heard.news.notified() => {}
                }
                let is_end = |error: &NatsError| {
                    let about = error.subject.as_ref();
                    about == Some(&last) || about == Some(&inbox)
                };
                if self.heard.errors.lock().iter().any(is_end) {
                    return;
                }
            }
        };
        // Without an answer, a denial is still noticed, because NATS reports it at once.
        timeout(WITHIN, answered).await.ok();
        Ok(())
    }

    /// Closes the connection and returns all errors. The event of the end comes behind those of all errors.
    async fn close(self) -> Vec<NatsError> {
        if self.client.drain().await.is_ok() {
            timeout(WITHIN, self.heard.ended.notified()).await.ok();
        }
        std::mem::take(&mut *self.heard.errors.lock())
    }
}

//! Faults of NATS that need more than a signal: another configuration, a full log, an older store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::schedule::{Kind, Subject};
use crate::error::RigError;
use crate::nats::{NatsServer, TempDir};

/// The most time for NATS to change the limits of its streams.
const LIMITS_TIMEOUT: Duration = Duration::from_secs(30);
/// The most time for one answer of NATS.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before a request is repeated.
const RETRY: Duration = Duration::from_millis(100);

/// Returns the configuration file that NATS needs for these kinds.
pub(super) fn nats_config(kinds: &[Kind]) -> Option<String> {
    let changes = [Kind::PayloadShrunk, Kind::PermissionDenied];
    let needed = kinds.iter().any(|kind| changes.contains(kind));
    needed.then(|| config("1MB", None))
}

/// A configuration with a `max_payload`, and a subject on which no user may publish.
fn config(max_payload: &str, denied: Option<Subject>) -> String {
    let permissions = denied.map_or_else(String::new, |subject| {
        let pattern = subject.pattern();
        format!(", permissions: {{publish: {{deny: [\"{pattern}\"]}}}}")
    });
    format!(
        "max_payload: {max_payload}\n\
         authorization {{ users: [{{user: \"all\", password: \"all\"{permissions}}}] }}\n\
         no_auth_user: \"all\"\n"
    )
}

/// The faults of NATS that are in effect.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The copy of the store that NATS is about to get.
    backup: Option<TempDir>,
    /// Whether the configuration differs from that at the start.
    is_configured: bool,
    /// `max_bytes` of each stream of the log while it is full.
    limits: Rc<RefCell<BTreeMap<String, i64>>>,
}

impl Faults {
    /// Copies the store.
    pub(super) fn back_up(&mut self, nats: &NatsServer) -> Result<(), RigError> {
        self.backup = Some(nats.try_backup()?);
        Ok(())
    }

    /// Kills NATS and starts it with the copy. Returns whether there was one.
    pub(super) fn roll_back(&mut self, nats: &mut NatsServer) -> Result<bool, RigError> {
        match self.backup.take() {
            Some(backup) => nats.relaunch_from(&backup).map(|()| true),
            None => Ok(false),
        }
    }

    /// Lowers `max_payload`.
    pub(super) fn shrink_payload(&mut self, nats: &NatsServer) -> Result<(), RigError> {
        self.is_configured = true;
        nats.configure(&config("32KB", None))
    }

    /// Denies all users to publish on a subject.
    pub(super) fn deny(&mut self, subject: Subject, nats: &NatsServer) -> Result<(), RigError> {
        self.is_configured = true;
        nats.configure(&config("1MB", Some(subject)))
    }

    /// Gives the streams of the log no more space.
    pub(super) fn fill_log(&self, nats: &NatsServer) {
        let url = nats.url();
        let limits = Rc::clone(&self.limits);
        tokio::task::spawn_local(async move { limit_log(&url, &limits, true).await });
    }

    /// Ends the faults that are in effect, except that of the store.
    pub(super) fn end(&mut self, nats: &NatsServer) -> Result<(), RigError> {
        if std::mem::take(&mut self.is_configured) {
            nats.configure(&config("1MB", None))?;
        }
        if !self.limits.borrow().is_empty() {
            let url = nats.url();
            let limits = Rc::clone(&self.limits);
            tokio::task::spawn_local(async move { limit_log(&url, &limits, false).await });
        }
        Ok(())
    }

    /// Waits until the log has space again.
    pub(super) async fn ended(&self, nats: &NatsServer) {
        if !self.limits.borrow().is_empty() {
            limit_log(&nats.url(), &self.limits, false).await;
        }
    }
}

/// Sets the limits of all streams of the log: to what they hold, or back. Repeats what fails.
async fn limit_log(url: &str, limits: &RefCell<BTreeMap<String, i64>>, full: bool) {
    let deadline = Instant::now() + LIMITS_TIMEOUT;
    for number in 0.. {
        let stream = format!("IN_{number}");
        loop {
            match limit_stream(url, &stream, limits, full).await {
                Some(true) => break,
                Some(false) => return,
                None if Instant::now() >= deadline => return,
                None => sleep(RETRY).await,
            }
        }
    }
}

/// Sets the limit of a stream. Returns whether the stream exists; `None` if NATS does not answer.
async fn limit_stream(
    url: &str,
    stream: &str,
    limits: &RefCell<BTreeMap<String, i64>>,
    full: bool,
) -> Option<bool> {
    let client = timeout(ANSWER_TIMEOUT, async_nats::connect(url))
        .await
        .ok()?
        .ok()?;
    let ask = async |verb: &str, request: Value| {
        let subject = format!("$JS.API.STREAM.{verb}.{stream}");
        let asked = client.request(subject, request.to_string().into());
        let answer = timeout(ANSWER_TIMEOUT, asked).await.ok()?.ok()?;
        serde_json::from_slice::<Value>(&answer.payload).ok()
    };
    let mut info = ask("INFO", json!({})).await?;
    if info["error"]["code"] == 404 {
        return Some(false);
    }
    let mut config = info["config"].take();
    let before = config["max_bytes"].as_i64()?;
    let limit = if full {
        info["state"]["bytes"].as_i64()?.max(1)
    } else {
        match limits.borrow().get(stream) {
            Some(limit) => *limit,
            None => return Some(true),
        }
    };
    config["max_bytes"] = json!(limit);
    let answer = ask("UPDATE", config).await?;
    if !answer["error"].is_null() {
        return None;
    }
    let mut limits = limits.borrow_mut();
    if full {
        limits.entry(stream.to_owned()).or_insert(before);
    } else {
        limits.remove(stream)?;
    }
    Some(true)
}

//! Calls of games: sends them to their endpoints, and appends the answers to the logs of the rooms.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use grandstand_common::bus::{BusError, OutItem, OutReader, Read};
use grandstand_common::clock::unix_ms;
use grandstand_common::data::Data;
use grandstand_common::follow::Followed;
use grandstand_common::id::Topic;
use grandstand_common::process::drain;
use grandstand_common::subject;
use grandstand_common::wire::{Answer, Body, CallFailure, Called, Entry};
use prost::Message as _;
use serde::de::IgnoredAny;
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::{AttemptError, Wanted};
use super::deliveries::SessionError;
use super::metrics::CallOutcome;
use super::placed::Placed;
use super::sections::From;
use super::store::Store;
use super::target::Target;

/// The name of the place.
const CONSUMER: &str = "=call";
/// The most calls of an endpoint that wait for others of it. Further ones fail at once.
const MAX_WAITING: usize = 256;
/// The most calls that are being answered for other reasons than an endpoint's answer.
const MAX_REFUSING: usize = 256;
/// The time for which an answer is appended again after the call's end, by whose time the room has given up.
const LATE_MS: u64 = 5_000;
/// The pause before an answer is appended again.
const RETRY: Duration = Duration::from_millis(250);

/// A call that is done.
#[derive(Debug)]
struct Done {
    seq: u64,
    /// The endpoint that has space for another one.
    endpoint: Option<Topic>,
}

/// The calls of one endpoint.
struct Line {
    target: Target,
    running: usize,
    waiting: VecDeque<(u64, Called)>,
}

/// The calls of all endpoints.
pub(super) struct Calls {
    placed: Placed,
    reader: OutReader,
    lines: BTreeMap<Topic, Line>,
    answers: Answers,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    refusing: usize,
}

/// Appends answers to the logs of rooms.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) store: Store,
    pub(super) layout: watch::Receiver<Followed>,
}

impl Calls {
    /// Opens the stream of calls.
    ///
    /// # Errors
    /// If the bus is away.
    pub(super) async fn open(targets: &[Target], answers: Answers) -> Result<Self, BusError> {
        let topics = [Topic::calls()];
        // Calls whose time is over are left out.
        let opened = Placed::open(&answers.store, CONSUMER, &topics, From::All).await?;
        let (placed, reader) = opened;
        let line = |target: &Target| {
            let name = target.endpoint.name.parse().ok()?;
            let line = Line {
                target: target.clone(),
                running: 0,
                waiting: VecDeque::new(),
            };
            Some((name, line))
        };
        Ok(Self {
            placed,
            reader,
            lines: targets.iter().filter_map(line).collect(),
            answers,
            running: FuturesUnordered::new(),
            refusing: 0,
        })
    }

    /// Answers calls until the drain begins and those under way are answered.
    ///
    /// # Errors
    /// If the bus is away, or another process is at work.
    pub(super) async fn run(mut self, watch: drain::Watch) -> Result<(), SessionError> {
        let mut draining = false;
        loop {
            if draining {
                match self.running.next().await {
                    Some(done) => self.on_done(&done, draining),
                    None => break,
                }
                continue;
            }
            let reads = self.refusing < MAX_REFUSING;
            tokio::select! {
                biased;
                _ = watch.signaled() => draining = true,
                Some(done) = self.running.next() => self.on_done(&done, draining),
                saved = self.placed.save() => saved?,
                read = self.reader.next(), if reads => match read {
                    Read::Item(item, _) => self.on_item(&item),
                    Read::Idle => {}
                    Read::Lost => return Err(SessionError::Lost),
                },
            }
        }
        self.placed.finish().await;
        Ok(())
    }

    fn on_item(&mut self, item: &OutItem) {
        if !self.placed.place.begin(item.seq) {
            return;
        }
        let called: Called = match serde_json::from_slice(&item.body) {
            Ok(called) => called,
            Err(error) => {
                tracing::warn!(id = item.id, %error, "a call cannot be read, and is left out");
                return self.placed.place.end(item.seq);
            }
        };
        let Some(line) = self.lines.get_mut(&called.endpoint) else {
            let endpoint = called.endpoint.as_str();
            tracing::warn!(endpoint, room = %called.room, "a game calls an endpoint that is not configured");
            return self.refuse(item.seq, called, CallFailure::NoEndpoint);
        };
        if called.due_ms <= unix_ms() {
            line.target.metrics.calls.inc(CallOutcome::Expired);
            return self.placed.place.end(item.seq);
        }
        if line.running < line.target.endpoint.concurrency {
            self.start(item.seq, called);
        } else if line.waiting.len() < MAX_WAITING {
            line.waiting.push_back((item.seq, called));
        } else {
            line.target.metrics.calls.inc(CallOutcome::Failed);
            self.refuse(item.seq, called, CallFailure::Unavailable);
        }
    }

    fn start(&mut self, seq: u64, called: Called) {
        let Some(line) = self.lines.get_mut(&called.endpoint) else {
            return;
        };
        line.running += 1;
        let endpoint = Some(called.endpoint.clone());
        let (target, answers) = (line.target.clone(), self.answers.clone());
        let call = async move {
            call(&target, &answers, called).await;
            Done { seq, endpoint }
        };
        self.running.push(call.boxed());
    }

    /// Answers a call without making it.
    fn refuse(&mut self, seq: u64, called: Called, failure: CallFailure) {
        self.refusing += 1;
        let answers = self.answers.clone();
        let refuse = async move {
            answers.append(&called, failed(&called, failure)).await;
            Done {
                seq,
                endpoint: None,
            }
        };
        self.running.push(refuse.boxed());
    }

    /// Begins the next call of an endpoint. Those that wait at the end are made by the next process.
    fn on_done(&mut self, done: &Done, draining: bool) {
        self.placed.place.end(done.seq);
        let Some(line) = done
            .endpoint
            .as_ref()
            .and_then(|name| self.lines.get_mut(name))
        else {
            self.refusing -= 1;
            return;
        };
        line.running -= 1;
        if draining {
            return;
        }
        while let Some((seq, called)) = line.waiting.pop_front() {
            if called.due_ms > unix_ms() {
                return self.start(seq, called);
            }
            line.target.metrics.calls.inc(CallOutcome::Expired);
            self.placed.place.end(seq);
        }
    }
}

/// Makes a call, and appends its answer.
async fn call(target: &Target, answers: &Answers, called: Called) {
    let outcome = attempts(target, &called).await;
    let answer = match outcome {
        Ok(data) => Answer {
            call: called.id.clone(),
            data: Some(Data::Json(data)),
            ..Answer::default()
        },
        Err(answer) => answer,
    };
    let label = match answer.data {
        Some(_) => CallOutcome::Answered,
        None => CallOutcome::Failed,
    };
    let is_in_time = answers.append(&called, answer).await;
    let label = if is_in_time {
        label
    } else {
        CallOutcome::Expired
    };
    target.metrics.calls.inc(label);
}

/// Calls an endpoint until it answers, refuses, or there is no time left.
async fn attempts(target: &Target, called: &Called) -> Result<Bytes, Answer> {
    let body = Bytes::from(serde_json::to_vec(called).unwrap_or_default());
    let mut attempt = 0;
    loop {
        let left = Duration::from_millis(called.due_ms.saturating_sub(unix_ms()));
        if left.is_zero() {
            return Err(failed(called, CallFailure::Timeout));
        }
        if !target.admit() {
            return Err(failed(called, CallFailure::Unavailable));
        }
        attempt += 1;
        let sent = target.send(&called.id, body.clone(), Wanted::Body, left);
        let why = match sent.await {
            Ok(answer) => return json(called, answer),
            Err(why) => why,
        };
        let pause = target.endpoint.backoff.pause(attempt, why.retry_after());
        let left = Duration::from_millis(called.due_ms.saturating_sub(unix_ms()));
        let is_last = attempt >= target.endpoint.call_attempts || pause >= left;
        if why.is_refusal() || is_last {
            return Err(refusal(called, &why));
        }
        sleep(pause).await;
    }
}

/// An answer that is JSON, or nothing.
fn json(called: &Called, answer: Bytes) -> Result<Bytes, Answer> {
    if answer.is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    match serde_json::from_slice::<IgnoredAny>(&answer) {
        Ok(_) => Ok(answer),
        Err(_) => Err(failed(called, CallFailure::BadAnswer)),
    }
}

fn refusal(called: &Called, why: &AttemptError) -> Answer {
    match why {
        AttemptError::Status { status, .. } => Answer {
            call: called.id.clone(),
            status: u32::from(status.as_u16()),
            ..Answer::default()
        },
        AttemptError::Timeout(_) => failed(called, CallFailure::Timeout),
        AttemptError::Request(_) => failed(called, CallFailure::Unavailable),
        AttemptError::Cut(_)
        | AttemptError::TooBig(_)
        | AttemptError::Moved(..)
        | AttemptError::Redirects(_) => failed(called, CallFailure::BadAnswer),
    }
}

fn failed(called: &Called, failure: CallFailure) -> Answer {
    Answer {
        call: called.id.clone(),
        failure: failure as u32,
        ..Answer::default()
    }
}

impl Answers {
    /// Appends an answer to the log of the call's room, as often as it takes. Returns whether it was stored before the room
    /// gave up.
    async fn append(&self, called: &Called, answer: Answer) -> bool {
        let payload = Bytes::from(Entry::from(Body::Answer(answer)).encode_to_vec());
        let bus = self.store.bus();
        while unix_ms() < called.due_ms.saturating_add(LATE_MS) {
            // While rooms are moved to other partitions, their logs may be copied already.
            let followed = *self.layout.borrow();
            if !followed.moving {
                let partition = followed.layout.partition_of(&called.room);
                let subject = subject::log(partition, &called.room);
                let error = match bus.append(subject, payload.clone()).await {
                    Ok(receipt) => match receipt.await {
                        Ok(_) => return true,
                        Err(error) => error.to_string(),
                    },
                    Err(error) => error.to_string(),
                };
                tracing::debug!(call = called.id, error, "an answer is appended again");
            }
            sleep(RETRY).await;
        }
        false
    }
}

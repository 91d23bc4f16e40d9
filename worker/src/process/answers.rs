//! Outcomes of puts, gets and requests on the bus.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use grandstand_common::bus::{BusError, KvEntry, PublishError, PutError, PutReceipt, RequestError};
use grandstand_common::id::ProcessId;
use tokio::time::timeout;

use crate::command::{Outcome, Token};
use crate::lease::{GetOutcome, Probe, ProbeOutcome, PutOutcome, RecordKey};

/// The time limit for the outcome of a put or a get of the lease machine. A renewal must have a second try before the
/// worker may not act any more.
pub(super) const LEASE_DEADLINE: Duration = Duration::from_millis(600);

/// The time limit for the answer to a probe.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_millis(300);

/// Futures of answers that have not arrived yet.
pub(super) type Answers<T> = FuturesUnordered<LocalBoxFuture<'static, T>>;

/// The outcome of a command of the engine.
#[derive(Debug)]
pub(super) struct EngineAnswer(pub(super) Token, pub(super) Outcome);

/// The end of a task for an edge.
#[derive(Debug)]
pub(super) enum EdgeAnswer {
    /// Whether an edge process answered; `None` if the request was not sent or the connection was lost.
    Alive(ProcessId, Option<bool>),
    /// An answer was sent.
    Sent,
}

/// The outcome of a command of the lease machine.
#[derive(Debug)]
pub(super) enum LeaseAnswer {
    Put(RecordKey, PutOutcome),
    Get(RecordKey, GetOutcome),
    /// The outcome of a probe of a worker.
    Probe(Probe, ProbeOutcome),
    /// The end of a task without an outcome.
    Nothing,
}

/// Waits for the outcome of a put of the lease machine.
pub(super) async fn lease_put(sent: Result<PutReceipt, PublishError>) -> PutOutcome {
    match sent {
        Ok(receipt) => match timeout(LEASE_DEADLINE, receipt).await {
            Ok(Ok(revision)) => PutOutcome::Stored(revision),
            Ok(Err(PutError::WrongRevision)) => PutOutcome::Conflict,
            Ok(Err(_)) | Err(_) => PutOutcome::Unknown,
        },
        Err(_) => PutOutcome::Unknown,
    }
}

/// Waits for the outcome of a get of the lease machine.
pub(super) async fn lease_get(
    get: impl Future<Output = Result<Option<KvEntry>, BusError>>,
) -> GetOutcome {
    match timeout(LEASE_DEADLINE, get).await {
        Ok(Ok(Some(entry))) => GetOutcome::Found(entry),
        Ok(Ok(None)) => GetOutcome::Missing,
        Ok(Err(_)) | Err(_) => GetOutcome::Failed,
    }
}

/// The outcome of a probe of a worker.
pub(super) fn probe_outcome<T>(answer: &Result<T, RequestError>) -> ProbeOutcome {
    match answer {
        Ok(_) => ProbeOutcome::Alive,
        Err(RequestError::NoResponders) => ProbeOutcome::NoResponders,
        Err(_) => ProbeOutcome::Timeout,
    }
}

/// Whether an edge process answered; `None` if the request was not sent or the connection was lost.
pub(super) fn edge_answered<T>(answer: &Result<T, RequestError>) -> Option<bool> {
    match answer {
        Ok(_) => Some(true),
        Err(RequestError::NoResponders | RequestError::Timeout) => Some(false),
        Err(RequestError::Disconnected | RequestError::NotSent(_)) => None,
    }
}

/// The outcome of a put or a deletion of the engine.
pub(super) fn put_outcome(result: Result<u64, PutError>) -> Outcome {
    match result {
        Ok(revision) => Outcome::Stored(revision),
        Err(PutError::WrongRevision) => Outcome::Conflict,
        Err(error) => {
            tracing::debug!(%error, "a put failed");
            Outcome::Failed
        }
    }
}

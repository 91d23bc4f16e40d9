//! What becomes of what was sent to the bus.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use grandstand_common::bus::{BusError, KvEntry, PublishError, PutError, PutReceipt, RequestError};
use grandstand_common::id::ProcessId;
use tokio::time::timeout;

use crate::command::{Outcome, Token};
use crate::lease::{GetOutcome, Probe, ProbeOutcome, PutOutcome, RecordKey};

/// How long the lease machine waits for what becomes of a put or a look: a renewal must have another try before the
/// worker suspends itself.
pub(super) const LEASE_DEADLINE: Duration = Duration::from_millis(600);

/// How long a probe waits.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_millis(300);

/// Answers that are waited for.
pub(super) type Answers<T> = FuturesUnordered<LocalBoxFuture<'static, T>>;

/// An answer for the owner.
#[derive(Debug)]
pub(super) struct EngineAnswer(pub(super) Token, pub(super) Outcome);

/// An answer for the lease machine, or about an edge.
#[derive(Debug)]
pub(super) enum LeaseAnswer {
    /// Of a put.
    Put(RecordKey, PutOutcome),
    /// Of a look.
    Get(RecordKey, GetOutcome),
    /// Of a probe of a worker.
    Probe(Probe, ProbeOutcome),
    /// Whether an edge process answered; `None` if that cannot be said.
    Edge(ProcessId, Option<bool>),
    /// Nobody waits for it.
    Nothing,
}

/// A lease's or worker's put.
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

/// A look at a lease or a worker.
pub(super) async fn lease_get(
    get: impl Future<Output = Result<Option<KvEntry>, BusError>>,
) -> GetOutcome {
    match timeout(LEASE_DEADLINE, get).await {
        Ok(Ok(Some(entry))) => GetOutcome::Found(entry),
        Ok(Ok(None)) => GetOutcome::Missing,
        Ok(Err(_)) | Err(_) => GetOutcome::Failed,
    }
}

/// A probe.
pub(super) fn probe_outcome<T>(answer: &Result<T, RequestError>) -> ProbeOutcome {
    match answer {
        Ok(_) => ProbeOutcome::Alive,
        Err(RequestError::NoResponders) => ProbeOutcome::NoResponders,
        Err(_) => ProbeOutcome::Timeout,
    }
}

/// Whether an edge answered.
pub(super) fn edge_answered<T>(answer: &Result<T, RequestError>) -> Option<bool> {
    match answer {
        Ok(_) => Some(true),
        Err(RequestError::NoResponders | RequestError::Timeout) => Some(false),
        Err(RequestError::Disconnected | RequestError::NotSent(_)) => None,
    }
}

/// An owner's put or deletion.
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

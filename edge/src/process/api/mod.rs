//! The admin API of an edge: what operators may see and do. `docs/admin.openapi.json` describes it.

mod operation;

mod shards;

mod lists;

mod revoke;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use grandstand_common::process::admin::{
    Answering, Api, ApiAnswer, ApiRequest, Found, ListedPredecessor, Operations, Paging,
    Predecessors, StatusCode, find,
};
use grandstand_common::process::shutdown::Signals;
use grandstand_common::process::telemetry::Log;
use parking_lot::Mutex;
use serde::Serialize;

use crate::limits::SharedLimits;
use operation::{Operation, ROUTES};
use revoke::Revoker;
use shards::Shards;

pub(crate) use revoke::RevokeParts;
pub(crate) use shards::Asker;

/// The description of the API.
pub(crate) const DESCRIPTION: &str = include_str!("../../../../docs/admin.openapi.json");

/// The admin API of an edge. It answers with 503 until the edge has started.
#[derive(Debug)]
pub struct EdgeApi {
    operations: Operations,
    predecessors: Predecessors,
    // Held to copy or replace it.
    parts: Mutex<Option<Arc<Parts>>>,
}

/// The parts of a running edge that operators see and change.
#[derive(Debug)]
struct Parts {
    shards: Shards,
    revoker: Revoker,
    limits: SharedLimits,
}

/// The addresses and players that limits refuse most, in JSON.
#[derive(Serialize)]
struct MostLimited<T> {
    limited: Vec<T>,
}

/// The earlier processes that drain, in JSON.
#[derive(Serialize)]
struct Draining {
    draining: Vec<ListedPredecessor>,
}

impl EdgeApi {
    /// The API of an edge that has not started yet.
    pub fn new(log: Log) -> Arc<Self> {
        Arc::new(Self {
            operations: Operations::new(log),
            predecessors: Predecessors::default(),
            parts: Mutex::default(),
        })
    }

    /// Waits for a signal that ends the process, or for an operator who wants the edge to drain. Returns which it was.
    pub async fn ending_wanted(&self, signals: &mut Signals) -> &'static str {
        self.operations.ending_wanted(signals).await
    }

    /// The earlier processes that drain.
    pub(crate) fn earlier(&self) -> &Predecessors {
        &self.predecessors
    }

    /// Shows a running edge to operators, in the place of an earlier one.
    pub(super) fn show(&self, shards: Vec<Asker>, revoke: RevokeParts, limits: SharedLimits) {
        let parts = Parts {
            shards: Shards::new(shards),
            revoker: Revoker::new(revoke),
            limits,
        };
        *self.parts.lock() = Some(Arc::new(parts));
    }

    async fn respond(&self, request: ApiRequest) -> Result<ApiAnswer, ApiAnswer> {
        let Found {
            operation,
            parameter,
        } = find(&ROUTES, &request.method, &request.path)?;
        if operation == Operation::Describe {
            return Ok(ApiAnswer::text(DESCRIPTION));
        }
        if operation == Operation::AskDraining {
            let ApiRequest {
                method,
                query,
                body,
                ..
            } = request;
            return self
                .predecessors
                .ask(&parameter, method, &query, body)
                .await;
        }
        let paging = Paging::parse(operation.is_paged(), &request.query)?;
        let parts = self.parts.lock().clone();
        let Some(parts) = parts else {
            let text = "the edge is starting; /startup says what it waits for";
            let starting = StatusCode::SERVICE_UNAVAILABLE;
            return Err(ApiAnswer::problem(starting, "starting", text));
        };
        let ok = StatusCode::OK;
        match operation {
            Operation::Describe | Operation::AskDraining => Err(ApiAnswer::empty()),
            Operation::ListConnections => lists::connections(&parts.shards, &paging).await,
            Operation::ListRooms => lists::rooms(&parts.shards, &paging).await,
            Operation::ShowRoom => lists::room(&parts.shards, &parameter).await,
            Operation::ListRevocations => Ok(parts.revoker.list(&paging)),
            Operation::Revoke => parts.revoker.revoke(&request.body).await,
            Operation::Restore => parts.revoker.restore(&parameter).await,
            Operation::ListLimited => {
                let limited = parts.limits.most_limited();
                Ok(ApiAnswer::json(ok, &MostLimited { limited }))
            }
            Operation::ListDraining => {
                let draining = self.predecessors.list();
                Ok(ApiAnswer::json(ok, &Draining { draining }))
            }
            Operation::ShowLog => Ok(self.operations.show_log()),
            Operation::SetLog => self.operations.set_log(&request.body),
            Operation::Drain => Ok(self.operations.drain()),
        }
    }
}

impl Api for EdgeApi {
    fn predecessors(&self) -> Option<&Predecessors> {
        Some(&self.predecessors)
    }

    fn answer(self: Arc<Self>, request: ApiRequest) -> Answering {
        Box::pin(async move { self.respond(request).await })
    }
}

//! The admin API of an edge: what operators may see and do. `docs/admin.openapi.json` describes it.

mod routes;

mod body;

mod shards;

mod lists;

mod revoke;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use grandstand_common::process::admin::{Api, ApiAnswer, ApiRequest};
use grandstand_common::process::shutdown::Signals;
use grandstand_common::process::telemetry::Log;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::limits::SharedLimits;
use body::read_body;
use lists::Paging;
use revoke::Revoker;
use routes::{Found, Operation};
use shards::Shards;

pub(crate) use revoke::RevokeParts;

/// The description of the API.
pub(crate) const DESCRIPTION: &str = include_str!("../../../../docs/admin.openapi.json");

/// The admin API of an edge. It answers with 503 until the edge has started.
#[derive(Debug)]
pub struct EdgeApi {
    log: Log,
    /// Notified when an operator wants the edge to drain.
    drain: Notify,
    parts: OnceLock<Parts>,
}

/// The parts of a running edge that operators see and change.
#[derive(Debug)]
struct Parts {
    shards: Shards,
    revoker: Revoker,
    limits: SharedLimits,
}

/// The filter of the log, in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFilter {
    filter: String,
}

/// What limits refuse most, in JSON.
#[derive(Serialize)]
struct MostLimited<T> {
    limited: Vec<T>,
}

impl EdgeApi {
    /// The API of an edge that has not started yet.
    pub fn new(log: Log) -> Arc<Self> {
        Arc::new(Self {
            log,
            drain: Notify::new(),
            parts: OnceLock::new(),
        })
    }

    /// Waits for a signal that ends the process, or for an operator who wants the edge to drain. Returns which it was.
    pub async fn ending_wanted(&self, signals: &mut Signals) -> &'static str {
        tokio::select! {
            signal = signals.next() => signal,
            () = self.drain.notified() => "POST /v1/drain",
        }
    }

    /// Shows a running edge to operators.
    pub(super) fn show(
        &self,
        shards: Vec<shards::Asker>,
        revoke: RevokeParts,
        limits: SharedLimits,
    ) {
        let parts = Parts {
            shards: Shards::new(shards),
            revoker: Revoker::new(revoke),
            limits,
        };
        // An edge starts once.
        self.parts.set(parts).ok();
    }

    async fn respond(&self, request: ApiRequest) -> Result<ApiAnswer, ApiAnswer> {
        let Found {
            operation,
            parameter,
        } = routes::find(&request.method, &request.path)?;
        if operation == Operation::Describe {
            return Ok(ApiAnswer {
                status: StatusCode::OK,
                body: Bytes::from_static(DESCRIPTION.as_bytes()),
                allow: None,
            });
        }
        let paging = Paging::parse(operation.is_paged(), &request.query)?;
        let Some(parts) = self.parts.get() else {
            let text = "the edge is starting; /startup says what it waits for";
            let starting = StatusCode::SERVICE_UNAVAILABLE;
            return Err(ApiAnswer::problem(starting, "starting", text));
        };
        let ok = StatusCode::OK;
        match operation {
            Operation::Describe => Err(ApiAnswer::empty()),
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
            Operation::ShowLog => {
                let filter = self.log.filter();
                Ok(ApiAnswer::json(ok, &LogFilter { filter }))
            }
            Operation::SetLog => {
                let LogFilter { filter } = read_body(&request.body)?;
                let former = self.log.filter();
                self.log.set_filter(&filter).map_err(|error| {
                    let text = error.to_string();
                    ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_filter", &text)
                })?;
                let set = self.log.filter();
                tracing::warn!(
                    former,
                    filter = set,
                    "an operator has changed the filter of the log"
                );
                Ok(ApiAnswer::json(ok, &LogFilter { filter: set }))
            }
            Operation::Drain => {
                tracing::warn!("an operator wants the edge to drain");
                self.drain.notify_one();
                Ok(ApiAnswer {
                    status: StatusCode::ACCEPTED,
                    ..ApiAnswer::empty()
                })
            }
        }
    }
}

impl Api for EdgeApi {
    fn answer(
        self: Arc<Self>,
        request: ApiRequest,
    ) -> Pin<Box<dyn Future<Output = ApiAnswer> + Send>> {
        Box::pin(async move {
            let answer = self.respond(request).await;
            answer.unwrap_or_else(|problem| problem)
        })
    }
}

//! The requests of the API and their answers.

use std::sync::Arc;

use grandstand_common::process::admin::{
    Answering, Api, ApiAnswer, ApiRequest, Method, Route, StatusCode, find, route,
};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::history::Histories;
use super::pull::{Plug, Pull};

/// The operation that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Pull(Plug),
    ShowHistory,
}

static ROUTES: [Route<Operation>; 5] = [
    route(
        Method::POST,
        "/dev/plug/worker",
        Operation::Pull(Plug::Worker),
    ),
    route(Method::POST, "/dev/plug/edge", Operation::Pull(Plug::Edge)),
    route(
        Method::POST,
        "/dev/plug/drain",
        Operation::Pull(Plug::Drain),
    ),
    route(Method::POST, "/dev/plug/bus", Operation::Pull(Plug::Bus)),
    route(
        Method::GET,
        "/dev/rooms/{room}/history",
        Operation::ShowHistory,
    ),
];

/// The API of the plugs.
#[derive(Debug)]
pub(in crate::dev) struct PlugApi {
    pulls: mpsc::Sender<Pull>,
    /// One permit, which the pull of a plug takes.
    only: Arc<Semaphore>,
    histories: Histories,
}

/// A plug that was pulled, in JSON.
#[derive(Serialize)]
struct Pulled {
    plug: &'static str,
    done: bool,
    took_ms: u64,
}

impl PlugApi {
    pub(super) fn new(pulls: mpsc::Sender<Pull>, histories: Histories) -> Arc<Self> {
        Arc::new(Self {
            pulls,
            only: Arc::new(Semaphore::new(1)),
            histories,
        })
    }

    async fn respond(&self, request: ApiRequest) -> Result<ApiAnswer, ApiAnswer> {
        let found = find(&ROUTES, &request.method, &request.path)?;
        match found.operation {
            Operation::Pull(plug) => {
                if !request.query.is_empty() || !request.body.is_empty() {
                    let text = "this path takes neither a query nor a body";
                    let bad = StatusCode::BAD_REQUEST;
                    return Err(ApiAnswer::problem(bad, "bad_request", text));
                }
                self.pull(plug).await
            }
            Operation::ShowHistory => self.histories.show(&found.parameter, &request.query).await,
        }
    }

    async fn pull(&self, plug: Plug) -> Result<ApiAnswer, ApiAnswer> {
        let Ok(only) = Arc::clone(&self.only).try_acquire_owned() else {
            let text = "another plug is being pulled; wait for its answer";
            return Err(ApiAnswer::problem(StatusCode::CONFLICT, "busy", text));
        };
        let begun = Instant::now();
        let (reply, pulled) = oneshot::channel();
        let pull = Pull { plug, reply, only };
        // Without a receiver the process ends.
        self.pulls.send(pull).await.ok();
        match pulled.await {
            Ok(Ok(())) => {
                let pulled = Pulled {
                    plug: plug.name(),
                    done: true,
                    took_ms: begun.elapsed().as_millis() as u64,
                };
                Ok(ApiAnswer::json(StatusCode::OK, &pulled))
            }
            Ok(Err(refusal)) => Err(refusal.into()),
            Err(_) => {
                let text = "the process ends";
                let ends = StatusCode::SERVICE_UNAVAILABLE;
                Err(ApiAnswer::problem(ends, "ending", text))
            }
        }
    }
}

impl Api for PlugApi {
    fn answer(self: Arc<Self>, request: ApiRequest) -> Answering {
        Box::pin(async move { self.respond(request).await })
    }
}

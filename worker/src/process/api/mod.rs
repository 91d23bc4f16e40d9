//! The admin API of a worker: what operators may see and do. `docs/worker.openapi.json` describes it.

mod operation;

mod rooms;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use grandstand_common::process::admin::{
    Answering, Api, ApiAnswer, ApiRequest, Found, Operations, Paging, find,
};
use grandstand_common::process::shutdown::Signals;
use grandstand_common::process::telemetry::Log;

use super::questions::Questions;
use operation::{Operation, ROUTES};

/// The description of the API.
const DESCRIPTION: &str = include_str!("../../../../docs/worker.openapi.json");

/// The admin API of a worker.
#[derive(Debug)]
pub struct WorkerApi {
    operations: Operations,
    questions: Questions,
}

impl WorkerApi {
    /// The API of a worker with these loops.
    pub fn new(log: Log, questions: Questions) -> Arc<Self> {
        Arc::new(Self {
            operations: Operations::new(log),
            questions,
        })
    }

    /// Waits for a signal that ends the process, or for an operator who wants the worker to drain. Returns which it was.
    pub async fn ending_wanted(&self, signals: &mut Signals) -> &'static str {
        self.operations.ending_wanted(signals).await
    }

    async fn respond(&self, request: ApiRequest) -> Result<ApiAnswer, ApiAnswer> {
        let Found {
            operation,
            parameter,
        } = find(&ROUTES, &request.method, &request.path)?;
        let paging = Paging::parse(operation.is_paged(), &request.query)?;
        match operation {
            Operation::Describe => Ok(ApiAnswer::text(DESCRIPTION)),
            Operation::ListRooms => rooms::list(&self.questions, &paging).await,
            Operation::ShowRoom => rooms::show(&self.questions, &parameter).await,
            Operation::ShowLog => Ok(self.operations.show_log()),
            Operation::SetLog => self.operations.set_log(&request.body),
            Operation::Drain => Ok(self.operations.drain()),
        }
    }
}

impl Api for WorkerApi {
    fn answer(self: Arc<Self>, request: ApiRequest) -> Answering {
        Box::pin(async move { self.respond(request).await })
    }
}

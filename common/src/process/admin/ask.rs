//! Questions of an API to the loops of its process.

use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::{mpsc, oneshot};

use super::answer::ApiAnswer;

/// The most time for an answer of a loop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks a loop, and waits for its answer.
///
/// # Errors
/// 503 with the text `silent` if the loop does not answer in time.
pub async fn ask<Q, T>(
    asker: &mpsc::Sender<Q>,
    question: impl FnOnce(oneshot::Sender<T>) -> Q,
    silent: &str,
) -> Result<T, ApiAnswer> {
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        asker.send(question(reply)).await.ok()?;
        answer.await.ok()
    };
    let answered = tokio::time::timeout(PATIENCE, exchange).await;
    answered
        .ok()
        .flatten()
        .ok_or_else(|| ApiAnswer::problem(StatusCode::SERVICE_UNAVAILABLE, "no_answer", silent))
}

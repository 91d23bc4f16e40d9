//! The process says that it is there (D17), however busy its shards are: workers that hold sessions of its players ask.

use bytes::Bytes;
use grandstand_common::bus::{Bus, BusError};
use grandstand_common::id::ProcessId;
use grandstand_common::subject;

/// Questions that wait; a worker that finds no place asks again.
const QUESTIONS: usize = 1_024;

/// Begins to listen for the question, and gives what answers it for as long as it is polled.
///
/// # Errors
/// If the bus cannot be subscribed to.
pub async fn listen(
    bus: Bus,
    process: &ProcessId,
) -> Result<impl Future<Output = ()> + Send + 'static, BusError> {
    let subject = subject::process_alive(process);
    let mut questions = bus.subscribe(&subject, QUESTIONS).await?;
    Ok(async move {
        while let Some(question) = questions.next().await {
            if let Some(reply) = question.reply
                && let Err(error) = bus.publish(reply, Bytes::new()).await
            {
                tracing::debug!(%error, "cannot say that this edge is there");
            }
        }
    })
}

//! Receipts of pipelined writes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::bus::error::{AppendError, PutError, Unanswered};
use crate::bus::timing::Timing;

/// The later answer to an append: the entry's sequence.
#[must_use = "an append is not stored before its receipt says so"]
pub struct Receipt(Answer<AppendError>, Option<Timing>);

/// The later answer to a put: the key's new revision.
#[must_use = "a put is not stored before its receipt says so"]
pub struct PutReceipt(Answer<PutError>, Option<Timing>);

impl Receipt {
    pub(crate) fn new(answer: Answer<AppendError>) -> Self {
        Self(answer, None)
    }

    /// Measures the time until the answer.
    pub(crate) fn timed(self, timing: Timing) -> Self {
        Self(self.0, Some(timing))
    }
}

impl PutReceipt {
    pub(crate) fn new(answer: Answer<PutError>) -> Self {
        Self(answer, None)
    }

    /// Measures the time until the answer.
    pub(crate) fn timed(self, timing: Timing) -> Self {
        Self(self.0, Some(timing))
    }
}

/// Notes the time of an answer that says that something is stored.
fn note<E>(timing: &mut Option<Timing>, answer: &Poll<Result<u64, E>>) {
    if let Poll::Ready(answer) = answer
        && let Some(timing) = timing.take()
        && answer.is_ok()
    {
        timing.end();
    }
}

/// The state of the answer.
pub(crate) enum Answer<E> {
    /// The answer is known.
    Ready(Option<Result<u64, E>>),
    /// The answer will be sent.
    Pending(oneshot::Receiver<Result<u64, E>>),
    /// The answer was lost (a simulated fault): it fails at the deadline.
    Lost(Pin<Box<Sleep>>),
}

impl<E: From<Unanswered> + Unpin> Answer<E> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, E>> {
        match self {
            Self::Ready(answer) => {
                let gone = || Err(Unanswered::Disconnected.into());
                Poll::Ready(answer.take().unwrap_or_else(gone))
            }
            Self::Pending(receiver) => Pin::new(receiver)
                .poll(cx)
                .map(|answer| answer.unwrap_or_else(|_| Err(Unanswered::Disconnected.into()))),
            Self::Lost(deadline) => deadline
                .as_mut()
                .poll(cx)
                .map(|()| Err(Unanswered::Deadline.into())),
        }
    }
}

impl Future for Receipt {
    type Output = Result<u64, AppendError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.0.poll_answer(cx);
        note(&mut self.1, &answer);
        answer
    }
}

impl Future for PutReceipt {
    type Output = Result<u64, PutError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.0.poll_answer(cx);
        note(&mut self.1, &answer);
        answer
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

impl fmt::Debug for PutReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutReceipt")
    }
}

//! Receipts of pipelined writes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::bus::error::{AppendError, PutError, Unanswered};

/// The later answer to an append: the entry's sequence.
#[must_use = "an append is not stored before its receipt says so"]
pub struct Receipt(pub(crate) Answer<AppendError>);

/// The later answer to a put: the key's new revision.
#[must_use = "a put is not stored before its receipt says so"]
pub struct PutReceipt(pub(crate) Answer<PutError>);

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
        self.0.poll_answer(cx)
    }
}

impl Future for PutReceipt {
    type Output = Result<u64, PutError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_answer(cx)
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

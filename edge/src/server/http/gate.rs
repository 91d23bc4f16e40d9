//! Keeps hyper's own responses from clients.
//!
//! hyper answers a request that it cannot parse by itself: without a body, and without the headers that all responses of the
//! edge have. Its answer is dropped, and the edge writes one of its own.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether a response of the service is on its way. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Rc<Cell<Way>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Closed,
    Open,
    /// Bytes have passed since it was opened.
    Used,
}

impl Gate {
    /// Passes on what is written, until the next flush after it.
    pub(super) fn open(&self) {
        self.0.set(Way::Open);
    }
}

/// A stream that drops what is written while its gate is closed. A flush closes it: hyper flushes each response before it
/// reads the next request.
#[derive(Debug)]
pub(super) struct Gated<S> {
    stream: S,
    gate: Gate,
}

impl<S> Gated<S> {
    pub(super) fn new(stream: S, gate: Gate) -> Self {
        Self { stream, gate }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.gate.0.get() {
            Way::Closed => Poll::Ready(Ok(bytes.len())),
            Way::Open | Way::Used => {
                self.gate.0.set(Way::Used);
                Pin::new(&mut self.stream).poll_write(cx, bytes)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.gate.0.get() == Way::Used {
            self.gate.0.set(Way::Closed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

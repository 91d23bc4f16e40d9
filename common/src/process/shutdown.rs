//! Signals that ask a process to end.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for TERM or INT and returns its name. The first poll installs the handlers.
pub async fn signaled() -> &'static str {
    let wait = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::error!(%error, "cannot wait for signals");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => "TERM",
        () = wait(SignalKind::interrupt()) => "INT",
    }
}

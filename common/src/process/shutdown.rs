//! When a process is asked to end.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for TERM or INT, and says which it was. The handlers are set when this is first polled.
pub async fn signaled() -> &'static str {
    let wait = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::error!(%error, "signals cannot be waited for");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => "TERM",
        () = wait(SignalKind::interrupt()) => "INT",
    }
}

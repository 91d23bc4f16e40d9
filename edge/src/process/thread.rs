//! A shard's thread, from its start to its end.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::options::EdgeError;
use super::shard_end::Stop;
use super::shard_start::ShardParts;
use crate::server::listen::ListenerEnd;

/// The thread of a shard.
pub(super) struct ShardThread {
    pub(super) parts: ShardParts,
    /// Told once the shard serves clients, or cannot.
    pub(super) ready: mpsc::Sender<Result<(), EdgeError>>,
    /// Set once the shard is to end.
    pub(super) stopped: watch::Receiver<Option<Stop>>,
    /// Held as long as the shard reads packets of QUIC.
    pub(super) reads_packets: mpsc::Sender<()>,
    /// Held as long as the thread runs, and something may be open.
    pub(super) running: mpsc::Sender<()>,
}

impl ShardThread {
    pub(super) fn run(self) {
        // Dropped last: after the tasks with their sockets.
        let _running = self.running.clone();
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                self.ready.blocking_send(Err(error.into())).ok();
                return;
            }
        };
        let ready = self.ready.clone();
        LocalSet::new().block_on(&runtime, async move {
            if let Err(error) = self.drive().await
                && let Err(unsent) = ready.send(Err(error)).await
            {
                tracing::error!(error = ?unsent.0, "a shard has failed");
            }
        });
    }

    /// Serves clients until the shard is told to end.
    async fn drive(mut self) -> Result<(), EdgeError> {
        let (listener_end, ended) = watch::channel(None);
        let shard = self.parts.serve(ended).await?;
        self.ready.send(Ok(())).await.ok();
        let Stop::InOrder { within, listeners } = wait_for_stop(&mut self.stopped).await else {
            // The sockets are closed with the tasks that have them.
            return Ok(());
        };
        listener_end.send_replace(Some(listeners));
        shard.stop_quic(listeners);
        drop(self.reads_packets);
        shard.end(within).await;
        Ok(())
    }
}

async fn wait_for_stop(stopped: &mut watch::Receiver<Option<Stop>>) -> Stop {
    let stop = stopped.wait_for(Option::is_some).await;
    // Without a sender the process ends.
    let stop = stop.ok().and_then(|stop| *stop);
    stop.unwrap_or(Stop::InOrder {
        within: Duration::ZERO,
        listeners: ListenerEnd::Close,
    })
}

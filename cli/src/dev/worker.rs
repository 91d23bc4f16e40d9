//! The worker on its own thread, because its future is not `Send`.

use std::time::Duration;

use grandstand_common::bus::Bus;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::Component;
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;
use grandstand_game::Games;
use grandstand_worker::process::{self, WorkerSettings};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A running worker.
pub(super) struct WorkerThread {
    signal: drain::Signal,
    ended: oneshot::Receiver<Result<(), Failure>>,
    /// Whether [`ended`](Self::ended) has told the result.
    told: bool,
}

impl WorkerThread {
    /// Starts the worker. [`Self::ended`] returns later failures.
    pub(super) fn start(
        bus: Bus,
        games: Games,
        settings: WorkerSettings,
        status: Component,
    ) -> Result<Self, Failure> {
        let (signal, watch) = drain::channel();
        let (ending, ended) = oneshot::channel();
        let supervisor: Supervisor = settings.supervisor.clone();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| internal(&e))?;
            runtime.block_on(async {
                process::run(bus, games, settings, watch, status)
                    .await
                    .map_err(|e| internal(&e))
            })
        };
        // The receiver is gone if the process is already ending.
        let body = move || drop(ending.send(run()));
        supervisor
            .thread("worker", body)
            .map_err(|e| internal(&e))?;
        Ok(Self {
            signal,
            ended,
            told: false,
        })
    }

    /// Waits until the worker ends unasked, which is a failure.
    pub(super) async fn ended(&mut self) -> Failure {
        let ended = (&mut self.ended).await;
        self.told = true;
        match ended {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) | Err(_) => internal(&"ended unexpectedly"),
        }
    }

    /// Ends the worker and waits until it has ended.
    pub(super) async fn end(self, within: Duration) -> Result<(), Failure> {
        if self.told {
            return Ok(());
        }
        self.signal.start(Instant::now() + within);
        match self.ended.await {
            Ok(ended) => ended,
            Err(_) => Err(internal(&"panicked")),
        }
    }
}

fn internal(error: &impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, format!("worker: {error}"))
}

//! The worker on its own thread, because its future is not `Send`.

use std::time::Duration;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Component, Phase};
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::BusSource;
use grandstand_game::Games;
use grandstand_worker::process::{self, Kill, WorkerSettings};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::owners::until_owned;
use super::settings::RECONNECT_TIMEOUT_S;

/// The worker of the process, which can be replaced.
pub(super) struct DevWorker {
    start: WorkerStart,
    bus: Bus,
    /// The name with which the id of the worker begins.
    name: String,
    /// `None` while it is being replaced.
    thread: Option<WorkerThread>,
}

/// Everything that a worker needs to start.
pub(super) struct WorkerStart {
    pub(super) source: BusSource,
    pub(super) cluster: ClusterSettings,
    pub(super) games: Games,
    pub(super) settings: WorkerSettings,
    pub(super) component: Component,
}

impl WorkerStart {
    /// Connects to NATS, unless the process has a bus of its own.
    ///
    /// # Errors
    /// If NATS does not answer, or refuses.
    pub(super) async fn connect(&self) -> Result<Bus, Failure> {
        match &self.source {
            BusSource::Shared(bus) => Ok(bus.clone()),
            BusSource::Nats => {
                let (name, supervisor) = (&self.settings.name, &self.settings.supervisor);
                let cluster = &self.cluster;
                let bus = cluster.start(name, BusRole::Worker, &self.component, supervisor);
                Ok(bus.await?)
            }
        }
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start(mut self, bus: Bus) -> Result<DevWorker, Failure> {
        let (name, thread) = self.start_thread(&bus)?;
        self.cluster.connect_timeout_s = RECONNECT_TIMEOUT_S;
        Ok(DevWorker {
            start: self,
            bus,
            name,
            thread: Some(thread),
        })
    }

    /// Starts a worker under a name that no other one has.
    fn start_thread(&self, bus: &Bus) -> Result<(String, WorkerThread), Failure> {
        let name = format!("{}-{:08x}", self.settings.name, rand::random::<u32>());
        let settings = WorkerSettings {
            name: name.clone(),
            kill: Kill::default(),
            ..self.settings.clone()
        };
        let (games, component) = (self.games.clone(), self.component.clone());
        let thread = WorkerThread::start(bus.clone(), games, settings, component)?;
        Ok((name, thread))
    }
}

impl DevWorker {
    /// Waits until the worker ends unasked, which is a failure.
    pub(super) async fn ended(&mut self) -> Failure {
        match &mut self.thread {
            Some(thread) => thread.ended().await,
            None => std::future::pending().await,
        }
    }

    /// The worker's connection to the bus.
    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Kills the worker and starts another one. Returns once that owns all rooms.
    ///
    /// # Errors
    /// If that fails. Then the process must end.
    pub(super) async fn replace(&mut self) -> Result<(), Failure> {
        let component = &self.start.component;
        if let Some(thread) = self.thread.take() {
            thread.kill().await?;
        }
        component.set(Phase::Starting("taking the place of a worker".into()));
        // With the last handle to it, the connection of the killed worker is closed.
        self.bus = self.start.connect().await?;
        let (name, thread) = self.start.start_thread(&self.bus)?;
        let killed = std::mem::replace(&mut self.name, name);
        let thread = self.thread.insert(thread);
        let serves = async {
            until_owned(&self.bus, &killed).await;
            self.start.component.until_ready().await;
        };
        tokio::select! {
            biased;
            failure = thread.ended() => Err(failure),
            () = serves => Ok(()),
        }
    }

    /// Ends the worker and waits until it has ended.
    pub(super) async fn end(self, within: Duration) -> Result<(), Failure> {
        match self.thread {
            Some(thread) => thread.end(within).await,
            None => Ok(()),
        }
    }
}

/// A running worker.
struct WorkerThread {
    signal: drain::Signal,
    kill: Kill,
    ended: oneshot::Receiver<Result<(), Failure>>,
    /// Whether [`ended`](Self::ended) has told the result.
    told: bool,
}

impl WorkerThread {
    /// Starts the worker. [`Self::ended`] returns later failures.
    fn start(
        bus: Bus,
        games: Games,
        settings: WorkerSettings,
        status: Component,
    ) -> Result<Self, Failure> {
        let (signal, watch) = drain::channel();
        let kill = settings.kill.clone();
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
            kill,
            ended,
            told: false,
        })
    }

    /// Waits until the worker ends unasked, which is a failure.
    async fn ended(&mut self) -> Failure {
        let ended = (&mut self.ended).await;
        self.told = true;
        match ended {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) | Err(_) => internal(&"ended unexpectedly"),
        }
    }

    /// Kills the worker, and waits until none of its threads does anything.
    async fn kill(self) -> Result<(), Failure> {
        self.kill.now();
        match self.ended.await {
            Ok(ended) => ended,
            Err(_) => Err(internal(&"panicked")),
        }
    }

    /// Ends the worker and waits until it has ended.
    async fn end(self, within: Duration) -> Result<(), Failure> {
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

//! Parts of `grandstand dev` beside its edge and worker, each on a thread of its own.

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::Component;
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A part that runs beside an edge and a worker.
pub(crate) trait Beside: Sized {
    /// The name, in the log and in readiness.
    const NAME: &'static str;
    /// The role on the bus.
    const ROLE: BusRole;
    /// The part with everything that it needs.
    type Ready: Send + 'static;

    /// Adds what the part needs to run.
    fn ready(
        self,
        bus: Bus,
        component: Component,
        watch: drain::Watch,
        supervisor: &Supervisor,
    ) -> Self::Ready;

    /// Runs until the drain begins.
    ///
    /// # Errors
    /// If the part cannot go on.
    fn run(ready: Self::Ready) -> impl Future<Output = Result<(), Failure>>;
}

/// A running part.
pub(crate) struct PartThread {
    name: &'static str,
    signal: drain::Signal,
    ended: oneshot::Receiver<Result<(), Failure>>,
}

impl PartThread {
    /// Starts a part.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn start<P: Beside>(
        part: P,
        bus: Bus,
        component: Component,
        supervisor: &Supervisor,
    ) -> Result<Self, Failure> {
        let (signal, watch) = drain::channel();
        let (ending, ended) = oneshot::channel();
        let ready = part.ready(bus, component, watch, supervisor);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|why| internal(P::NAME, &why))?;
            runtime.block_on(P::run(ready))
        };
        // The receiver is gone if the process is already ending.
        let body = move || drop(ending.send(run()));
        supervisor
            .thread(P::NAME, body)
            .map_err(|why| internal(P::NAME, &why))?;
        Ok(Self {
            name: P::NAME,
            signal,
            ended,
        })
    }

    /// Waits until the part ends unasked, which is a failure.
    pub(crate) async fn ended(&mut self) -> Failure {
        match (&mut self.ended).await {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) | Err(_) => internal(self.name, &"ended unexpectedly"),
        }
    }

    /// Ends the part after the work under way.
    pub(crate) async fn end(self) {
        self.signal.start(Instant::now());
        self.ended.await.ok();
    }
}

fn internal(name: &str, error: &impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, format!("{name}: {error}"))
}

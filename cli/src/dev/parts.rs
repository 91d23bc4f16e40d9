//! The parts of the process that plugs replace, and what the pull of each plug does.

use std::time::Duration;

use grandstand_common::bus::{Bus, ConnectionState};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::{Component, Phase};
use grandstand_edge::process::BusSource;
use tokio::time::timeout;

use super::edge::DevEdge;
use super::plug::{Plug, Refusal};
use super::worker::DevWorker;

/// The time limit for the worker to store its rooms and release its partitions.
const WORKER_DRAIN: Duration = Duration::from_secs(1);

/// The time for which the bus is away when its plug is pulled: longer than the edge and the worker need to see it.
const BUS_AWAY: Duration = Duration::from_secs(1);

/// The most time from the pull of a plug until its part serves again. With NATS, a worker waits until the former one counts
/// as dead.
const PULLED_WITHIN: Duration = Duration::from_secs(60);

/// The parts.
pub(super) struct Parts {
    pub(super) bus: BusSource,
    pub(super) edge: DevEdge,
    pub(super) edge_component: Component,
    pub(super) worker: DevWorker,
    pub(super) worker_component: Component,
}

impl Parts {
    /// Waits until a part ends unasked, which is a failure. That of a part of the edge is told by the supervisor.
    pub(super) async fn ended(&mut self) -> Failure {
        self.worker.ended().await
    }

    /// Pulls a plug. Returns once all parts serve again.
    ///
    /// # Errors
    /// If a part does not. Then the process must end.
    pub(super) async fn pull(&mut self, plug: Plug) -> Result<Result<(), Refusal>, Failure> {
        if plug != Plug::Bus && self.is_bus_away() {
            let why = "the bus is away, so that no part could start again";
            return Ok(Err(Refusal::Unavailable(why)));
        }
        tracing::warn!(plug = plug.name(), "a plug is pulled");
        let pulling = async {
            match plug {
                Plug::Worker => self.worker.replace().await?,
                Plug::Edge => self.edge.restart().await?,
                Plug::Drain => self.edge.drain().await?,
                Plug::Bus => {
                    if let Err(refusal) = self.cut_bus().await {
                        return Ok(Err(refusal));
                    }
                }
            }
            self.worker_component.until_ready().await;
            self.edge_component.until_ready().await;
            Ok(Ok(()))
        };
        let pulled = timeout(PULLED_WITHIN, pulling).await;
        pulled.unwrap_or_else(|_| Err(not_back(plug)))
    }

    fn is_bus_away(&self) -> bool {
        *self.worker.bus().connection_state().borrow() == ConnectionState::Down
    }

    /// Cuts the connection of all parts to the bus for a moment.
    async fn cut_bus(&self) -> Result<(), Refusal> {
        let BusSource::Shared(bus @ Bus::Embedded(embedded)) = &self.bus else {
            let why =
                "the bus is a NATS server, which this process cannot stop: stop the server instead";
            return Err(Refusal::Impossible(why));
        };
        let mut connection = bus.connection_state();
        embedded.disconnect(BUS_AWAY);
        // The bus ends with the process.
        let is_up = |state: &ConnectionState| *state != ConnectionState::Down;
        connection.wait_for(is_up).await.ok();
        Ok(())
    }

    /// Ends the edge, then the worker: in order, or quickly because a part `has_failed`.
    pub(super) async fn end(self, has_failed: bool) -> Result<(), Failure> {
        self.edge_component.set(Phase::Draining);
        self.edge.end(has_failed).await;
        self.worker.end(WORKER_DRAIN).await
    }
}

fn not_back(plug: Plug) -> Failure {
    let (name, seconds) = (plug.name(), PULLED_WITHIN.as_secs());
    let text = format!(
        "the plug `{name}` was pulled, and not all parts serve again after {seconds} s; the log says what they wait for"
    );
    Failure::new(Exit::Internal, text)
}

//! The async shell of a worker: connects the [`Engine`](crate::engine::Engine) and the lease
//! [`LeaseMachine`](crate::lease::LeaseMachine) with the bus.
//!
//! One loop on one thread. A turn takes all that is ready (up to a bound), then carries out what the lease machine and
//! the owner want, so that an edge gets one batch a turn. While the worker may not act ([`LeaseMachine::may_act`]) it takes
//! nothing but what the lease machine needs: the bus, whose queues are bounded, holds the rest.
//!
//! [`LeaseMachine::may_act`]: crate::lease::LeaseMachine::may_act

mod time;

mod end;

mod subscribe;

mod watches;

mod readers;

mod edge_probes;

mod settings;

mod answers;

mod turn;

pub mod metrics;

pub mod build_id;

pub mod config;

mod lease_loop;

mod room_loop;

pub use settings::{WorkerError, WorkerSettings};

use grandstand_common::bus::Bus;
use grandstand_common::id::WorkerId;
use grandstand_common::process::admin::{Component, Phase};
use grandstand_common::process::drain;
use tokio::task::LocalSet;

use end::End;
use grandstand_game::Games;
use turn::Worker;

/// Runs a worker on this thread until `shutdown` says that it shall end and it has given all away, or until the
/// shutdown's deadline. `status` is ready while every partition of the cluster is owned.
///
/// The future is not `Send`: give it a thread with a current-thread runtime (the bus may live on another).
///
/// # Errors
/// If the bus' store failed or the bus is gone. A bus that cannot be reached for a while is no error.
pub async fn run(
    bus: Bus,
    games: Games,
    settings: WorkerSettings,
    shutdown: drain::Watch,
    status: Component,
) -> Result<(), WorkerError> {
    let _guard = shutdown.guard();
    settings.metrics.bus.add(&bus);
    let witness = bus.witness();
    let tasks = LocalSet::new();
    let result = tasks
        .run_until(async {
            loop {
                let id = new_id(&settings.name);
                tracing::info!(worker = %id, "starting");
                let worker = Worker::new(id, (&bus, &witness), &games, &settings, &shutdown);
                match worker.drive(&status).await? {
                    End::Left => return Ok(()),
                    End::Dead => {
                        settings.metrics.found_dead.inc();
                        tracing::warn!("another worker found this one dead: it begins anew");
                    }
                }
            }
        })
        .await;
    status.set(Phase::Draining);
    result
}

/// The configured name and a part that is random at every start.
fn new_id(name: &str) -> WorkerId {
    let random = format!("{:08x}", rand::random::<u32>());
    format!("{name}-{random}")
        .parse()
        .or_else(|_| format!("worker-{random}").parse())
        .expect("letters, digits and a dash make an id")
}

#[cfg(test)]
mod tests;

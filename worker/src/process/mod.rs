//! The async shell of a worker: connects the [`Engine`](crate::engine::Engine) and the
//! [`LeaseMachine`](crate::lease::LeaseMachine) with the bus.
//!
//! A worker is a lease loop and several room loops, each on a thread of its own. A room loop has an engine for the
//! partitions `p` with `p % loops` equal to its index. A turn of it takes all events that are ready, up to a limit, then
//! executes the commands of the engine, so that an edge gets one batch per turn and loop. While a room loop may not act, as
//! its fence says, it takes only the outcomes of its commands; the rest stays in the bounded queues of the bus.
//!
//! The lease loop gives orders (take, release, drop), and room loops report. It also asks them whether they turn: one
//! that is stuck in a call of a game loses its fence and its leases, and another loop takes its place.

mod time;

mod clock_skew;

mod end;

mod subscribe;

mod watches;

mod work_queue;

mod key_scans;

mod readers;

mod edge_probes;

mod settings;

mod answers;

mod fence;

mod orders;

pub mod questions;

mod room_start;

mod room_loop;

mod room_commands;

mod room_thread;

mod room_loops;

mod lease_changes;

mod loop_lags;

mod game_metrics;

pub mod metrics;

mod loop_metrics;

pub mod build_id;

pub mod config;

pub mod api;

mod lease_loop;

mod lease_commands;

pub use settings::{Kill, WorkerError, WorkerSettings};

use grandstand_common::bus::Bus;
use grandstand_common::follow::{Followed, follow};
use grandstand_common::id::WorkerId;
use grandstand_common::layout::Layout;
use grandstand_common::process::admin::{Component, Phase, Pulse};
use grandstand_common::process::drain;
use grandstand_common::process::lag::drive_lag;
use grandstand_game::Games;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::crash_guard;
use crate::lease::CarriedOver;
use end::End;
use lease_loop::{LeaseLoop, LeaseLoopParts};
use room_loops::{RoomLoops, Shared};
use room_start::Host;

/// Runs a worker on this thread. After the signal of `shutdown` it gives all partitions away, and returns when that is
/// done or at the deadline of the shutdown. [`Kill`] ends it without that. `status` is ready while every partition of the cluster has a ready owner.
///
/// This thread runs the lease loop. The future is not `Send`. It needs a thread with a current-thread runtime; the bus may
/// run on another thread.
///
/// # Errors
/// If the store of the embedded bus failed, or the bus has ended. A lost connection to the bus is no error.
pub async fn run(
    bus: Bus,
    games: Games,
    settings: WorkerSettings,
    shutdown: drain::Watch,
    status: Component,
) -> Result<(), WorkerError> {
    crash_guard::install();
    run_on(Host::Threads, bus, games, settings, shutdown, status).await
}

async fn run_on(
    host: Host,
    bus: Bus,
    games: Games,
    settings: WorkerSettings,
    shutdown: drain::Watch,
    status: Component,
) -> Result<(), WorkerError> {
    let _guard = shutdown.guard();
    settings.metrics.bus.add(&bus);
    let second = bus.second_connection();
    let tasks = LocalSet::new();
    let pulse = status.pulse("worker");
    pulse.begin();
    let result = tasks
        .run_until(async {
            let lag = drive_lag(settings.metrics.loop_lag("lease"));
            settings.supervisor.scope("worker").keep_local("lag", lag);
            let mut carried_over = CarriedOver::default();
            let mut layouts = follow(&bus, &settings.supervisor.scope("worker"));
            loop {
                let settled = tokio::select! {
                    () = settings.kill.wanted() => None,
                    layout = settled(&mut layouts, &shutdown, &status, &pulse) => layout,
                };
                let Some(layout) = settled else {
                    return Ok(());
                };
                let bus = bus.with_layout(layout);
                let id = new_id(&settings.name);
                tracing::info!(worker = %id, "the worker starts");
                let shared = Shared {
                    bus: &bus,
                    games: &games,
                    settings: &settings,
                    status: &status,
                    host,
                };
                let rooms = RoomLoops::start(shared, &id)?;
                let parts = LeaseLoopParts {
                    bus: &bus,
                    second: &second,
                    rooms,
                    settings: &settings,
                    shutdown: &shutdown,
                    layouts: layouts.clone(),
                };
                let lease_loop = LeaseLoop::new(id, carried_over, parts);
                let supervisor = settings.supervisor.scope("worker");
                let driving = lease_loop.drive(&pulse);
                let (end, known) = supervisor.guard("loop", driving).await??;
                carried_over = known;
                match end {
                    End::Left | End::Killed => return Ok(()),
                    End::Moved => tracing::info!("the worker waits for the new layout of the cluster"),
                    End::RolledBack => {
                        settings.metrics.rolled_back.inc();
                        tracing::error!(
                            "NATS came back with an older state than it had acked; this worker starts again under a new id with what is stored, and players whose acked inputs are lost are told so (room_rolled_back)"
                        );
                    }
                    End::Dead => {
                        settings.metrics.found_dead.inc();
                        tracing::warn!(
                            "another worker marked this one as dead; it starts again under a new id"
                        );
                    }
                }
            }
        })
        .await;
    // One that is killed has no phase of its own: whoever does that has another one start.
    if !settings.kill.is_wanted() {
        status.set(Phase::Draining);
    }
    result
}

/// Waits until no rooms are being moved, and returns the layout of the cluster; `None` if the worker is to end.
async fn settled(
    layouts: &mut watch::Receiver<Followed>,
    shutdown: &drain::Watch,
    status: &Component,
    pulse: &Pulse,
) -> Option<Layout> {
    loop {
        let followed = *layouts.borrow_and_update();
        if !followed.moving {
            return Some(followed.layout);
        }
        status.set(Phase::Unready(lease_loop::MOVING.into()));
        tokio::select! {
            Ok(()) = layouts.changed() => {}
            _ = shutdown.signaled() => return None,
            () = pulse.asked() => {}
        }
        pulse.answer();
    }
}

/// The configured name with a random suffix.
fn new_id(name: &str) -> WorkerId {
    let random = format!("{:08x}", rand::random::<u32>());
    format!("{name}-{random}")
        .parse()
        .or_else(|_| format!("worker-{random}").parse())
        .expect("letters, digits and a dash make an id")
}

#[cfg(test)]
mod tests;

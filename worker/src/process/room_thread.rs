//! The thread of a room loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::process::admin::Pulse;
use grandstand_common::process::lag::drive_lag;
use grandstand_common::supervisor::Supervisor;
use tokio::task::LocalSet;

use super::orders::LoopReport;
use super::room_loop::RoomLoop;
use super::room_start::{Host, RoomStart};
use super::settings::WorkerError;

/// The pause before a failed connect is tried again.
const CONNECT_RETRY: Duration = Duration::from_secs(1);

/// The time for what was published last to reach the bus.
const FLUSH_WITHIN: Duration = Duration::from_millis(200);

/// Starts a room loop.
///
/// # Errors
/// If the system has no thread left.
pub(super) fn start(start: RoomStart, host: Host) -> io::Result<()> {
    let supervisor = start.settings.supervisor.scope(&start.name);
    match host {
        Host::Threads => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let thread = supervisor.clone();
            let name = start.name.clone();
            let body = move || {
                let driven = drive(start, &supervisor);
                LocalSet::new().block_on(&runtime, driven);
            };
            thread.thread(&name, body).map(drop)
        }
        #[cfg(test)]
        Host::Tasks => {
            tokio::task::spawn_local(async move { drive(start, &supervisor).await });
            Ok(())
        }
    }
}

/// Runs a loop until the lease loop ends it. A loop that has failed reports it, and does nothing more.
async fn drive(mut start: RoomStart, supervisor: &Supervisor) {
    let pulse = std::mem::take(&mut start.pulse);
    let asked = std::mem::take(&mut start.asked);
    let _until_ended = start.until_ended.take();
    let answering = supervisor.keep_local("answers", answer(asked));
    let lag = drive_lag(start.settings.metrics.loop_lag(&start.number.to_string()));
    let measuring = supervisor.keep_local("lag", lag);
    pulse.begin();
    let orders = Arc::clone(&start.orders);
    let bus = tokio::select! {
        biased;
        () = orders.closed() => return,
        bus = connect(&start) => bus,
    };
    start.settings.metrics.bus.add(&bus);
    let number = start.number;
    let reports = start.reports.clone();
    let driving = RoomLoop::new(bus.clone(), start).drive(&pulse);
    tokio::select! {
        biased;
        () = orders.closed() => {}
        // After a panic the state of the rooms is unknown: the loop does not touch anything any more.
        failed = supervisor.guard("loop", driving) => {
            let error = failed.unwrap_or_else(WorkerError::Panicked);
            reports.send((number, LoopReport::Failed(error))).await.ok();
            orders.closed().await;
        }
    }
    answering.abort();
    measuring.abort();
    if tokio::time::timeout(FLUSH_WITHIN, bus.flush())
        .await
        .is_err()
    {
        tracing::debug!("the last messages may not have reached the bus");
    }
}

/// Answers questions, forever.
async fn answer(asked: Pulse) {
    asked.begin();
    loop {
        asked.answer();
        asked.asked().await;
    }
}

/// The loop's own connection to NATS, so that its traffic does not delay that of the lease loop. An embedded bus is shared.
async fn connect(start: &RoomStart) -> Bus {
    let (Bus::Nats(_), Some(cluster)) = (&start.bus, &start.settings.cluster) else {
        return start.bus.clone();
    };
    let supervisor = &start.settings.supervisor;
    let errors = start.bus.errors();
    let errors = errors.cloned().unwrap_or_default();
    loop {
        let name = start.sender.as_str();
        match cluster
            .connect(name, BusRole::Worker, &errors, supervisor)
            .await
        {
            Ok(bus) => return bus.with_layout(start.bus.layout()),
            Err(error) => {
                tracing::warn!(part = start.name, %error, "a room loop cannot connect to NATS");
                tokio::time::sleep(CONNECT_RETRY).await;
            }
        }
    }
}

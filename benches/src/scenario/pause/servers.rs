//! The servers of `pause`: start, restart and recovery.

use std::time::Duration;

use grandstand_harness::process::{PATIENCE, Process};
use tokio::time::{Instant, sleep};

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::servers::{Servers, Wanted};
use crate::load::job::Pauses;
use crate::load::remote::Load;

/// Interval of the checks for recovery.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The most time for a recovery.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) async fn start(workers: usize) -> Result<Servers, BenchError> {
    let wanted = Wanted {
        workers,
        edges: 1,
        cores: Cores::SHARED,
    };
    Servers::start(wanted).await
}

pub(super) async fn restart(worker: &mut Process) -> Result<(), BenchError> {
    worker.relaunch()?;
    Ok(worker.try_ready(PATIENCE).await?)
}

/// Waits until the other workers own all partitions and no room has moved for a second.
pub(super) async fn wait_all_moved(
    servers: &Servers,
    load: &mut Load,
    without: usize,
) -> Result<Pauses, BenchError> {
    let start = Instant::now();
    let mut quiet_checks = 0;
    let mut last = 0;
    loop {
        sleep(POLL_INTERVAL).await;
        let pauses = load.pauses().await?;
        let owned = owned(servers, Some(without)).await;
        let all = owned.iter().sum::<f64>() >= f64::from(servers.rig.plan().partitions);
        let more = pauses.moved.len() != last;
        last = pauses.moved.len();
        quiet_checks = if all && !more && last > 0 {
            quiet_checks + 1
        } else {
            0
        };
        if quiet_checks == 10 {
            return Ok(pauses);
        }
        if start.elapsed() > TIMEOUT {
            return Err(BenchError::Timeout {
                state: format!("{last} rooms have moved; workers own {owned:?} partitions"),
                seconds: TIMEOUT.as_secs(),
            });
        }
    }
}

/// Waits until all workers have their share and no input waits.
pub(super) async fn wait_balanced(
    servers: &Servers,
    loads: &mut [&mut Load],
) -> Result<(), BenchError> {
    let partitions = f64::from(servers.rig.plan().partitions);
    let start = Instant::now();
    let mut settled_checks = 0;
    let mut last = Vec::new();
    while settled_checks < 5 {
        sleep(POLL_INTERVAL).await;
        let owned = owned(servers, None).await;
        // Rendezvous hashing gives random shares, so the condition is that partitions stop moving.
        let settled = owned == last
            && owned.iter().sum::<f64>() == partitions
            && owned.iter().all(|&share| share > 0.0);
        last = owned;
        let mut waiting = 0;
        for load in loads.iter_mut() {
            waiting += load.pauses().await?.waiting;
        }
        settled_checks = if settled && waiting == 0 {
            settled_checks + 1
        } else {
            0
        };
        if start.elapsed() > TIMEOUT {
            return Err(BenchError::Timeout {
                state: format!(
                    "workers own {last:?} partitions, and {waiting} players' inputs wait"
                ),
                seconds: TIMEOUT.as_secs(),
            });
        }
    }
    Ok(())
}

/// The number of partitions of each worker except `without`.
pub(super) async fn owned(servers: &Servers, without: Option<usize>) -> Vec<f64> {
    let mut owned = Vec::new();
    for (index, worker) in servers.rig.workers.iter().enumerate() {
        if Some(index) != without {
            let partitions = worker.metric("grandstand_worker_partitions").await;
            owned.push(partitions.unwrap_or(0.0));
        }
    }
    owned
}

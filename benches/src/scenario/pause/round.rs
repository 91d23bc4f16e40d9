//! One round: a fault, and the recovery from it.

use std::time::Duration;

use grandstand_harness::process::PATIENCE;
use tokio::time::{Instant, sleep};

use super::options::Fault;
use super::pauses::FaultPauses;
use super::rooms::Watched;
use super::servers::{POLL_INTERVAL, TIMEOUT, owned, restart, wait_balanced};
use crate::error::BenchError;
use crate::host::proc::Usage;
use crate::host::servers::Servers;
use crate::load::job::{Command, Pauses};

/// Time until the effects of a NATS restart are visible.
const NATS_SETTLES: Duration = Duration::from_millis(1500);

pub(super) async fn run(
    fault: Fault,
    servers: &mut Servers,
    rooms: &mut Watched,
    totals: &mut FaultPauses,
    number: usize,
) -> Result<(), BenchError> {
    let worker = number % servers.rig.workers.len();
    rooms.tell(Command::Watch).await?;
    match fault {
        Fault::Kill => servers.rig.workers[worker].kill9(),
        Fault::Stop => servers.rig.workers[worker].try_pause()?,
        Fault::Handover => servers.rig.workers[worker].try_term()?,
        Fault::Nats => {
            servers.rig.nats.relaunch()?;
            servers.rig.nats.try_ready(PATIENCE).await?;
            sleep(NATS_SETTLES).await;
        }
    }
    let without = (fault != Fault::Nats).then_some(worker);
    let (probes, others) = wait_recovered(rooms, without, servers).await?;
    totals.add(fault, &probes, &others);
    for (index, process) in servers.rig.workers.iter().enumerate() {
        if without != Some(index) {
            let usage = Usage::read(process.pid()).map_err(BenchError::Proc)?;
            totals.memory = totals.memory.max(usage.memory);
        }
    }
    match fault {
        Fault::Kill => restart(&mut servers.rig.workers[worker]).await?,
        Fault::Stop => servers.rig.workers[worker].try_resume()?,
        Fault::Handover => {
            servers.rig.workers[worker].try_ended(PATIENCE).await;
            restart(&mut servers.rig.workers[worker]).await?;
        }
        Fault::Nats => {}
    }
    wait_balanced(servers, &mut rooms.loads()).await
}

/// Waits until no input waits and the other workers own the partitions of `without`. Returns the pauses of the probes
/// and of the other rooms.
async fn wait_recovered(
    rooms: &mut Watched,
    without: Option<usize>,
    servers: &Servers,
) -> Result<(Pauses, Pauses), BenchError> {
    let start = Instant::now();
    let mut settled_checks = 0;
    loop {
        sleep(POLL_INTERVAL).await;
        let (probes, others) = rooms.pauses().await?;
        let owned = owned(servers, without).await;
        let all = owned.iter().sum::<f64>() >= f64::from(servers.rig.plan().partitions);
        let moved = without.is_none() || !probes.moved.is_empty() || !others.moved.is_empty();
        let waiting = probes.waiting + others.waiting;
        settled_checks = if all && moved && waiting == 0 {
            settled_checks + 1
        } else {
            0
        };
        if settled_checks == 3 {
            return Ok((probes, others));
        }
        if start.elapsed() > TIMEOUT {
            return Err(BenchError::Timeout {
                state: format!(
                    "inputs of {waiting} players still wait; workers own {owned:?} partitions"
                ),
                seconds: TIMEOUT.as_secs(),
            });
        }
    }
}

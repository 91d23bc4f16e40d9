//! One time that something is done to the servers, from before it until all is as before.

use std::time::Duration;

use grandstand_tests::process::{PATIENCE, Process};
use tokio::time::{Instant, sleep};

use super::{Fared, How};
use crate::error::BenchError;
use crate::host::servers::Servers;
use crate::load::job::{Command, Pause, Pauses};
use crate::load::remote::Load;

/// How often it is looked whether rooms are back.
const LOOK: Duration = Duration::from_millis(100);
/// How long they may take.
const STUCK: Duration = Duration::from_secs(60);
/// How long NATS' end may take to show.
const NATS_SETTLES: Duration = Duration::from_millis(1500);

pub(super) async fn run(
    how: How,
    servers: &mut Servers,
    load: &mut Load,
    fared: &mut Fared,
    number: usize,
) -> Result<(), BenchError> {
    let worker = number % servers.rig.workers.len();
    load.tell(Command::Watch).await?;
    match how {
        How::Kill => servers.rig.workers[worker].kill9(),
        How::Stop => servers.rig.workers[worker].try_pause()?,
        How::Handover => servers.rig.workers[worker].try_term()?,
        How::Nats => {
            servers.rig.nats.relaunch()?;
            servers.rig.nats.try_ready(PATIENCE).await?;
            sleep(NATS_SETTLES).await;
        }
    }
    let (moved, stayed) = match how {
        How::Nats => {
            let pauses = back(load, None, servers).await?;
            ([pauses.moved, pauses.stayed].concat(), Vec::new())
        }
        _ => {
            let pauses = back(load, Some(worker), servers).await?;
            (pauses.moved, pauses.stayed)
        }
    };
    fared.add(&moved, &stayed);
    match how {
        How::Kill => again(&mut servers.rig.workers[worker]).await?,
        How::Stop => servers.rig.workers[worker].try_resume()?,
        How::Handover => {
            servers.rig.workers[worker].try_ended(PATIENCE).await;
            again(&mut servers.rig.workers[worker]).await?;
        }
        How::Nats => {}
    }
    balanced(servers, load).await
}

impl Fared {
    fn add(&mut self, moved: &[Pause], stayed: &[Pause]) {
        self.rounds += 1;
        self.rooms += moved.len() as u64;
        for pause in moved {
            self.pauses.record_us(pause.gap_us, 1);
            self.waits.record_us(pause.wait_us, 1);
        }
        for pause in stayed {
            self.others.record_us(pause.wait_us, 1);
        }
    }
}

async fn again(worker: &mut Process) -> Result<(), BenchError> {
    worker.relaunch()?;
    Ok(worker.try_ready(PATIENCE).await?)
}

/// Waits until no input waits any more, and the others own what `without` owned.
async fn back(
    load: &mut Load,
    without: Option<usize>,
    servers: &Servers,
) -> Result<Pauses, BenchError> {
    let start = Instant::now();
    let mut good = 0;
    loop {
        sleep(LOOK).await;
        let pauses = load.pauses().await?;
        let owned = owned(servers, without).await;
        let all = owned.iter().sum::<f64>() >= f64::from(servers.rig.plan().partitions);
        let moved = without.is_none() || !pauses.moved.is_empty();
        good = if all && moved && pauses.waiting == 0 {
            good + 1
        } else {
            0
        };
        if good == 3 {
            return Ok(pauses);
        }
        if start.elapsed() > STUCK {
            return Err(BenchError::Stuck {
                what: format!(
                    "inputs of {} players still wait; workers own {owned:?} partitions",
                    pauses.waiting
                ),
                seconds: STUCK.as_secs(),
            });
        }
    }
}

/// Waits until the other workers own all and no room has come back for a second.
pub(super) async fn all_moved(
    servers: &Servers,
    load: &mut Load,
    without: usize,
) -> Result<Pauses, BenchError> {
    let start = Instant::now();
    let (mut quiet, mut last) = (0, 0);
    loop {
        sleep(LOOK).await;
        let pauses = load.pauses().await?;
        let owned = owned(servers, Some(without)).await;
        let all = owned.iter().sum::<f64>() >= f64::from(servers.rig.plan().partitions);
        let more = pauses.moved.len() != last;
        last = pauses.moved.len();
        quiet = if all && !more && last > 0 {
            quiet + 1
        } else {
            0
        };
        if quiet == 10 {
            return Ok(pauses);
        }
        if start.elapsed() > STUCK {
            return Err(BenchError::Stuck {
                what: format!("{last} rooms are back; workers own {owned:?} partitions"),
                seconds: STUCK.as_secs(),
            });
        }
    }
}

/// Waits until all workers have their share and no input waits.
pub(super) async fn balanced(servers: &Servers, load: &mut Load) -> Result<(), BenchError> {
    let partitions = f64::from(servers.rig.plan().partitions);
    let start = Instant::now();
    let mut good = 0;
    let mut last = Vec::new();
    while good < 5 {
        sleep(LOOK).await;
        let owned = owned(servers, None).await;
        // Rendezvous hashing spreads by chance; what counts is that nothing moves any more.
        let settled = owned == last
            && owned.iter().sum::<f64>() == partitions
            && owned.iter().all(|&share| share > 0.0);
        last = owned;
        let waiting = load.pauses().await?.waiting;
        good = if settled && waiting == 0 { good + 1 } else { 0 };
        if start.elapsed() > STUCK {
            return Err(BenchError::Stuck {
                what: format!(
                    "workers own {last:?} partitions, and {waiting} players' inputs wait"
                ),
                seconds: STUCK.as_secs(),
            });
        }
    }
    Ok(())
}

/// Partitions that each worker owns, but for one.
async fn owned(servers: &Servers, without: Option<usize>) -> Vec<f64> {
    let mut owned = Vec::new();
    for (index, worker) in servers.rig.workers.iter().enumerate() {
        if Some(index) != without {
            let partitions = worker.metric("grandstand_worker_partitions").await;
            owned.push(partitions.unwrap_or(0.0));
        }
    }
    owned
}

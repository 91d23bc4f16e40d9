//! One time that something is done to the servers, from before it until all is as before.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use grandstand_harness::process::{PATIENCE, Process};
use tokio::time::{Instant, sleep};

use super::rooms::Watched;
use super::{Fared, How, Spread};
use crate::error::BenchError;
use crate::host::servers::Servers;
use crate::load::job::{Command, Pause, Pauses};
use crate::load::remote::Load;
use crate::load::tally::Latencies;

/// How often it is looked whether rooms are back.
const LOOK: Duration = Duration::from_millis(100);
/// How long they may take.
const STUCK: Duration = Duration::from_secs(60);
/// How long NATS' end may take to show.
const NATS_SETTLES: Duration = Duration::from_millis(1500);

pub(super) async fn run(
    how: How,
    servers: &mut Servers,
    rooms: &mut Watched,
    fared: &mut Fared,
    number: usize,
) -> Result<(), BenchError> {
    let worker = number % servers.rig.workers.len();
    rooms.tell(Command::Watch).await?;
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
    let without = (how != How::Nats).then_some(worker);
    let (probes, others) = back(rooms, without, servers).await?;
    fared.add(how, &probes, &others);
    match how {
        How::Kill => again(&mut servers.rig.workers[worker]).await?,
        How::Stop => servers.rig.workers[worker].try_resume()?,
        How::Handover => {
            servers.rig.workers[worker].try_ended(PATIENCE).await;
            again(&mut servers.rig.workers[worker]).await?;
        }
        How::Nats => {}
    }
    balanced(servers, &mut rooms.loads()).await
}

impl Fared {
    /// Adds a round. NATS does something to all rooms, whether or not they have a new owner.
    fn add(&mut self, how: How, probes: &Pauses, others: &Pauses) {
        self.rounds += 1;
        for (pauses, is_probe) in [(probes, true), (others, false)] {
            let (touched, unmoved): (_, &[Pause]) = match how {
                How::Nats => ([&pauses.moved[..], &pauses.stayed].concat(), &[]),
                _ => (pauses.moved.clone(), &pauses.stayed),
            };
            for pause in &touched {
                self.all.add(pause);
                if is_probe {
                    self.probes.add(pause);
                }
            }
            for pause in unmoved {
                self.unmoved.record_us(pause.wait_us, 1);
            }
        }
    }
}

impl Spread {
    fn add(&mut self, pause: &Pause) {
        self.rooms += 1;
        self.pauses.record_us(pause.gap_us, 1);
        self.waits.record_us(pause.wait_us, 1);
    }
}

impl Display for Fared {
    /// How it stands, in a word.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let p99 = |of: &Latencies| of.quantile_ms(0.99).unwrap_or(0.0);
        let (pause, wait) = (p99(&self.probes.pauses), p99(&self.all.waits));
        write!(f, "p99: pause of probes {pause:.0} ms, wait {wait:.0} ms")
    }
}

async fn again(worker: &mut Process) -> Result<(), BenchError> {
    worker.relaunch()?;
    Ok(worker.try_ready(PATIENCE).await?)
}

/// Waits until no input waits any more, and the other workers own what `without` owned. Returns how the probes and the
/// other rooms fared.
async fn back(
    rooms: &mut Watched,
    without: Option<usize>,
    servers: &Servers,
) -> Result<(Pauses, Pauses), BenchError> {
    let start = Instant::now();
    let mut good = 0;
    loop {
        sleep(LOOK).await;
        let (probes, others) = rooms.pauses().await?;
        let owned = owned(servers, without).await;
        let all = owned.iter().sum::<f64>() >= f64::from(servers.rig.plan().partitions);
        let moved = without.is_none() || !probes.moved.is_empty() || !others.moved.is_empty();
        let waiting = probes.waiting + others.waiting;
        good = if all && moved && waiting == 0 {
            good + 1
        } else {
            0
        };
        if good == 3 {
            return Ok((probes, others));
        }
        if start.elapsed() > STUCK {
            return Err(BenchError::Stuck {
                what: format!(
                    "inputs of {waiting} players still wait; workers own {owned:?} partitions"
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
pub(super) async fn balanced(servers: &Servers, loads: &mut [&mut Load]) -> Result<(), BenchError> {
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
        let mut waiting = 0;
        for load in loads.iter_mut() {
            waiting += load.pauses().await?.waiting;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(ms: u64) -> Pause {
        Pause {
            gap_us: ms * 1000,
            wait_us: ms * 1000,
            back_us: 1,
        }
    }

    fn pauses(moved: &[u64], stayed: &[u64]) -> Pauses {
        Pauses {
            moved: moved.iter().copied().map(pause).collect(),
            stayed: stayed.iter().copied().map(pause).collect(),
            waiting: 0,
        }
    }

    #[test]
    fn probes_that_moved_are_counted_by_themselves() {
        let mut fared = Fared::default();
        fared.add(
            How::Handover,
            &pauses(&[20, 30], &[90]),
            &pauses(&[1000], &[5]),
        );
        fared.add(How::Handover, &pauses(&[40], &[]), &pauses(&[], &[]));
        assert_eq!(fared.rounds, 2);
        assert_eq!((fared.probes.rooms, fared.all.rooms), (3, 4));
        assert_eq!(fared.probes.pauses.max_ms().map(f64::round), Some(40.0));
        assert_eq!(fared.all.pauses.max_ms().map(f64::round), Some(1000.0));
        assert_eq!(fared.unmoved.max_ms().map(f64::round), Some(90.0));
    }

    #[test]
    fn nats_does_something_to_all_rooms() {
        let mut fared = Fared::default();
        fared.add(How::Nats, &pauses(&[20], &[30]), &pauses(&[], &[50]));
        assert_eq!((fared.probes.rooms, fared.all.rooms), (2, 3));
        assert_eq!(fared.unmoved.count(), 0);
    }
}

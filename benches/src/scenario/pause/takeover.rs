//! Rehydration of thousands of rooms after their worker dies. Of two workers, one takes over the other's rooms.

use grandstand_harness::process::PATIENCE;

use super::options::Options;
use super::servers::{start, wait_all_moved, wait_balanced};
use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::load::job::{Command, Job, LoadRole, Pause, Rooms};
use crate::load::remote::Load;
use crate::load::tally::Latencies;
use crate::progress::Progress;
use crate::report::Figures;
use crate::scenario::jobs::job;
use crate::scenario::measure::settle;

/// Rooms of a connection. The edge's limit is 64.
const PER_CONNECTION: u32 = 50;

/// Durations of takeovers.
#[derive(Debug, Clone, Default)]
pub(super) struct Takeover {
    rooms: Vec<u64>,
    /// From the kill to the last room's new snapshot, ms.
    all_ms: Vec<f64>,
    /// From the first room's new snapshot to the last's, ms.
    rehydrating_ms: Vec<f64>,
    back: Latencies,
}

impl Takeover {
    fn add(&mut self, moved: &[Pause]) {
        let back = || moved.iter().map(|pause| pause.back_us);
        let (Some(first), Some(last)) = (back().min(), back().max()) else {
            return;
        };
        self.rooms.push(moved.len() as u64);
        self.all_ms.push(last as f64 / 1000.0);
        self.rehydrating_ms
            .push((last - first).max(1) as f64 / 1000.0);
        back().for_each(|us| self.back.record_us(us, 1));
    }

    pub(super) fn put(&self, figures: &mut Figures) {
        let rooms = self.rooms.iter().sum::<u64>() as f64;
        let seconds = self.rehydrating_ms.iter().sum::<f64>() / 1000.0;
        figures.put("takeover_rounds", self.rooms.len());
        figures.put_number("takeover_rooms", rooms / self.rooms.len().max(1) as f64);
        figures.put_number("takeover_median_ms", median(&self.all_ms));
        figures.put_number(
            "takeover_max_ms",
            self.all_ms.iter().copied().fold(0.0, f64::max),
        );
        figures.put_latencies("takeover_room_back_", &self.back);
        figures.put_number(
            "rehydrated_rooms_per_s",
            if seconds > 0.0 { rooms / seconds } else { 0.0 },
        );
    }
}

pub(super) async fn run(
    options: &Options,
    progress: &mut Progress,
) -> Result<Takeover, BenchError> {
    progress.phase("starting");
    let mut servers = start(2).await?;
    let rooms = options.takeover_rooms * 2;
    let mut load = Load::start(&Job {
        rooms: Rooms {
            prefix: "relay-take-".to_owned(),
            each: 1,
            per_connection: PER_CONNECTION.min(rooms),
        },
        size: 64,
        at_once: 16,
        ..job(
            servers.address(),
            LoadRole::Player,
            rooms.div_ceil(PER_CONNECTION),
            Cores::SHARED,
        )
    })
    .await?;
    progress.phase("creating rooms");
    load.wait_connected(progress).await?;
    // One input each, so that rooms have a state; then all are stored.
    load.tell(Command::Rate(3000.0)).await?;
    settle(f64::from(rooms) / 3000.0).await;
    load.tell(Command::Silence).await?;
    wait_balanced(&servers, &mut [&mut load]).await?;
    settle(3.0).await;

    progress.phase("taking over");
    let mut takeover = Takeover::default();
    for number in 0..options.takeovers {
        let worker = number as usize % 2;
        load.tell(Command::Watch).await?;
        servers.rig.workers[worker].kill9();
        let pauses = wait_all_moved(&servers, &mut load, worker).await?;
        takeover.add(&pauses.moved);
        servers.rig.workers[worker].relaunch()?;
        servers.rig.workers[worker].try_ready(PATIENCE).await?;
        wait_balanced(&servers, &mut [&mut load]).await?;
        settle(2.0).await;
        let done = f64::from(number + 1) / f64::from(options.takeovers);
        progress.step(
            done,
            &format!("{:.0} ms", takeover.all_ms.last().unwrap_or(&0.0)),
        );
    }
    Ok(takeover)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_lasts_until_the_last_room_is_back() {
        let moved = |back_us| Pause {
            back_us,
            ..Pause::default()
        };
        let mut takeover = Takeover::default();
        takeover.add(&[moved(400_000), moved(500_000), moved(900_000)]);
        takeover.add(&[]);
        let mut figures = Figures::default();
        takeover.put(&mut figures);
        assert_eq!(figures.number("takeover_rounds"), Some(1.0));
        assert_eq!(figures.number("takeover_max_ms"), Some(900.0));
        assert_eq!(figures.number("rehydrated_rooms_per_s"), Some(6.0));
    }

    #[test]
    fn the_median_is_the_middle_value() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}

//! `pause`: how long rooms pause when their servers die, stop or are replaced.

pub mod options;

mod pauses;

mod servers;

mod idle_rooms;

mod rooms;

mod round;

mod takeover;

mod report;

use crate::error::BenchError;
use crate::load::job::Command;
use crate::load::tally::Tally;
use crate::outcome::{Outcome, RunOptions};
use crate::progress::Progress;
use crate::scenario::measure::settle;
pub use options::Options;
use pauses::FaultPauses;
use rooms::Watched;

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable, or rooms do not recover.
pub async fn run(
    options: &Options,
    _: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut all = Vec::new();
    let mut counted = Tally::default();
    if !options.how.is_empty() && options.kills > 0 {
        progress.phase("starting");
        let mut servers = servers::start(options.workers).await?;
        if options.idle_rooms > 0 {
            idle_rooms::store(&servers, options.idle_rooms, progress).await?;
        }
        let mut rooms = Watched::start(options, &servers, progress).await?;
        servers::wait_balanced(&servers, &mut rooms.loads()).await?;
        rooms.play(options).await?;
        settle(2.0).await;
        for &fault in &options.how {
            progress.phase(fault.label());
            let mut totals = FaultPauses::default();
            for kill in 0..options.kills {
                round::run(fault, &mut servers, &mut rooms, &mut totals, kill as usize).await?;
                let done = f64::from(kill + 1) / f64::from(options.kills);
                progress.step(
                    done,
                    &format!("{} of {}, {totals}", kill + 1, options.kills),
                );
            }
            all.push((fault, totals));
        }
        rooms.tell(Command::Silence).await?;
        settle(3.0).await;
        counted = rooms.collect().await?;
    }
    let takeover = match options.takeover_rooms {
        0 => None,
        _ => Some(takeover::run(options, progress).await?),
    };
    Ok(report::outcome(options, &all, &counted, takeover.as_ref()))
}

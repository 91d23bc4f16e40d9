//! Connecting as many clients as the machine allows.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::last_change::LastChange;
use super::load::Load;
use crate::error::BenchError;
use crate::load::job::Command;
use crate::load::tally::Tally;

/// Interval of the checks whether to continue.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Connecting stops if no client connects for this long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Clients that are connecting are done if the count has not changed for this long.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Allowed failures of connects, plus one for each hundred connected clients.
const RETRIES: u64 = 1000;

/// The result of a ramp.
#[derive(Debug, Clone, Default)]
pub struct RampOutcome {
    /// The number of connected clients.
    pub live: u32,
    /// The duration in seconds.
    pub seconds: f64,
    /// The reason for stopping; `None` if all clients are connected.
    pub stopped: Option<String>,
    /// The counts of the generators.
    pub tally: Tally,
}

impl Load {
    /// Connects clients until all are connected, or connects fail, or `check` returns a reason to stop (its argument is
    /// the number of connected clients). Connected clients stay.
    ///
    /// # Errors
    /// If a generator has ended.
    pub async fn ramp(
        &mut self,
        mut check: impl FnMut(u32) -> Option<String>,
    ) -> Result<RampOutcome, BenchError> {
        let start = Instant::now();
        let mut outcome = RampOutcome::default();
        let mut seen = LastChange::of(0);
        while outcome.stopped.is_none() {
            self.handle_replies(POLL_INTERVAL).await?;
            outcome.tally.add_later(&self.collect().await?);
            let live = self.live();
            if live == self.wanted {
                break;
            }
            seen.update(live);
            outcome.stopped = check(live).or_else(|| failing(live, seen.age(), &outcome.tally));
        }
        outcome.seconds = start.elapsed().as_secs_f64();
        if outcome.stopped.is_some() {
            self.tell(Command::AtOnce(0)).await?;
            self.settle().await?;
        }
        outcome.live = self.live();
        Ok(outcome)
    }

    /// Handles replies for this long, or until all clients are connected.
    async fn handle_replies(&mut self, time: Duration) -> Result<(), BenchError> {
        let end = Instant::now() + time;
        while Instant::now() < end && self.live() < self.wanted {
            for generator in &mut self.generators {
                if let Ok(reply) = timeout(Duration::from_millis(5), generator.reply()).await {
                    reply?;
                }
            }
        }
        Ok(())
    }

    /// Waits until all connecting clients are connected or have given up.
    async fn settle(&mut self) -> Result<(), BenchError> {
        let start = Instant::now();
        let mut seen = LastChange::of(self.live());
        while seen.age() < SETTLED_AFTER && start.elapsed() < TIMEOUT {
            self.handle_replies(POLL_INTERVAL).await?;
            seen.update(self.live());
        }
        Ok(())
    }
}

fn failing(live: u32, since_last: Duration, tally: &Tally) -> Option<String> {
    let because = || match &tally.error {
        Some(error) => format!("; one of them: {error}"),
        None => String::new(),
    };
    if since_last > TIMEOUT {
        let seconds = TIMEOUT.as_secs();
        return Some(format!("no client connected for {seconds} s{}", because()));
    }
    (tally.retries > RETRIES + u64::from(live) / 100)
        .then(|| format!("{} connects failed{}", tally.retries, because()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failed_connects_stop_the_ramp_and_a_few_do_not() {
        let tally = |retries| Tally {
            retries,
            error: Some("refused".to_owned()),
            ..Tally::default()
        };
        let soon = Duration::from_secs(1);
        assert_eq!(failing(0, soon, &tally(RETRIES)), None);
        let why = failing(0, soon, &tally(RETRIES + 1)).unwrap();
        assert_eq!(why, "1001 connects failed; one of them: refused");
        assert_eq!(failing(100_000, soon, &tally(RETRIES + 1)), None);
        let why = failing(9, TIMEOUT + soon, &Tally::default()).unwrap();
        assert_eq!(why, "no client connected for 30 s");
    }
}

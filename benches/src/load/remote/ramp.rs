//! Connecting as far as the machine goes.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::load::Load;
use crate::error::BenchError;
use crate::load::job::Command;
use crate::load::tally::Tally;

/// How often it is looked whether to go on.
const LOOK: Duration = Duration::from_millis(500);
/// For how long nobody may come in until that is the end.
const STUCK: Duration = Duration::from_secs(30);
/// For how long nobody must come or go until those on their way are through.
const QUIET: Duration = Duration::from_secs(2);
/// Connects that may be tried again, and one more for each hundred that are in.
const RETRIES: u64 = 1000;

/// How far it went.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    /// How many are in.
    pub live: u32,
    /// How long it took.
    pub seconds: f64,
    /// Why it went no further; none if all are in.
    pub stopped: Option<String>,
    /// What was counted.
    pub tally: Tally,
}

impl Load {
    /// Lets clients in until all are, or until connects fail, or `look` (how many are in) says why not to go on. Whoever is
    /// in stays.
    ///
    /// # Errors
    /// If a generator is gone.
    pub async fn ramp(
        &mut self,
        mut look: impl FnMut(u32) -> Option<String>,
    ) -> Result<Reached, BenchError> {
        let start = Instant::now();
        let mut reached = Reached::default();
        let mut last = (0, Instant::now());
        while reached.stopped.is_none() {
            self.listen(LOOK).await?;
            reached.tally.add(&self.collect().await?, true);
            let live = self.live();
            if live == self.wanted {
                break;
            }
            if live != last.0 {
                last = (live, Instant::now());
            }
            reached.stopped =
                look(live).or_else(|| failing(live, last.1.elapsed(), &reached.tally));
        }
        reached.seconds = start.elapsed().as_secs_f64();
        if reached.stopped.is_some() {
            self.tell(Command::AtOnce(0)).await?;
            self.quiet().await?;
        }
        reached.live = self.live();
        Ok(reached)
    }

    /// Hears what generators say for so long, or until all are in.
    async fn listen(&mut self, time: Duration) -> Result<(), BenchError> {
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

    /// Waits until those on their way are in, or have given up.
    async fn quiet(&mut self) -> Result<(), BenchError> {
        let (start, mut last) = (Instant::now(), (self.live(), Instant::now()));
        while last.1.elapsed() < QUIET && start.elapsed() < STUCK {
            self.listen(LOOK).await?;
            if self.live() != last.0 {
                last = (self.live(), Instant::now());
            }
        }
        Ok(())
    }
}

fn failing(live: u32, silent: Duration, tally: &Tally) -> Option<String> {
    let because = || match &tally.error {
        Some(error) => format!("; one of them: {error}"),
        None => String::new(),
    };
    if silent > STUCK {
        let seconds = STUCK.as_secs();
        return Some(format!("nobody came in for {seconds} s{}", because()));
    }
    (tally.retries > RETRIES + u64::from(live) / 100)
        .then(|| format!("{} connects failed{}", tally.retries, because()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_that_fail_end_it_and_a_few_do_not() {
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
        let why = failing(9, STUCK + soon, &Tally::default()).unwrap();
        assert_eq!(why, "nobody came in for 30 s");
    }
}

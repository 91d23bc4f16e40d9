//! The changes of leaderboards by new results: the standings of players, and the counts by which ranks are found.
//!
//! The rank of a score is one more than the number of players with a higher one. Counting these one by one is too slow, so
//! that players are counted in buckets: on each of six levels a bucket has 512 buckets of the level below, and a bucket of
//! the lowest level is one score. The players above a score are in at most 511 buckets of each level.

use std::collections::BTreeMap;

use grandstand_common::leaderboard::Measure;
use grandstand_common::scores::{MAX_SCORE, PlayerScore};

/// The bits by which a score is shifted to its bucket, for each level from the lowest on.
pub(super) const SHIFTS: [u8; 6] = [0, 9, 18, 27, 36, 45];

/// The number of bits between two levels.
const LEVEL_BITS: u8 = 9;

/// A player of a leaderboard.
pub(super) type Key = (i64, String);

/// A player's scores on a leaderboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) best: i64,
    /// The time at which the best score was reached first.
    pub(super) best_at_ms: i64,
    /// At most the largest score.
    pub(super) total: i64,
    /// The time at which the total was reached.
    pub(super) total_at_ms: i64,
    pub(super) games: i64,
    pub(super) wins: i64,
}

impl Standing {
    fn first(score: i64, at_ms: i64) -> Self {
        Self {
            best: score,
            best_at_ms: at_ms,
            total: score,
            total_at_ms: at_ms,
            games: 0,
            wins: 0,
        }
    }

    fn score(&self, by: Measure) -> i64 {
        match by {
            Measure::Best => self.best,
            Measure::Total => self.total,
        }
    }
}

/// The bucket of a level in which players are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket {
    pub(super) leaderboard: i64,
    /// [`measure_number`].
    pub(super) measure: i64,
    pub(super) shift: i64,
    pub(super) bucket: i64,
}

/// The number of a measure in the database.
pub(super) fn measure_number(by: Measure) -> i64 {
    match by {
        Measure::Best => 0,
        Measure::Total => 1,
    }
}

/// The buckets above a score on one level, beside those of higher levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Above {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// The buckets above a score, for each level of [`SHIFTS`].
pub(super) fn above(score: i64) -> [Above; 6] {
    SHIFTS.map(|shift| {
        let bucket = score >> shift;
        // The last sibling: the highest level has no parent, but few enough buckets to be siblings.
        let last = if shift == SHIFTS[5] {
            MAX_SCORE >> shift
        } else {
            bucket | ((1 << LEVEL_BITS) - 1)
        };
        Above {
            first: bucket + 1,
            last,
        }
    })
}

/// The standings of players before and after results.
#[derive(Debug, Default)]
pub(super) struct Tally {
    before: BTreeMap<Key, Standing>,
    after: BTreeMap<Key, Standing>,
}

/// The changes to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) standings: Vec<(Key, Standing)>,
    /// The players to add to buckets; negative ones leave them.
    pub(super) counts: Vec<(Bucket, i64)>,
}

impl Tally {
    /// Begins with the stored standings of the players in question.
    pub(super) fn new(stored: impl IntoIterator<Item = (Key, Standing)>) -> Self {
        Self {
            before: stored.into_iter().collect(),
            after: BTreeMap::new(),
        }
    }

    /// Adds a player's result to a leaderboard.
    pub(super) fn add(&mut self, leaderboard: i64, result: &PlayerScore, at_ms: i64) {
        let key = (leaderboard, result.player.as_str().to_owned());
        let before = self.before.get(&key);
        let standing = self.after.entry(key).or_insert_with(|| {
            let first = Standing {
                total: 0,
                ..Standing::first(result.score, at_ms)
            };
            before.copied().unwrap_or(first)
        });
        standing.games += 1;
        standing.wins += i64::from(result.won);
        if result.score > standing.best {
            (standing.best, standing.best_at_ms) = (result.score, at_ms);
        }
        if result.score != 0 {
            let total = standing.total + result.score;
            standing.total = total.clamp(-MAX_SCORE, MAX_SCORE);
            standing.total_at_ms = at_ms;
        }
    }

    /// The changes by the results.
    pub(super) fn changes(self) -> Changes {
        let mut counts = BTreeMap::<Bucket, i64>::new();
        for (key, after) in &self.after {
            let before = self.before.get(key);
            for by in Measure::ALL {
                let mut count = |score: i64, players: i64| {
                    for shift in SHIFTS {
                        let bucket = Bucket {
                            leaderboard: key.0,
                            measure: measure_number(by),
                            shift: shift.into(),
                            bucket: score >> shift,
                        };
                        *counts.entry(bucket).or_default() += players;
                    }
                };
                count(after.score(by), 1);
                if let Some(before) = before {
                    count(before.score(by), -1);
                }
            }
        }
        Changes {
            standings: self.after.into_iter().collect(),
            counts: counts.into_iter().filter(|(_, n)| *n != 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn result(player: &str, score: i64, won: bool) -> PlayerScore {
        PlayerScore {
            player: player.parse().unwrap(),
            score,
            place: None,
            won,
        }
    }

    #[test]
    fn the_best_score_and_the_total_have_the_times_at_which_they_were_reached() {
        let mut tally = Tally::default();
        for (score, at_ms, won) in [(5, 10, false), (7, 20, true), (7, 30, true), (0, 40, false)] {
            tally.add(1, &result("a", score, won), at_ms);
        }
        let changes = tally.changes();
        let standing = Standing {
            best: 7,
            best_at_ms: 20,
            total: 19,
            total_at_ms: 30,
            games: 4,
            wins: 2,
        };
        assert_eq!(changes.standings, [((1, "a".to_owned()), standing)]);
        assert_eq!(changes.counts.len(), 12);
        assert!(changes.counts.iter().all(|(_, players)| *players == 1));
    }

    #[test]
    fn a_score_that_stays_changes_no_counts() {
        let stored = Standing::first(9, 1);
        let mut tally = Tally::new([((1, "a".to_owned()), stored)]);
        tally.add(1, &result("a", 0, false), 5);
        let changes = tally.changes();
        assert_eq!(changes.counts, []);
        assert_eq!(changes.standings[0].1, Standing { games: 1, ..stored });
    }

    #[test]
    fn a_total_ends_at_the_largest_score() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.add(1, &result("a", MAX_SCORE, false), 1);
            tally.add(1, &result("b", -MAX_SCORE, false), 1);
        }
        let totals: Vec<_> = tally.changes().standings;
        assert_eq!(totals[0].1.total, MAX_SCORE);
        assert_eq!(totals[1].1.total, -MAX_SCORE);
    }

    #[test]
    fn the_buckets_above_a_score_have_all_players_above_it() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        for bits in [3, 10, 20, 53] {
            let limit = (1_i64 << bits) - 1;
            let mut scores: Vec<i64> = (0..400).map(|_| rng.random_range(-limit..=limit)).collect();
            scores.extend([limit, -limit, 0, -1, 511, 512, -512]);
            let mut tally = Tally::default();
            let mut stored = Vec::new();
            for (at, score) in scores.iter().enumerate() {
                tally.add(1, &result(&at.to_string(), *score, false), 1);
                // Half of them improve later.
                if at % 2 == 0 {
                    let changes = std::mem::take(&mut tally).changes();
                    stored.push(changes.counts.clone());
                    tally = Tally::new(changes.standings);
                    let better = (score + 3).min(MAX_SCORE);
                    tally.add(1, &result(&at.to_string(), better, false), 2);
                    stored.push(std::mem::take(&mut tally).changes().counts);
                }
            }
            stored.push(tally.changes().counts);
            let mut counts = BTreeMap::<Bucket, i64>::new();
            for (bucket, players) in stored.into_iter().flatten() {
                *counts.entry(bucket).or_default() += players;
            }
            let best = |(at, score): (usize, &i64)| match at % 2 {
                0 => (*score + 3).min(MAX_SCORE),
                _ => *score,
            };
            let bests: Vec<i64> = scores.iter().enumerate().map(best).collect();
            for score in &bests {
                let ranges = SHIFTS.iter().zip(above(*score));
                let counted: i64 = ranges
                    .map(|(&shift, Above { first, last })| {
                        let inside = counts.iter().filter(|(bucket, _)| {
                            bucket.measure == 0
                                && bucket.shift == i64::from(shift)
                                && (first..=last).contains(&bucket.bucket)
                        });
                        inside.map(|(_, players)| players).sum::<i64>()
                    })
                    .sum();
                let expected = bests.iter().filter(|other| *other > score).count();
                assert_eq!(counted, expected as i64, "{score} of {bits} bits");
            }
        }
    }
}

//! Ranks, compared with those that are counted one by one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use grandstand_common::bus::{OutItem, OutPosition};
use grandstand_common::leaderboard::{LeaderboardRow, Measure};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::for_both;
use super::rig::{Place, page, request};
use crate::archive::batch::Batch;
use crate::archive::leaderboards::Leaderboards;
use crate::archive::result::Item;

for_both!(
    pages_and_neighbours_have_the_ranks_of_a_count,
    a_board_without_results_is_empty,
);

/// The scores of a player: the best score and its time, the total and its time.
#[derive(Debug, Clone, Copy)]
struct Reached {
    best: (i64, i64),
    total: (i64, i64),
}

impl Reached {
    fn by(&self, by: Measure) -> (i64, i64) {
        match by {
            Measure::Best => self.best,
            Measure::Total => self.total,
        }
    }
}

fn players(seed: u64, rounds: u64) -> (Vec<Vec<Item>>, BTreeMap<String, Reached>) {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let mut reached = BTreeMap::<String, Reached>::new();
    let mut seq = 0;
    let batches = (0..rounds).map(|_| {
        let results = (0..60).map(|_| {
            seq += 1;
            let player = format!("p{}", rng.random_range(0..90));
            // Few scores are common, so that many players are equal; some are far away.
            let score = match rng.random_range(0..10) {
                0 => rng.random_range(-(1_i64 << 40)..1 << 40),
                1 => rng.random_range(-1000..1000),
                _ => rng.random_range(-3..4),
            };
            let at = 1_000 + rng.random_range(0..5);
            let known = reached.entry(player.clone()).or_insert(Reached {
                best: (score, at),
                total: (0, at),
            });
            if score > known.best.0 {
                known.best = (score, at);
            }
            if score != 0 {
                known.total = (known.total.0 + score, at);
            }
            let id = format!("a.{seq}");
            let body = json!({
                "id": id, "room": "memory-1", "game": "memory", "topic": "results", "at_ms": at,
                "data": {"players": [{"player": player, "score": score}]},
            });
            Item::from(OutItem {
                seq,
                time_ms: 5,
                topic: "results".parse().unwrap(),
                id,
                body: body.to_string().into(),
            })
        });
        results.collect()
    });
    (batches.collect(), reached)
}

/// The rows of a leaderboard in order, with their ranks.
fn counted(reached: &BTreeMap<String, Reached>, by: Measure) -> Vec<(u64, String, i64)> {
    let mut all: Vec<_> = reached.iter().collect();
    all.sort_by_key(|(player, reached)| {
        let (score, at) = reached.by(by);
        (Reverse(score), at, player.as_str())
    });
    let rank = |score: i64| {
        let above = all.iter().filter(|(_, other)| other.by(by).0 > score);
        above.count() as u64 + 1
    };
    all.iter()
        .map(|(player, reached)| {
            let score = reached.by(by).0;
            (rank(score), (*player).clone(), score)
        })
        .collect()
}

fn rows(rows: &[LeaderboardRow]) -> Vec<(u64, String, i64)> {
    let row = |row: &LeaderboardRow| (row.rank, row.player.to_string(), row.score);
    rows.iter().map(row).collect()
}

async fn pages_and_neighbours_have_the_ranks_of_a_count(place: Place) {
    let database = place.open();
    let mut store = database.store().await.unwrap();
    let (batches, reached) = players(11, 6);
    let mut before = None;
    for items in batches {
        let seq = items.last().unwrap().message.seq;
        let after = OutPosition { created_ms: 1, seq };
        let batch = Batch {
            before,
            after,
            items,
        };
        let stored = store.store(&batch).await.unwrap();
        assert_eq!(stored.refused, 0);
        before = Some(after);
    }
    let mut leaderboards = Leaderboards::new(database.clone());
    for by in Measure::ALL {
        let expected = counted(&reached, by);
        let mut asked = request("memory");
        (asked.by, asked.limit) = (by, 7);
        let mut all = Vec::new();
        loop {
            let page = leaderboards.page(&asked).await.unwrap();
            assert_eq!(page.players as usize, expected.len());
            assert!(page.rows.len() == 7 || page.next.is_none());
            all.extend(rows(&page.rows));
            asked.after = page.next;
            if asked.after.is_none() {
                break;
            }
        }
        assert_eq!(all, expected, "{by}");
        for (at, (_, player, _)) in expected.iter().enumerate() {
            asked.around = Some(player.parse().unwrap());
            let page = leaderboards.page(&asked).await.unwrap();
            let window = at.saturating_sub(7)..(at + 8).min(expected.len());
            assert_eq!(page.next.is_some(), window.end < expected.len());
            assert_eq!(rows(&page.rows), expected[window], "{by} {player}");
        }
    }
    let empty = place
        .number("SELECT count(*) FROM score_counts WHERE players <= 0")
        .await;
    assert_eq!(empty, 0);
}

async fn a_board_without_results_is_empty(place: Place) {
    let database = place.open();
    drop(database.store().await.unwrap());
    let page = page(&database, &request("nothing")).await;
    assert_eq!((page.players, page.rows.len(), page.next), (0, 0, None));
}

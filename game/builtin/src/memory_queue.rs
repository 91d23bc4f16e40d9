//! `queue-memory`: finds an opponent for `memory`.

use grandstand_game::matching::{Backfill, MatchRule, Proposal, Range, Waiting, by_rating};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The rating of a player who has none, as Glicko-2 says.
const NEW: f64 = 1500.0;

/// The distance of ratings that players accept.
const RANGE: Range = Range {
    start: 100.0,
    per_second: 20.0,
    most: 1000.0,
};

/// Two players of a similar rating play `memory`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct MemoryQueue;

/// The wish of a player.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The player's rating; 1500 by default.
    #[serde(default = "new_rating")]
    rating: f64,
}

fn new_rating() -> f64 {
    NEW
}

impl MatchRule for MemoryQueue {
    const QUEUE: &'static str = "queue-memory";
    type Ticket = Ticket;

    fn propose(
        &mut self,
        waiting: &[Waiting<Ticket>],
        _open: &[Backfill],
        now_ms: u64,
    ) -> Vec<Proposal> {
        let groups = by_rating(waiting, 2, |ticket| ticket.rating, RANGE, now_ms);
        let new = |players| Proposal::New {
            players,
            game: "memory".to_owned(),
            params: json!({}),
        };
        groups.into_iter().map(new).collect()
    }
}

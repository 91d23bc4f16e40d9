//! The time of questions about a leaderboard of many results. Run by hand, because it takes minutes:
//!
//! `GRANDSTAND_RESULTS=10000000 cargo nextest run --workspace --run-ignored only --no-capture -E 'test(measure)'`

use std::time::Duration;

use grandstand_common::leaderboard::{LeaderboardRequest, Measure};
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::rig::{Place, Running, bus, emit, request, until};
use crate::archive::leaderboards::Leaderboards;
use crate::archive::metrics::Outcome;

/// The results of two players each, of a million players, with scores up to a million.
const FILL: &str = "SET search_path TO grandstand;
    SET synchronous_commit = off;
    ALTER TABLE results DROP CONSTRAINT results_id_key;
    ALTER TABLE result_players DROP CONSTRAINT result_players_pkey;
    INSERT INTO leaderboards (board, season) VALUES ('memory', '');
    INSERT INTO results (id, room, game, board, at, data)
        SELECT lpad(to_hex(i), 16, '0') || '.1', 'memory-' || i, 'memory', 'memory', now(),
            '{\"players\": [{\"player\": \"a\", \"score\": 1}, {\"player\": \"b\", \"score\": 2}]}'
        FROM generate_series(1, $RESULTS) AS i;
    INSERT INTO result_players
        SELECT i, 'player-' || (g * 500000 + random() * 499999)::int, (1000000 * random() * random())::int, 1, random() < 0.5
        FROM generate_series(1, $RESULTS) AS i, generate_series(0, 1) AS g;
    INSERT INTO standings
        SELECT 1, player, max(score), 1700000000000 + (random() * 1e9)::bigint, sum(score),
            1700000000000 + (random() * 1e9)::bigint, count(*), count(*) FILTER (WHERE won)
        FROM result_players GROUP BY player;
    INSERT INTO score_counts SELECT 1, 0, s, best >> s::int, count(*)
        FROM standings, unnest('{0, 9, 18, 27, 36, 45}'::bigint[]) AS s GROUP BY s, best >> s::int;
    INSERT INTO score_counts SELECT 1, 1, s, total >> s::int, count(*)
        FROM standings, unnest('{0, 9, 18, 27, 36, 45}'::bigint[]) AS s GROUP BY s, total >> s::int;
    ALTER TABLE results ADD CONSTRAINT results_id_key UNIQUE (id);
    ALTER TABLE result_players ADD PRIMARY KEY (player, result);
    ANALYZE";

/// The number of questions of each kind.
const QUESTIONS: usize = 300;

fn results() -> u64 {
    let set = std::env::var("GRANDSTAND_RESULTS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

/// Asks, and prints the median and the 99th percentile.
async fn ask(
    leaderboards: &mut Leaderboards,
    what: &str,
    mut request: impl FnMut() -> LeaderboardRequest,
) {
    let mut times = Vec::<Duration>::new();
    for _ in 0..QUESTIONS {
        let request = request();
        let begun = Instant::now();
        leaderboards.page(&request).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    let ms = |part: usize| times[QUESTIONS * part / 100].as_secs_f64() * 1000.0;
    println!("{what}: median {:.2} ms, p99 {:.2} ms", ms(50), ms(99));
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn measure_questions() {
    let place = Place::postgres().await;
    let database = place.open();
    drop(database.store().await.unwrap());
    let begun = Instant::now();
    place
        .execute(&FILL.replace("$RESULTS", &results().to_string()))
        .await;
    let players = place.number("SELECT count(*) FROM standings").await;
    let seconds = begun.elapsed().as_secs();
    println!(
        "{} results, {players} players, filled in {seconds} s",
        results()
    );
    let mut leaderboards = Leaderboards::new(database);
    let mut rng = rand::rngs::StdRng::seed_from_u64(3);
    for by in Measure::ALL {
        let first = LeaderboardRequest {
            by,
            limit: 100,
            ..request("memory")
        };
        ask(&mut leaderboards, &format!("top 100 by {by}"), || {
            first.clone()
        })
        .await;
        let mut around = || {
            let player = format!("player-{}", rng.random_range(1..999_999));
            LeaderboardRequest {
                limit: 10,
                around: Some(player.parse().unwrap()),
                ..first.clone()
            }
        };
        let mut known = Vec::new();
        while known.len() < QUESTIONS {
            let request = around();
            if leaderboards.page(&request).await.is_ok() {
                known.push(request);
            }
        }
        let mut next = known.iter().cycle();
        let what = format!("10 on each side of a player by {by}");
        ask(&mut leaderboards, &what, || next.next().unwrap().clone()).await;
    }
    let scan = "SELECT count(*) FROM standings WHERE leaderboard = 1 AND best > 300000";
    let begun = Instant::now();
    place.number(scan).await;
    let ms = begun.elapsed().as_millis();
    println!("a count of the players above a score, with its connection: {ms} ms");
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn measure_storing() {
    for place in [Place::postgres().await, Place::sqlite().await] {
        let bus = bus();
        let count = 50_000;
        let mut rng = rand::rngs::StdRng::seed_from_u64(5);
        for no in 0..count {
            let mut player = || format!("player-{}", rng.random_range(0..20_000));
            let (a, b) = (player(), player() + "b");
            let score = no % 1000;
            let players = serde_json::json!({"players": [
                {"player": a, "score": score, "won": true}, {"player": b, "score": 1000 - score},
            ]});
            emit(&bus, &format!("a.{no}"), players).await;
        }
        let begun = Instant::now();
        let running = Running::start(&bus, place.open());
        until("everything is stored", || {
            running.count(Outcome::Stored) == count
        })
        .await;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{:.0} results a second", count as f64 / seconds);
        running.end().await;
    }
}

//! The questions of leaderboards, in the SQL that both databases understand.

use grandstand_common::leaderboard::Measure;

use super::tally::SHIFTS;

/// The columns of a measure: the score, and the time at which it was reached.
fn columns(by: Measure) -> (&'static str, &'static str) {
    match by {
        Measure::Best => ("best", "best_at_ms"),
        Measure::Total => ("total", "total_at_ms"),
    }
}

/// `$1` board, `$2` season: the leaderboard's number.
pub(super) const LEADERBOARD: &str = "SELECT no FROM leaderboards WHERE board = $1 AND season = $2";

/// `$1` leaderboard, `$2` player: the player's row.
pub(super) fn player(by: Measure) -> String {
    let (score, at) = columns(by);
    format!(
        "SELECT player, {score}, {at}, games, wins FROM standings WHERE leaderboard = $1 AND player = $2"
    )
}

/// `$1` leaderboard, `$2` number of rows: the first ones.
pub(super) fn first(by: Measure) -> String {
    let (score, at) = columns(by);
    format!(
        "SELECT player, {score}, {at}, games, wins FROM standings WHERE leaderboard = $1 \
         ORDER BY {score} DESC, {at}, player LIMIT $2"
    )
}

/// `$1` leaderboard, `$2` score, `$3` time, `$4` player, `$5` number of rows: those behind this place.
///
/// An index finds equal scores and lower ones in order. It finds no condition that compares them in different directions,
/// so that these are two questions.
pub(super) fn behind(by: Measure) -> String {
    let (score, at) = columns(by);
    let of = |condition: &str| {
        format!(
            "SELECT * FROM (SELECT player, {score} AS s, {at} AS t, games, wins FROM standings WHERE leaderboard = $1 \
             AND {condition} ORDER BY {score} DESC, {at}, player LIMIT $5) AS part"
        )
    };
    let equal = of(&format!("{score} = $2 AND ({at}, player) > ($3, $4)"));
    let lower = of(&format!("{score} < $2"));
    format!(
        "SELECT * FROM ({equal} UNION ALL {lower}) AS parts ORDER BY s DESC, t, player LIMIT $5"
    )
}

/// Like [`behind`], the rows before this place, nearest first.
pub(super) fn before(by: Measure) -> String {
    let (score, at) = columns(by);
    let of = |condition: &str| {
        format!(
            "SELECT * FROM (SELECT player, {score} AS s, {at} AS t, games, wins FROM standings WHERE leaderboard = $1 \
             AND {condition} ORDER BY {score}, {at} DESC, player DESC LIMIT $5) AS part"
        )
    };
    let equal = of(&format!("{score} = $2 AND ({at}, player) < ($3, $4)"));
    let higher = of(&format!("{score} > $2"));
    format!(
        "SELECT * FROM ({equal} UNION ALL {higher}) AS parts ORDER BY s, t DESC, player DESC LIMIT $5"
    )
}

/// `$1` leaderboard, `$2` measure, then two bounds of buckets for each level: the number of players in these buckets; and
/// the number of all players.
pub(super) fn above_and_all() -> String {
    let sum = |shift: u8, condition: &str| {
        format!(
            "(SELECT COALESCE(SUM(players), 0) FROM score_counts WHERE leaderboard = $1 AND measure = $2 \
             AND shift = {shift}{condition})"
        )
    };
    let levels = SHIFTS.iter().enumerate().map(|(level, &shift)| {
        let (first, last) = (3 + 2 * level, 4 + 2 * level);
        sum(shift, &format!(" AND bucket BETWEEN ${first} AND ${last}"))
    });
    let above = levels.collect::<Vec<_>>().join(" + ");
    let all = sum(SHIFTS[5], "");
    format!("SELECT CAST({above} AS BIGINT), CAST({all} AS BIGINT)")
}

/// `$1` leaderboard, `$2` measure, `$3` and `$4` the lowest and the highest score: the number of players of each score.
pub(super) const OF_SCORES: &str = "SELECT bucket, players FROM score_counts WHERE leaderboard = $1 AND measure = $2 \
                                    AND shift = 0 AND bucket BETWEEN $3 AND $4";

/// The same text for SQLite, whose numbered parameters begin with a question mark.
pub(super) fn for_sqlite(sql: &str) -> String {
    sql.replace('$', "?")
}

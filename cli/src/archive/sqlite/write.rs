//! Stores results in SQLite.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use grandstand_common::bus::OutPosition;
use grandstand_common::scores::TOPIC;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::open::{SqliteDatabase, store_error, version};
use crate::archive::batch::{Batch, StoreError, Stored};
use crate::archive::result::{GameResult, Item};
use crate::archive::tally::{Changes, Key, Standing, Tally};

const POSITION: &str = "SELECT stream_ms, seq FROM positions WHERE topic = ?1";

const INSERT_RESULT: &str = "INSERT INTO results (id, room, game, board, season, at_ms, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING RETURNING no";

const INSERT_PLAYER: &str =
    "INSERT INTO result_players (result, player, score, place, won) VALUES (?1, ?2, ?3, ?4, ?5)";

const STANDING: &str = "SELECT best, best_at_ms, total, total_at_ms, games, wins FROM standings
    WHERE leaderboard = ?1 AND player = ?2";

const UPSERT_STANDING: &str = "INSERT INTO standings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (leaderboard, player) DO UPDATE SET best = excluded.best, best_at_ms = excluded.best_at_ms,
    total = excluded.total, total_at_ms = excluded.total_at_ms, games = excluded.games, wins = excluded.wins";

const ADD_COUNT: &str = "INSERT INTO score_counts VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (leaderboard, measure, shift, bucket) DO UPDATE SET players = players + excluded.players";

const DELETE_EMPTY: &str = "DELETE FROM score_counts
    WHERE leaderboard = ?1 AND measure = ?2 AND shift = ?3 AND bucket = ?4 AND players = 0";

const REFUSE: &str =
    "INSERT INTO refused_results (stream_ms, seq, id, reason, body) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO NOTHING";

const SET_POSITION: &str = "INSERT INTO positions VALUES (?1, ?2, ?3)
    ON CONFLICT (topic) DO UPDATE SET stream_ms = excluded.stream_ms, seq = excluded.seq";

/// Stores results.
#[derive(Debug)]
pub(in crate::archive) struct SqliteStore {
    database: SqliteDatabase,
}

impl SqliteStore {
    pub(in crate::archive) fn new(database: &SqliteDatabase) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// The place up to which everything is stored.
    pub(in crate::archive) fn position(&self) -> Result<Option<OutPosition>, StoreError> {
        let position = self.database.with(|connection| position(connection));
        position.map_err(store_error)
    }

    /// Stores a batch and the place behind it, all or nothing.
    pub(in crate::archive) fn store(&mut self, batch: &Batch) -> Result<Stored, StoreError> {
        let known = self.database.version;
        self.database.with(|connection| {
            let tx = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(store_error)?;
            let found = version(&tx).map_err(store_error)?;
            if found > known as i64 {
                return Err(StoreError::Newer { found, known });
            }
            if position(&tx).map_err(store_error)? != batch.before {
                return Err(StoreError::Moved);
            }
            let stored = store(&tx, batch).map_err(store_error)?;
            tx.commit().map_err(store_error)?;
            Ok(stored)
        })
    }
}

fn position(connection: &Connection) -> rusqlite::Result<Option<OutPosition>> {
    let mut statement = connection.prepare_cached(POSITION)?;
    let position = statement.query_row([TOPIC], |row| {
        Ok(OutPosition {
            created_ms: row.get::<_, i64>(0)? as u64,
            seq: row.get::<_, i64>(1)? as u64,
        })
    });
    position.optional()
}

fn store(tx: &Connection, batch: &Batch) -> rusqlite::Result<Stored> {
    let mut stored = Stored::default();
    let mut new = Vec::new();
    for Item { message, result } in &batch.items {
        match result {
            Ok(result) if insert(tx, result)? => new.push(result),
            Ok(_) => stored.repeated += 1,
            Err(reason) => {
                let (stream_ms, seq) = (batch.after.created_ms as i64, message.seq as i64);
                let row = params![stream_ms, seq, message.id, reason, &message.body[..]];
                tx.prepare_cached(REFUSE)?.execute(row)?;
                stored.refused += 1;
            }
        }
    }
    stored.results = new.len() as u64;
    count(tx, &new)?;
    let (stream_ms, seq) = (batch.after.created_ms as i64, batch.after.seq as i64);
    tx.prepare_cached(SET_POSITION)?
        .execute(params![TOPIC, stream_ms, seq])?;
    Ok(stored)
}

/// Inserts a result. Returns whether it was not there.
fn insert(tx: &Connection, result: &GameResult) -> rusqlite::Result<bool> {
    let mut statement = tx.prepare_cached(INSERT_RESULT)?;
    let season = result.season.as_ref().map(|season| season.as_str());
    let row = params![
        result.id,
        result.room.as_str(),
        result.game,
        result.board.as_str(),
        season,
        result.at_ms,
        result.data
    ];
    let no = statement
        .query_row(row, |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(no) = no else { return Ok(false) };
    let mut statement = tx.prepare_cached(INSERT_PLAYER)?;
    for player in &result.players {
        let name = player.player.as_str();
        statement.execute(params![no, name, player.score, player.place, player.won])?;
    }
    Ok(true)
}

/// Counts new results in the leaderboards.
fn count(tx: &Connection, new: &[&GameResult]) -> rusqlite::Result<()> {
    let mut leaderboards = BTreeMap::new();
    let mut stored = BTreeMap::new();
    for result in new {
        for season in result.seasons() {
            let named = (result.board.as_str(), season);
            let no = match leaderboards.get(&named) {
                Some(no) => *no,
                None => leaderboard(tx, named)?,
            };
            leaderboards.insert(named, no);
            for player in &result.players {
                let key = (no, player.player.as_str().to_owned());
                if let Entry::Vacant(new) = stored.entry(key) {
                    let standing = standing(tx, new.key())?;
                    new.insert(standing);
                }
            }
        }
    }
    let known = stored.into_iter();
    let mut tally = Tally::new(known.filter_map(|(key, standing)| Some((key, standing?))));
    for result in new {
        for season in result.seasons() {
            if let Some(no) = leaderboards.get(&(result.board.as_str(), season)) {
                let players = result.players.iter();
                players.for_each(|player| tally.add(*no, player, result.at_ms));
            }
        }
    }
    write(tx, &tally.changes())
}

/// The number of a leaderboard, which is made if it is missing.
fn leaderboard(tx: &Connection, (board, season): (&str, &str)) -> rusqlite::Result<i64> {
    let insert = "INSERT INTO leaderboards (board, season) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.prepare_cached(insert)?.execute([board, season])?;
    let select = "SELECT no FROM leaderboards WHERE board = ?1 AND season = ?2";
    tx.prepare_cached(select)?
        .query_row([board, season], |row| row.get(0))
}

fn standing(tx: &Connection, (leaderboard, player): &Key) -> rusqlite::Result<Option<Standing>> {
    let mut statement = tx.prepare_cached(STANDING)?;
    let standing = statement.query_row(params![leaderboard, player], |row| {
        Ok(Standing {
            best: row.get(0)?,
            best_at_ms: row.get(1)?,
            total: row.get(2)?,
            total_at_ms: row.get(3)?,
            games: row.get(4)?,
            wins: row.get(5)?,
        })
    });
    standing.optional()
}

fn write(tx: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(UPSERT_STANDING)?;
    for ((leaderboard, player), s) in &changes.standings {
        statement.execute(params![
            leaderboard,
            player,
            s.best,
            s.best_at_ms,
            s.total,
            s.total_at_ms,
            s.games,
            s.wins
        ])?;
    }
    let mut add = tx.prepare_cached(ADD_COUNT)?;
    let mut delete = tx.prepare_cached(DELETE_EMPTY)?;
    for (bucket, players) in &changes.counts {
        let place = [
            bucket.leaderboard,
            bucket.measure,
            bucket.shift,
            bucket.bucket,
        ];
        let [leaderboard, measure, shift, bucket] = place;
        add.execute(params![leaderboard, measure, shift, bucket, players])?;
        if *players < 0 {
            delete.execute(place)?;
        }
    }
    Ok(())
}

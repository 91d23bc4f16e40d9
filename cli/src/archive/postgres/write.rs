//! Stores results in PostgreSQL.

use std::collections::HashMap;

use grandstand_common::bus::OutPosition;
use grandstand_common::scores::TOPIC;
use tokio_postgres::{Client, Statement, Transaction};

use super::copy::Rows;
use super::error::store_error;
use super::migrate::version;
use crate::archive::batch::{Batch, StoreError, Stored};
use crate::archive::result::{GameResult, Item};
use crate::archive::tally::{Changes, Key, Standing, Tally};

/// The transactions that store wait for each other.
const STORE_LOCK: i64 = 0x6772_616e_6473_7402;

/// The process that stores has this lock as long as it is connected.
const LEADER_LOCK: i64 = 0x6772_616e_6473_7403;

/// The table to which results are copied first, because `COPY` knows no conflicts.
const STAGING: &str = "CREATE TEMP TABLE staged_results (
    ordinal bigint, id text, room text, game text, board text, season text, at_ms bigint, data jsonb
) ON COMMIT DELETE ROWS";

const STAGE: &str = "COPY pg_temp.staged_results FROM STDIN";

const POSITION: &str = "SELECT stream_ms, seq FROM positions WHERE topic = $1";

const INSERT_RESULTS: &str = "INSERT INTO results (id, room, game, board, season, at, data)
    SELECT id, room, game, board, season, to_timestamp(at_ms / 1000.0), data FROM pg_temp.staged_results ORDER BY ordinal
    ON CONFLICT (id) DO NOTHING RETURNING no, id";

const COPY_PLAYERS: &str = "COPY result_players (result, player, score, place, won) FROM STDIN";

const STANDINGS: &str =
    "SELECT s.leaderboard, s.player, s.best, s.best_at_ms, s.total, s.total_at_ms, s.games, s.wins
    FROM unnest($1::bigint[], $2::text[]) AS k (leaderboard, player)
    JOIN standings AS s ON s.leaderboard = k.leaderboard AND s.player = k.player";

const UPSERT_STANDINGS: &str = "INSERT INTO standings
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    ON CONFLICT (leaderboard, player) DO UPDATE SET best = EXCLUDED.best, best_at_ms = EXCLUDED.best_at_ms,
    total = EXCLUDED.total, total_at_ms = EXCLUDED.total_at_ms, games = EXCLUDED.games, wins = EXCLUDED.wins";

const ADD_COUNTS: &str = "INSERT INTO score_counts AS c
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    ON CONFLICT (leaderboard, measure, shift, bucket) DO UPDATE SET players = c.players + EXCLUDED.players";

const DELETE_EMPTY: &str = "DELETE FROM score_counts AS c
    USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k (leaderboard, measure, shift, bucket)
    WHERE c.leaderboard = k.leaderboard AND c.measure = k.measure AND c.shift = k.shift AND c.bucket = k.bucket
    AND c.players = 0";

const REFUSE: &str =
    "INSERT INTO refused_results (stream_ms, seq, id, reason, body) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING";

const SET_POSITION: &str = "INSERT INTO positions VALUES ($1, $2, $3)
    ON CONFLICT (topic) DO UPDATE SET stream_ms = EXCLUDED.stream_ms, seq = EXCLUDED.seq";

/// A connection that stores results.
#[derive(Debug)]
pub(in crate::archive) struct PostgresStore {
    client: Client,
    statements: Statements,
    /// The version of the tables that this program writes.
    version: usize,
}

/// The statements of every batch.
#[derive(Debug)]
struct Statements {
    standings: Statement,
    upsert_standings: Statement,
    add_counts: Statement,
    delete_empty: Statement,
}

impl PostgresStore {
    pub(super) async fn new(client: Client, version: usize) -> Result<Self, StoreError> {
        client.batch_execute(STAGING).await.map_err(store_error)?;
        let prepare = async |sql| client.prepare(sql).await.map_err(store_error);
        let statements = Statements {
            standings: prepare(STANDINGS).await?,
            upsert_standings: prepare(UPSERT_STANDINGS).await?,
            add_counts: prepare(ADD_COUNTS).await?,
            delete_empty: prepare(DELETE_EMPTY).await?,
        };
        Ok(Self {
            client,
            statements,
            version,
        })
    }

    /// Whether this process is the one that stores. Another one may be until it ends.
    pub(in crate::archive) async fn leads(&self) -> Result<bool, StoreError> {
        let lock = "SELECT pg_try_advisory_lock($1)";
        let row = self.client.query_one(lock, &[&LEADER_LOCK]).await;
        Ok(row.map_err(store_error)?.get(0))
    }

    /// The place up to which everything is stored.
    pub(in crate::archive) async fn position(&self) -> Result<Option<OutPosition>, StoreError> {
        let row = self.client.query_opt(POSITION, &[&TOPIC]).await;
        Ok(row.map_err(store_error)?.map(|row| OutPosition {
            created_ms: row.get::<_, i64>(0) as u64,
            seq: row.get::<_, i64>(1) as u64,
        }))
    }

    /// Stores a batch and the place behind it, all or nothing.
    pub(in crate::archive) async fn store(&mut self, batch: &Batch) -> Result<Stored, StoreError> {
        let tx = self.client.transaction().await.map_err(store_error)?;
        check(&tx, batch, self.version).await?;
        let new = insert_results(&tx, &batch.items).await?;
        let mut tally = Tally::default();
        if !new.is_empty() {
            insert_players(&tx, &new).await?;
            let leaderboards = leaderboards(&tx, &new).await?;
            let keys = keys(&new, &leaderboards);
            tally = Tally::new(standings(&tx, &self.statements, &keys).await?);
            for (_, result) in &new {
                for leaderboard in numbers(result, &leaderboards) {
                    for player in &result.players {
                        tally.add(leaderboard, player, result.at_ms);
                    }
                }
            }
        }
        write_changes(&tx, &self.statements, &tally.changes()).await?;
        let refused = refuse(&tx, batch).await?;
        let (stream_ms, seq) = (batch.after.created_ms as i64, batch.after.seq as i64);
        tx.execute(SET_POSITION, &[&TOPIC, &stream_ms, &seq])
            .await
            .map_err(store_error)?;
        tx.commit().await.map_err(store_error)?;
        let results = new.len() as u64;
        Ok(Stored {
            results,
            repeated: batch.items.len() as u64 - results - refused,
            refused,
        })
    }
}

/// A new result with its number.
type New<'a> = (i64, &'a GameResult);

/// The numbers of leaderboards by board and season.
type Leaderboards<'a> = HashMap<(&'a str, &'a str), i64>;

/// Waits for other transactions that store, and checks that the database is what the batch expects.
async fn check(tx: &Transaction<'_>, batch: &Batch, known: usize) -> Result<(), StoreError> {
    let lock = "SELECT pg_advisory_xact_lock($1)";
    tx.execute(lock, &[&STORE_LOCK])
        .await
        .map_err(store_error)?;
    let found = version(tx).await?;
    if found > known as i64 {
        return Err(StoreError::Newer { found, known });
    }
    let row = tx
        .query_opt(POSITION, &[&TOPIC])
        .await
        .map_err(store_error)?;
    let place = |position: OutPosition| (position.created_ms as i64, position.seq as i64);
    let stored = row.map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1)));
    if stored != batch.before.map(place) {
        return Err(StoreError::Moved);
    }
    Ok(())
}

/// Inserts results, and returns those that were not there.
async fn insert_results<'a>(
    tx: &Transaction<'_>,
    items: &'a [Item],
) -> Result<Vec<New<'a>>, StoreError> {
    let results = items.iter().filter_map(|item| item.result.as_ref().ok());
    let mut rows = Rows::default();
    let mut by_id = HashMap::new();
    for (ordinal, result) in results.enumerate() {
        rows.field(ordinal);
        rows.field(&result.id);
        rows.field(&result.room);
        rows.field(&result.game);
        rows.field(&result.board);
        rows.optional(result.season.as_ref());
        rows.field(result.at_ms);
        rows.field(&result.data);
        rows.end_row();
        by_id.entry(result.id.as_str()).or_insert(result);
    }
    if by_id.is_empty() {
        return Ok(Vec::new());
    }
    rows.copy(tx, STAGE).await.map_err(store_error)?;
    let inserted = tx.query(INSERT_RESULTS, &[]).await.map_err(store_error)?;
    let new = inserted.iter().filter_map(|row| {
        let result = by_id.get(row.get::<_, &str>(1))?;
        Some((row.get(0), *result))
    });
    Ok(new.collect())
}

async fn insert_players(tx: &Transaction<'_>, new: &[New<'_>]) -> Result<(), StoreError> {
    let mut rows = Rows::default();
    for (no, result) in new {
        for player in &result.players {
            rows.field(no);
            rows.field(&player.player);
            rows.field(player.score);
            rows.optional(player.place);
            rows.field(player.won);
            rows.end_row();
        }
    }
    rows.copy(tx, COPY_PLAYERS).await.map_err(store_error)
}

/// The numbers of the leaderboards in which results count. Missing ones are made.
async fn leaderboards<'a>(
    tx: &Transaction<'_>,
    new: &[New<'a>],
) -> Result<Leaderboards<'a>, StoreError> {
    let mut found = Leaderboards::new();
    for (_, result) in new {
        for season in result.seasons() {
            found.insert((result.board.as_str(), season), 0);
        }
    }
    let (boards, seasons): (Vec<&str>, Vec<&str>) = found.keys().copied().unzip();
    let insert = "INSERT INTO leaderboards (board, season) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING";
    let select =
        "SELECT l.board, l.season, l.no FROM unnest($1::text[], $2::text[]) AS k (board, season)
        JOIN leaderboards AS l ON l.board = k.board AND l.season = k.season";
    tx.execute(insert, &[&boards, &seasons])
        .await
        .map_err(store_error)?;
    let rows = tx
        .query(select, &[&boards, &seasons])
        .await
        .map_err(store_error)?;
    let numbers = rows
        .iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)));
    let numbers: HashMap<(String, String), i64> = numbers.collect();
    for ((board, season), no) in &mut found {
        let named = ((*board).to_owned(), (*season).to_owned());
        *no = numbers.get(&named).copied().unwrap_or_default();
    }
    Ok(found)
}

/// The leaderboards of a result.
fn numbers<'a>(
    result: &'a GameResult,
    leaderboards: &'a Leaderboards<'_>,
) -> impl Iterator<Item = i64> + 'a {
    let board = result.board.as_str();
    let seasons = result.seasons();
    seasons.filter_map(move |season| leaderboards.get(&(board, season)).copied())
}

/// The players of leaderboards whose standings results change, each once.
fn keys<'a>(new: &[New<'a>], leaderboards: &Leaderboards<'a>) -> (Vec<i64>, Vec<&'a str>) {
    let mut keys = std::collections::BTreeSet::new();
    for (_, result) in new {
        for leaderboard in numbers(result, leaderboards) {
            let players = result.players.iter();
            keys.extend(players.map(|player| (leaderboard, player.player.as_str())));
        }
    }
    keys.into_iter().unzip()
}

async fn standings(
    tx: &Transaction<'_>,
    statements: &Statements,
    (leaderboards, players): &(Vec<i64>, Vec<&str>),
) -> Result<Vec<(Key, Standing)>, StoreError> {
    let rows = tx
        .query(&statements.standings, &[leaderboards, players])
        .await;
    let standing = |row: &tokio_postgres::Row| {
        let standing = Standing {
            best: row.get(2),
            best_at_ms: row.get(3),
            total: row.get(4),
            total_at_ms: row.get(5),
            games: row.get(6),
            wins: row.get(7),
        };
        ((row.get(0), row.get(1)), standing)
    };
    Ok(rows.map_err(store_error)?.iter().map(standing).collect())
}

async fn write_changes(
    tx: &Transaction<'_>,
    statements: &Statements,
    changes: &Changes,
) -> Result<(), StoreError> {
    let of = |field: fn(&Standing) -> i64| -> Vec<i64> {
        let standings = changes.standings.iter();
        standings.map(|(_, standing)| field(standing)).collect()
    };
    if !changes.standings.is_empty() {
        let keys = changes
            .standings
            .iter()
            .map(|(key, _)| (key.0, key.1.as_str()));
        let (leaderboards, players): (Vec<i64>, Vec<&str>) = keys.unzip();
        tx.execute(
            &statements.upsert_standings,
            &[
                &leaderboards,
                &players,
                &of(|s| s.best),
                &of(|s| s.best_at_ms),
                &of(|s| s.total),
                &of(|s| s.total_at_ms),
                &of(|s| s.games),
                &of(|s| s.wins),
            ],
        )
        .await
        .map_err(store_error)?;
    }
    let all: Vec<_> = changes.counts.iter().collect();
    let leaving: Vec<_> = all.iter().copied().filter(|(_, n)| *n < 0).collect();
    for (statement, counts) in [
        (&statements.add_counts, &all),
        (&statements.delete_empty, &leaving),
    ] {
        if counts.is_empty() {
            continue;
        }
        let leaderboards: Vec<i64> = counts.iter().map(|(b, _)| b.leaderboard).collect();
        let measures: Vec<i64> = counts.iter().map(|(b, _)| b.measure).collect();
        let shifts: Vec<i64> = counts.iter().map(|(b, _)| b.shift).collect();
        let buckets: Vec<i64> = counts.iter().map(|(b, _)| b.bucket).collect();
        let players: Vec<i64> = counts.iter().map(|(_, players)| *players).collect();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&leaderboards, &measures, &shifts, &buckets, &players];
        let params = &params[..statement.params().len()];
        tx.execute(statement, params).await.map_err(store_error)?;
    }
    Ok(())
}

/// Keeps what is refused. Returns the number.
async fn refuse(tx: &Transaction<'_>, batch: &Batch) -> Result<u64, StoreError> {
    let mut count = 0;
    for Item { message, result } in &batch.items {
        let Err(reason) = result else { continue };
        let (stream_ms, seq) = (batch.after.created_ms as i64, message.seq as i64);
        let (id, reason) = (message.id.replace('\0', ""), reason.replace('\0', ""));
        let body = &message.body[..];
        tx.execute(REFUSE, &[&stream_ms, &seq, &id, &reason, &body])
            .await
            .map_err(store_error)?;
        count += 1;
    }
    Ok(count)
}

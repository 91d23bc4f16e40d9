//! The first ranks of a leaderboard, and those around a player.

use std::collections::BTreeMap;

use grandstand_common::id::BoardName;
use grandstand_common::leaderboard::{
    Cursor, LeaderboardError, LeaderboardErrorCode, LeaderboardPage, LeaderboardRequest,
    LeaderboardRow,
};

use super::batch::StoreError;
use super::queries;
use super::reading::Reading;
use super::tally::{Above, above, measure_number};
use super::value::{Cell, Param};

/// The reason why a request has no page.
#[derive(Debug)]
pub(super) enum NoPage {
    /// The request is wrong.
    Request(LeaderboardError),
    /// The database has not answered.
    Store(StoreError),
}

impl From<StoreError> for NoPage {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The rows that a request asks for.
pub(super) async fn page(
    reading: &Reading<'_>,
    request: &LeaderboardRequest,
) -> Result<LeaderboardPage, NoPage> {
    request.check().map_err(NoPage::Request)?;
    let season = request.season.as_ref().map_or("", BoardName::as_str);
    let named = [Param::Text(request.board.as_str()), Param::Text(season)];
    let found = reading.rows(queries::LEADERBOARD, &named).await?;
    let Some(leaderboard) = found.first().and_then(|row| row.first()) else {
        return match &request.around {
            Some(_) => Err(no_such_player(request)),
            None => Ok(LeaderboardPage {
                players: 0,
                rows: Vec::new(),
                next: None,
            }),
        };
    };
    let board = Board {
        reading,
        request,
        leaderboard: leaderboard.int()?,
    };
    match &request.around {
        Some(player) => board.around(player.as_str()).await,
        None => board.top().await,
    }
}

fn no_such_player(request: &LeaderboardRequest) -> NoPage {
    let player = request.around.as_ref().map_or("", |player| player.as_str());
    let text = format!("{player:?} has no result on this leaderboard");
    NoPage::Request(LeaderboardError::new(
        LeaderboardErrorCode::NoSuchPlayer,
        text,
    ))
}

/// A request about a leaderboard that exists.
struct Board<'a> {
    reading: &'a Reading<'a>,
    request: &'a LeaderboardRequest,
    leaderboard: i64,
}

impl Board<'_> {
    async fn top(&self) -> Result<LeaderboardPage, NoPage> {
        let limit = self.request.limit;
        // One more row says whether there is another page.
        let mut rows = match &self.request.after {
            Some(after) => {
                self.rows(&queries::behind(self.request.by), after, limit + 1)
                    .await?
            }
            None => {
                let params = [Param::Int(self.leaderboard), Param::Int((limit + 1).into())];
                let first = queries::first(self.request.by);
                parse(&self.reading.rows(&first, &params).await?)?
            }
        };
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| has_more).map(LeaderboardRow::cursor);
        self.ranked(rows, next).await
    }

    async fn around(&self, player: &str) -> Result<LeaderboardPage, NoPage> {
        let limit = self.request.limit;
        let params = [Param::Int(self.leaderboard), Param::Text(player)];
        let found = queries::player(self.request.by);
        let found = self.reading.rows(&found, &params).await?;
        let Some(middle) = parse(&found)?.pop() else {
            return Err(no_such_player(self.request));
        };
        let at = middle.cursor();
        let before = queries::before(self.request.by);
        let mut rows = self.rows(&before, &at, limit).await?;
        rows.reverse();
        rows.push(middle);
        let behind = queries::behind(self.request.by);
        let mut after = self.rows(&behind, &at, limit + 1).await?;
        let has_more = after.len() > limit as usize;
        after.truncate(limit as usize);
        rows.extend(after);
        let next = rows.last().filter(|_| has_more).map(LeaderboardRow::cursor);
        self.ranked(rows, next).await
    }

    /// Rows before or behind a place.
    async fn rows(
        &self,
        sql: &str,
        at: &Cursor,
        limit: u32,
    ) -> Result<Vec<LeaderboardRow>, StoreError> {
        let params = [
            Param::Int(self.leaderboard),
            Param::Int(at.score),
            Param::Int(at.at_ms),
            Param::Text(at.player.as_str()),
            Param::Int(limit.into()),
        ];
        parse(&self.reading.rows(sql, &params).await?)
    }

    /// Ranks rows that follow each other.
    async fn ranked(
        &self,
        mut rows: Vec<LeaderboardRow>,
        next: Option<Cursor>,
    ) -> Result<LeaderboardPage, NoPage> {
        let measure = measure_number(self.request.by);
        let first = rows.first().map_or(0, |row| row.score);
        let last = rows.last().map_or(0, |row| row.score);
        let mut params = vec![Param::Int(self.leaderboard), Param::Int(measure)];
        let bounds = above(first).into_iter();
        params
            .extend(bounds.flat_map(|Above { first, last }| [Param::Int(first), Param::Int(last)]));
        let counts = self
            .reading
            .rows(&queries::above_and_all(), &params)
            .await?;
        let count = |at: usize| {
            counts
                .first()
                .and_then(|row| row.get(at))
                .map_or(Ok(0), Cell::int)
        };
        let (above, players) = (count(0)?, count(1)?);
        let params = [
            Param::Int(self.leaderboard),
            Param::Int(measure),
            Param::Int(last),
            Param::Int(first),
        ];
        let mut of_score = BTreeMap::new();
        for row in self.reading.rows(queries::OF_SCORES, &params).await? {
            if let [score, players] = row.as_slice() {
                of_score.insert(score.int()?, players.int()?);
            }
        }
        let mut rank = above + 1;
        let mut score = first;
        for row in &mut rows {
            if row.score != score {
                rank += of_score.get(&score).copied().unwrap_or(0);
                score = row.score;
            }
            row.rank = rank as u64;
        }
        Ok(LeaderboardPage {
            players: players as u64,
            rows,
            next,
        })
    }
}

/// The rows of an answer, without ranks.
fn parse(rows: &[Vec<Cell>]) -> Result<Vec<LeaderboardRow>, StoreError> {
    let parse = |row: &Vec<Cell>| {
        let [player, score, at_ms, games, wins] = row.as_slice() else {
            return Err(StoreError::Unavailable(
                "the database answers with other columns".to_owned(),
            ));
        };
        let player = player.text()?;
        let player = player.parse().map_err(|error| {
            StoreError::Unavailable(format!("the database has a player {player:?} that {error}"))
        })?;
        Ok(LeaderboardRow {
            rank: 0,
            player,
            score: score.int()?,
            at_ms: at_ms.int()?,
            games: games.int()? as u64,
            wins: wins.int()? as u64,
        })
    };
    rows.iter().map(parse).collect()
}

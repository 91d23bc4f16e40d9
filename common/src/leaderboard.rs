//! Questions about leaderboards, as JSON requests on the subject [`subject::LEADERBOARD`], and their answers.
//!
//! The process that keeps the archive of results answers them. Edges and tools ask, and have no database.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use grandstand_types::id::{BoardName, IdError, PlayerId};
use serde::{Deserialize, Serialize};

use crate::bus::{Bus, RequestError};
use crate::subject;

/// The most rows of a page, and the most neighbours on each side of a player.
pub const MAX_LIMIT: u32 = 100;

/// A question about one leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderboardRequest {
    /// The board: the one that results name, or the name of the game.
    pub board: BoardName,
    /// The season; `None` for all results of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season: Option<BoardName>,
    /// The score by which players are ranked.
    #[serde(default)]
    pub by: Measure,
    /// The most rows; with [`around`](Self::around) the most on each side. At most [`MAX_LIMIT`].
    #[serde(default = "ten")]
    pub limit: u32,
    /// The player in the middle; `None` for the first ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<PlayerId>,
    /// The row after which the page begins; `None` for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
}

fn ten() -> u32 {
    10
}

/// The score by which players are ranked.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The best score of a player.
    #[default]
    Best,
    /// The sum of a player's scores.
    Total,
}

impl Measure {
    /// Both measures.
    pub const ALL: [Self; 2] = [Self::Best, Self::Total];
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Best => "best",
            Self::Total => "total",
        })
    }
}

/// A row's place in the order of a leaderboard, as the text `{score}.{at_ms}.{player}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// The score.
    pub score: i64,
    /// The time at which the score was reached, in Unix milliseconds.
    pub at_ms: i64,
    /// The player.
    pub player: PlayerId,
}

/// The text is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// The form is another one.
    #[error("a cursor has the form SCORE.TIME.PLAYER; take it from `next` of an answer")]
    Form,
    /// The player cannot exist.
    #[error("the player of the cursor {0}")]
    Player(#[from] IdError),
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(CursorError::Form);
        let score = part()?.parse().map_err(|_| CursorError::Form)?;
        let at_ms = part()?.parse().map_err(|_| CursorError::Form)?;
        let player = part()?.parse()?;
        Ok(Self {
            score,
            at_ms,
            player,
        })
    }
}

impl TryFrom<String> for Cursor {
    type Error = CursorError;

    fn try_from(text: String) -> Result<Self, CursorError> {
        text.parse()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.score, self.at_ms, self.player)
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// The answer to a [`LeaderboardRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaderboardAnswer {
    /// Rows of the leaderboard.
    Page(LeaderboardPage),
    /// There is no answer.
    Error(LeaderboardError),
}

/// Rows of a leaderboard, best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderboardPage {
    /// The number of players of the leaderboard.
    pub players: u64,
    /// The rows.
    pub rows: Vec<LeaderboardRow>,
    /// The cursor of the next page; `None` if this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A player of a leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderboardRow {
    /// One more than the number of players with a higher score: equal scores share a rank.
    pub rank: u64,
    /// The player.
    pub player: PlayerId,
    /// The score.
    pub score: i64,
    /// The time at which the score was reached, in Unix milliseconds.
    pub at_ms: i64,
    /// The number of the player's results.
    pub games: u64,
    /// The number of those that the player won.
    pub wins: u64,
}

impl LeaderboardRow {
    /// The row's place in the order.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            score: self.score,
            at_ms: self.at_ms,
            player: self.player.clone(),
        }
    }
}

/// The reason why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct LeaderboardError {
    /// The kind.
    pub code: LeaderboardErrorCode,
    /// A text for people.
    pub message: String,
}

/// The kind of a [`LeaderboardError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaderboardErrorCode {
    /// The request is wrong.
    BadRequest,
    /// The player in the middle has no result on the board.
    NoSuchPlayer,
    /// The database is unavailable.
    Unavailable,
}

impl LeaderboardError {
    /// An error with this code and text.
    pub fn new(code: LeaderboardErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl LeaderboardRequest {
    /// Checks what the types cannot express.
    ///
    /// # Errors
    /// [`LeaderboardErrorCode::BadRequest`].
    pub fn check(&self) -> Result<(), LeaderboardError> {
        let bad = |text: String| {
            Err(LeaderboardError::new(
                LeaderboardErrorCode::BadRequest,
                text,
            ))
        };
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return bad(format!("limit is {}, not 1 to {MAX_LIMIT}", self.limit));
        }
        if self.around.is_some() && self.after.is_some() {
            return bad("around and after exclude each other".to_owned());
        }
        Ok(())
    }

    /// Asks the process that keeps the archive.
    ///
    /// # Errors
    /// If there is none, it does not answer in time, or the bus fails.
    pub async fn ask(
        &self,
        bus: &Bus,
        timeout: Duration,
    ) -> Result<LeaderboardAnswer, LeaderboardAskError> {
        let request = serde_json::to_vec(self).map_err(LeaderboardAskError::NotJson)?;
        let subject = subject::LEADERBOARD.to_owned();
        let answer = bus.request(subject, request.into(), timeout).await?;
        serde_json::from_slice(&answer).map_err(LeaderboardAskError::NotJson)
    }
}

/// The reason why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LeaderboardAskError {
    /// Nobody has answered.
    #[error("no archive answers: {0}; is `grandstand archive` running?")]
    Unanswered(#[from] RequestError),
    /// The question or the answer is not JSON.
    #[error("the answer of the archive cannot be read: {0}")]
    NotJson(serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            score: -12,
            at_ms: 1_700_000_000_000,
            player: "a.b.c".parse().unwrap(),
        };
        assert_eq!(cursor.to_string(), "-12.1700000000000.a.b.c");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "1", "1.2", "x.2.a", "1.x.a"] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError::Form), "{bad}");
        }
        assert!(matches!(
            "1.2.".parse::<Cursor>(),
            Err(CursorError::Player(_))
        ));
    }

    #[test]
    fn a_request_has_defaults_and_limits() {
        let request = |text: &str| serde_json::from_str::<LeaderboardRequest>(text);
        let short = request(r#"{"board":"memory"}"#).unwrap();
        assert_eq!((short.by, short.limit), (Measure::Best, 10));
        assert_eq!(short.check(), Ok(()));
        for bad in [
            r#"{"board":"memory","limit":0}"#,
            r#"{"board":"memory","limit":101}"#,
            r#"{"board":"memory","around":"a","after":"1.2.b"}"#,
        ] {
            let error = request(bad).unwrap().check().unwrap_err();
            assert_eq!(error.code, LeaderboardErrorCode::BadRequest, "{bad}");
        }
        for bad in [
            "{}",
            r#"{"board":"a b"}"#,
            r#"{"board":"a","limits":3}"#,
            r#"{"board":"a","by":"worst"}"#,
        ] {
            assert!(request(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_is_a_page_or_an_error() {
        let error = LeaderboardAnswer::Error(LeaderboardError::new(
            LeaderboardErrorCode::NoSuchPlayer,
            "nobody",
        ));
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(
            text,
            r#"{"error":{"code":"no_such_player","message":"nobody"}}"#
        );
        assert_eq!(
            serde_json::from_str::<LeaderboardAnswer>(&text).unwrap(),
            error
        );
    }
}

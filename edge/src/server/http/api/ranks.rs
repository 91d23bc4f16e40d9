//! The ranks of leaderboards, which the archive of results knows.

use grandstand_common::error::ErrorKind;
use grandstand_common::leaderboard::{
    LeaderboardAnswer, LeaderboardError, LeaderboardErrorCode, LeaderboardPage, LeaderboardRequest,
    Measure,
};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Serialize;

use super::answer::{self, Answer, Failure, Problem, backend, fresh};
use super::body;
use crate::server::backend::ApiError;
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// The path, for the log.
const PATH: &str = "/v1/leaderboards/{board}";

/// The milliseconds after which a request may be sent again that the archive has not answered.
const RETRY_MS: u64 = 2_000;

/// The body of an answer.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    board: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    season: Option<&'a str>,
    by: Measure,
    #[serde(flatten)]
    page: &'a LeaderboardPage,
}

/// Answers with ranks of a board.
pub(super) async fn show(
    exchange: &Exchange,
    request: &Request<Incoming>,
    board: &str,
) -> Result<Answer, Failure> {
    body::refuse(request)?;
    let info = answer::connect_info(exchange, request, PATH)?;
    let backend = backend(exchange)?;
    backend.clone().admit(info).await?;
    let question = question(request.uri().query().unwrap_or_default(), board)?;
    let answer = backend.ranks(question.clone()).await?;
    match &*answer {
        // A result has a player, so no board is empty.
        LeaderboardAnswer::Page(page) if page.players == 0 => {
            let text = "no result was stored for this board in this season";
            Err(problem(StatusCode::NOT_FOUND, "no_such_board", text))
        }
        LeaderboardAnswer::Page(page) => Ok(shown(&question, page)),
        LeaderboardAnswer::Error(error) => Err(refused(error)),
    }
}

/// The question in a query.
fn question(query: &str, board: &str) -> Result<LeaderboardRequest, Failure> {
    let mut fields = serde_json::Map::new();
    fields.insert("board".to_owned(), board.into());
    for name in ["season", "by", "around", "after"] {
        if let Some(text) = request::parameter(query, name)? {
            fields.insert(name.to_owned(), text.into());
        }
    }
    if let Some(text) = request::parameter(query, "limit")? {
        let number = text.parse::<u32>().map_or(text.into(), Into::into);
        fields.insert("limit".to_owned(), number);
    }
    let question = serde_json::from_value::<LeaderboardRequest>(fields.into()).map_err(|why| {
        let text = format!("the question is wrong: {why}; see docs/games/archive.md");
        ApiError::new(ErrorKind::BadMessage, text)
    })?;
    question.check().map_err(|error| refused(&error))?;
    Ok(question)
}

fn shown(question: &LeaderboardRequest, page: &LeaderboardPage) -> Answer {
    let body = Body {
        r#type: "leaderboard",
        board: question.board.as_str(),
        season: question.season.as_ref().map(|season| season.as_str()),
        by: question.by,
        page,
    };
    fresh(&body)
}

fn refused(error: &LeaderboardError) -> Failure {
    match error.code {
        LeaderboardErrorCode::BadRequest => {
            ApiError::new(ErrorKind::BadMessage, error.message.clone()).into()
        }
        LeaderboardErrorCode::NoSuchPlayer => {
            problem(StatusCode::NOT_FOUND, "no_such_player", &error.message)
        }
        LeaderboardErrorCode::Unavailable => Failure::Own(Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "archive_unavailable",
            message: error.message.clone(),
            retry_after_ms: Some(RETRY_MS),
        }),
    }
}

fn problem(status: StatusCode, code: &'static str, message: &str) -> Failure {
    Failure::Own(Problem {
        status,
        code,
        message: message.to_owned(),
        retry_after_ms: None,
    })
}

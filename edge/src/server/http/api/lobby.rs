//! The rooms that a client may choose from.

use grandstand_common::error::ErrorKind;
use grandstand_common::listing::Listing;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Serialize;

use super::answer::{self, Answer, Failure, Problem, backend, fresh};
use super::body;
use crate::server::backend::{ApiError, LobbyPage, LobbyQuestion, LobbyRoom};
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// The path, for the log.
const PATH: &str = "/v1/rooms";

/// The most rooms of a page, and how many it has by default.
const LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 50;

/// The most labels in a question.
const LABELS: usize = 8;

/// The milliseconds after which a request may be sent again that came while the rooms could not be read.
const RETRY_MS: u64 = 2_000;

/// The body of an answer.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    rooms: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown<'a> {
    room: &'a str,
    instance: String,
    players: u32,
    spectators: u64,
    #[serde(flatten)]
    listing: &'a Listing,
}

/// Answers with rooms.
pub(super) async fn list(
    exchange: &Exchange,
    request: &Request<Incoming>,
) -> Result<Answer, Failure> {
    body::refuse(request)?;
    let info = answer::connect_info(exchange, request, PATH)?;
    let backend = backend(exchange)?;
    let grants = backend.clone().admit(info).await?;
    let question = question(request.uri().query().unwrap_or_default())?;
    match backend.lobby(question, grants).await? {
        Some(page) => Ok(shown(&page)),
        None => Err(Failure::Own(Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "lobby_unavailable",
            message: "the edge cannot read the rooms from NATS; ask again later".to_owned(),
            retry_after_ms: Some(RETRY_MS),
        })),
    }
}

/// The question in a query.
fn question(query: &str) -> Result<LobbyQuestion, Failure> {
    let open = match request::parameter(query, "open")?.as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => return Err(wrong(format!("`open` is {other:?}, not true or false"))),
    };
    let limit = match request::parameter(query, "limit")? {
        None => DEFAULT_LIMIT,
        Some(text) => match text.parse() {
            Ok(limit @ 1..=LIMIT) => limit,
            _ => return Err(wrong(format!("`limit` is {text:?}, not 1 to {LIMIT}"))),
        },
    };
    let after = request::parameter(query, "after")?
        .map(|room| {
            room.parse()
                .map_err(|why| wrong(format!("the room in `after` {why}; take it from `next`")))
        })
        .transpose()?;
    let labels = request::parameters(query, "label")?;
    if labels.len() > LABELS {
        return Err(wrong(format!("`label` is there more than {LABELS} times")));
    }
    let labels = labels.into_iter().map(|label| match label.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(wrong(format!("`label` is {label:?}, not name:value"))),
    });
    Ok(LobbyQuestion {
        game: request::parameter(query, "game")?,
        open,
        labels: labels.collect::<Result<_, _>>()?,
        after,
        limit,
    })
}

fn wrong(why: String) -> Failure {
    ApiError::new(ErrorKind::BadMessage, format!("{why}; see docs/http.md")).into()
}

fn shown(page: &LobbyPage) -> Answer {
    let next = page.last.as_ref().filter(|_| page.is_partial);
    let body = Body {
        r#type: "rooms",
        rooms: page.rooms.iter().map(show).collect(),
        next: next.map(|room| room.as_str()),
    };
    fresh(&body)
}

fn show(listed: &LobbyRoom) -> Shown<'_> {
    let LobbyRoom { room, listing } = listed;
    Shown {
        room: room.as_str(),
        instance: listing.instance.to_string(),
        players: listing.players,
        spectators: listing.spectators,
        listing: &listing.listing,
    }
}

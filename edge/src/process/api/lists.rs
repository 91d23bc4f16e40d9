//! Lists of connections and rooms, in pages.

use grandstand_common::id::RoomId;
use grandstand_common::process::admin::ApiAnswer;
use hyper::StatusCode;
use serde::Serialize;
use url::form_urlencoded;

use crate::core::{ListedClient, ListedRoom};
use crate::process::api::shards::{Place, Shards};
use crate::shard::questions::Question;

/// The items of a page if the request does not say.
const LIMIT: usize = 100;

/// The most items of a page.
const MAX_LIMIT: usize = 1000;

/// The page that a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) limit: usize,
    /// The `next` of the page before; empty for the first page.
    pub(super) after: String,
}

impl Paging {
    /// Reads a query. Without `is_paged` there may be none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(is_paged: bool, query: &str) -> Result<Self, ApiAnswer> {
        let wrong = |text: &str| ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_query", text);
        let mut paging = Self {
            limit: LIMIT,
            after: String::new(),
        };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "limit" if is_paged => {
                    let limit = value.parse().ok();
                    let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    let text = format!("`limit` must be an integer from 1 to {MAX_LIMIT}");
                    paging.limit = limit.ok_or_else(|| wrong(&text))?;
                }
                "after" if is_paged => paging.after = value.into_owned(),
                _ if is_paged => return Err(wrong("the query may have `limit` and `after`")),
                _ => return Err(wrong("this path has no query")),
            }
        }
        Ok(paging)
    }

    /// The place in the lists of the shards.
    fn place(&self) -> Result<Place, ApiAnswer> {
        if self.after.is_empty() {
            return Ok(Place { shard: 0, slot: 0 });
        }
        let numbers = self.after.split_once('.');
        let numbers = numbers.and_then(|(shard, slot)| {
            Some(Place {
                shard: shard.parse().ok()?,
                slot: slot.parse().ok()?,
            })
        });
        numbers.ok_or_else(|| {
            let text = "`after` must be the `next` of the page before";
            ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_query", text)
        })
    }
}

/// A page of connections.
#[derive(Serialize)]
struct Connections {
    connections: Vec<ListedClient>,
    next: Option<String>,
}

/// A page of rooms, or one room: an item for each shard that knows it.
#[derive(Serialize)]
struct Rooms {
    rooms: Vec<ListedRoom>,
    next: Option<String>,
}

fn text_of(place: Option<Place>) -> Option<String> {
    place.map(|Place { shard, slot }| format!("{shard}.{slot}"))
}

pub(super) async fn connections(shards: &Shards, paging: &Paging) -> Result<ApiAnswer, ApiAnswer> {
    let listed = shards.list(paging.place()?, paging.limit, Question::Clients);
    let (connections, next) = listed.await?;
    let next = text_of(next);
    let page = Connections { connections, next };
    Ok(ApiAnswer::json(StatusCode::OK, &page))
}

pub(super) async fn rooms(shards: &Shards, paging: &Paging) -> Result<ApiAnswer, ApiAnswer> {
    let listed = shards.list(paging.place()?, paging.limit, Question::Rooms);
    let (rooms, next) = listed.await?;
    let next = text_of(next);
    Ok(ApiAnswer::json(StatusCode::OK, &Rooms { rooms, next }))
}

pub(super) async fn room(shards: &Shards, id: &str) -> Result<ApiAnswer, ApiAnswer> {
    let id = id.parse::<RoomId>().map_err(|error| {
        let text = format!("the room id {error}");
        ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_room", &text)
    })?;
    let rooms = shards.room(&id).await?;
    if rooms.is_empty() {
        let text = "no client of this edge is, or was recently, in the room; it may have some on other edges";
        return Err(ApiAnswer::problem(
            StatusCode::NOT_FOUND,
            "no_such_room",
            text,
        ));
    }
    let next = None;
    Ok(ApiAnswer::json(StatusCode::OK, &Rooms { rooms, next }))
}

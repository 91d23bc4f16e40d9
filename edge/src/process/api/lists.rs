//! Lists of connections and rooms, in pages.

use grandstand_common::id::RoomId;
use grandstand_common::process::admin::{ApiAnswer, Paging};
use hyper::StatusCode;
use serde::Serialize;

use crate::core::ListedRoom;
use crate::process::api::shards::{Place, Shards};
use crate::shard::questions::{ListedConnection, Question};

/// The place in the lists of the shards at which a page begins.
fn place(paging: &Paging) -> Result<Place, ApiAnswer> {
    let [shard, slot] = paging.numbers()?;
    Ok(Place { shard, slot })
}

/// A page of connections.
#[derive(Serialize)]
struct Connections {
    connections: Vec<ListedConnection>,
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
    let listed = shards.list(place(paging)?, paging.limit, Question::Clients);
    let (connections, next) = listed.await?;
    let next = text_of(next);
    let page = Connections { connections, next };
    Ok(ApiAnswer::json(StatusCode::OK, &page))
}

pub(super) async fn rooms(shards: &Shards, paging: &Paging) -> Result<ApiAnswer, ApiAnswer> {
    let listed = shards.list(place(paging)?, paging.limit, Question::Rooms);
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

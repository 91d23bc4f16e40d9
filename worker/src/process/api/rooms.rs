//! The rooms of a worker, in pages.

use grandstand_common::id::{Partition, RoomId};
use grandstand_common::process::admin::{ApiAnswer, Paging, StatusCode, ask};
use serde::Serialize;

use crate::engine::RoomPlace;
use crate::partition::ListedRoom;
use crate::process::questions::{Question, Questions, SILENT};

/// The most questions for one page, so that a page of a worker with few rooms and many slots does not take long.
const QUESTIONS_PER_PAGE: usize = 64;

/// A page of rooms, in JSON.
#[derive(Serialize)]
struct Rooms {
    rooms: Vec<ListedRoom>,
    next: Option<String>,
}

pub(super) async fn list(questions: &Questions, paging: &Paging) -> Result<ApiAnswer, ApiAnswer> {
    let [number, partition, slot] = paging.numbers()?;
    // A place beyond all partitions is the end of the loop.
    let first = RoomPlace {
        partition: Partition(u16::try_from(partition).unwrap_or(u16::MAX)),
        slot,
    };
    let mut rooms = Vec::new();
    let mut asked = 0;
    for (index, asker) in questions.from(number as u64) {
        let mut place = if index == number as u64 {
            Some(first)
        } else {
            Some(RoomPlace {
                partition: Partition(0),
                slot: 0,
            })
        };
        while let Some(from) = place {
            if rooms.len() >= paging.limit || asked >= QUESTIONS_PER_PAGE {
                let next = Some(format!("{index}.{}.{}", from.partition, from.slot));
                return Ok(ApiAnswer::json(StatusCode::OK, &Rooms { rooms, next }));
            }
            asked += 1;
            let left = paging.limit - rooms.len();
            let question = |reply| Question::Rooms(from, left, reply);
            let (more, next) = ask(&asker, question, SILENT).await?;
            rooms.extend(more);
            place = next;
        }
    }
    let next = None;
    Ok(ApiAnswer::json(StatusCode::OK, &Rooms { rooms, next }))
}

pub(super) async fn show(questions: &Questions, id: &str) -> Result<ApiAnswer, ApiAnswer> {
    let id = id.parse::<RoomId>().map_err(|error| {
        let text = format!("the room id {error}");
        ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_room", &text)
    })?;
    for (_, asker) in questions.from(0) {
        let room = ask(&asker, |reply| Question::Room(id.clone(), reply), SILENT).await?;
        if let Some(room) = room {
            return Ok(ApiAnswer::json(StatusCode::OK, &room));
        }
    }
    let text = "this worker has no such room; another one may own its partition, or it has not been read yet";
    Err(ApiAnswer::problem(
        StatusCode::NOT_FOUND,
        "no_such_room",
        text,
    ))
}

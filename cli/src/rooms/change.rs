//! Changes of rooms: entries of their logs, and requests to their owners.

use std::io::{self, Write as _};

use grandstand_common::data::Data;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::{PlayerId, RoomId, Topic};
use grandstand_common::subject;
use grandstand_common::wire::{Body, Empty, Entry, Kick, OperatorWant, RoomMessage};
use prost::Message as _;
use serde_json::{Value, json};

use super::owners::{Owners, Room, accepted};
use crate::print::{cannot_print, ignore_closed_pipe};

/// A change of a room.
#[derive(Debug)]
pub(super) enum Change {
    Send {
        topic: Topic,
        data: Value,
        id: Option<String>,
    },
    Kick {
        player: PlayerId,
        code: String,
    },
    Close,
    Retry,
    Drop,
}

/// Changes a room and waits until the change has taken effect.
pub(super) async fn apply(
    owners: &Owners,
    room: &RoomId,
    change: Change,
    is_json: bool,
) -> Result<(), Failure> {
    let before = owners.show(room).await?;
    let (body, done) = match change {
        Change::Retry => return retry(owners, room, is_json).await,
        Change::Drop => {
            let want = OperatorWant::Drop(room.to_string());
            accepted(room, owners.ask(owners.partition_of(room), want).await?)?;
            return report(is_json, room, "dropped", None, "is deleted");
        }
        Change::Send { topic, data, id } => {
            let id = id.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
            let message = RoomMessage {
                id,
                topic: topic.to_string(),
                data: Some(Data::Json(data.to_string().into())),
                ..RoomMessage::default()
            };
            (Body::Message(message), ("sent", "has got the message"))
        }
        Change::Kick { player, code } => {
            let kick = Kick {
                player: player.to_string(),
                code,
            };
            (Body::Kick(kick), ("kicked", "has processed the kick"))
        }
        Change::Close => {
            let text = "is closed; clients can read it for a minute";
            (Body::Close(Empty {}), ("closed", text))
        }
    };
    refuse_if_it_does_not_run(room, &before)?;
    let seq = append(owners, room, body).await?;
    owners.until_processed(room, seq).await?;
    report(is_json, room, done.0, Some(seq), done.1)
}

/// An entry for a room that does not run would wait, perhaps forever.
fn refuse_if_it_does_not_run(room: &RoomId, found: &Room) -> Result<(), Failure> {
    if found.code.is_none() {
        return Ok(());
    }
    let text = format!(
        "{room} does not run ({}): try it again with `rooms retry`, or delete it with `rooms drop`",
        found.state
    );
    Err(Failure::new(Exit::Usage, text))
}

async fn append(owners: &Owners, room: &RoomId, body: Body) -> Result<u64, Failure> {
    let subject = subject::log(owners.partition_of(room), room);
    let payload = Entry::from(body).encode_to_vec();
    let failed = |error: &dyn std::fmt::Display| {
        let text = format!(
            "cannot append to the log of {room}: {error}; it may have been stored all the same"
        );
        Failure::new(Exit::Unavailable, text)
    };
    let sent = owners.bus().append(subject, payload.into()).await;
    let receipt = sent.map_err(|error| failed(&error))?;
    receipt.await.map_err(|error| failed(&error))
}

async fn retry(owners: &Owners, room: &RoomId, is_json: bool) -> Result<(), Failure> {
    let want = OperatorWant::Retry(room.to_string());
    accepted(room, owners.ask(owners.partition_of(room), want).await?)?;
    owners.until_running(room).await?;
    report(is_json, room, "running", None, "runs again")
}

fn report(
    is_json: bool,
    room: &RoomId,
    result: &str,
    seq: Option<u64>,
    text: &str,
) -> Result<(), Failure> {
    let line = if is_json {
        json!({"room": room, "result": result, "entry": seq}).to_string()
    } else {
        let entry = seq.map_or_else(String::new, |seq| format!(" (entry {seq})"));
        format!("{room} {text}{entry}")
    };
    writeln!(io::stdout(), "{line}")
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)
}

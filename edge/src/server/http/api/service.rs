//! Requests of back ends: the creation of a room, messages to it, kicks, and its end.

use std::rc::Rc;

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{ClientKind, Payload, decode_client};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{PlayerId, RoomId};
use grandstand_common::wire::{self, Body, Create, Kick, RoomMessage};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{self, Answer, Failure, backend, json};
use super::body;
use crate::server::backend::ApiError;
use crate::server::http::exchange::Exchange;

/// The path, for the log.
const PATH: &str = "/v1/rooms/{room}";

/// The most bytes of a message's id.
const ID_BYTES: usize = 128;

/// The most bytes of a topic.
const TOPIC_BYTES: usize = 64;

/// The code of a kick that has none.
const KICKED: &str = "kicked";

/// The body of a creation.
#[derive(Deserialize)]
struct CreateFields<'a> {
    #[serde(default, deserialize_with = "body::some")]
    game: Option<String>,
    #[serde(default, deserialize_with = "body::some")]
    room: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// The body of a message.
#[derive(Deserialize)]
struct MessageFields<'a> {
    #[serde(default, deserialize_with = "body::some")]
    id: Option<String>,
    #[serde(default, deserialize_with = "body::some")]
    topic: Option<String>,
    #[serde(borrow, default, deserialize_with = "body::present")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_b64: Option<&'a RawValue>,
}

/// The body of a kick.
#[derive(Deserialize)]
struct KickFields {
    player: String,
    #[serde(default, deserialize_with = "body::some")]
    code: Option<String>,
}

/// Appends the creation of a room, whose name is random unless the body has one.
pub(super) async fn create(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
) -> Result<Answer, Failure> {
    let info = answer::connect_info(exchange, &request, PATH)?;
    let rights = backend(exchange)?.admit(info).await?;
    let text = read(exchange, request).await?;
    let (room, params) = creation(&text)?;
    if !rights.serves(&room) {
        return Err(no_service().into());
    }
    let create = Create {
        seed: rand::random::<[u8; 32]>().to_vec().into(),
        params,
    };
    append(exchange, room.clone(), Body::Create(create)).await?;
    let mut response = accepted(&format!("\"room\":\"{room}\""));
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/rooms/{room}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The room in the body of a creation, and its params.
fn creation(text: &str) -> Result<(RoomId, Bytes), ApiError> {
    let fields: CreateFields<'_> = body::fields(text, "`game` and `params`, or `room`")?;
    let name = match (fields.room, fields.game) {
        (Some(room), None) => room,
        (None, Some(game)) if !game.is_empty() && !game.contains('-') => {
            format!("{game}-{}", random_id())
        }
        _ => {
            let text = "give either `game`, a name without `-`, or `room`, the name of the room";
            return Err(ApiError::new(ErrorKind::BadMessage, text));
        }
    };
    let room = name.parse::<RoomId>().map_err(|why| {
        let text = format!("the room {name:?} {why}; rooms are named [A-Za-z0-9_-]{{1,64}}");
        ApiError::new(ErrorKind::BadRoom, text)
    })?;
    let Some(params) = fields.params else {
        return Ok((room, Bytes::new()));
    };
    // Checked like those of a client.
    let join = format!(
        "{{\"type\":\"join\",\"room\":\"{room}\",\"params\":{}}}",
        params.get()
    );
    match decode_client(Payload::Json(&join))?.kind {
        ClientKind::Join(join) => Ok((room, join.params.unwrap_or_default())),
        _ => Err(ApiError::new(ErrorKind::Internal, "the join is no join")),
    }
}

/// Appends a message to the log of a room.
pub(super) async fn send(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    room: RoomId,
) -> Result<Answer, Failure> {
    let service = service(exchange, &request, &room).await?;
    let text = read(exchange, request).await?;
    let message = message(&text, &room, &service)?;
    let id = serde_json::Value::from(message.id.as_str());
    append(exchange, room.clone(), Body::Message(message)).await?;
    Ok(accepted(&format!("\"room\":\"{room}\",\"id\":{id}")))
}

/// Appends the kick of a player.
pub(super) async fn kick(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    room: RoomId,
) -> Result<Answer, Failure> {
    service(exchange, &request, &room).await?;
    let text = read(exchange, request).await?;
    let KickFields { player, code } = body::fields(&text, "`player` and `code`")?;
    let player = player.parse::<PlayerId>().map_err(|why| {
        let text = format!("`player` {why}");
        ApiError::new(ErrorKind::BadMessage, text)
    })?;
    let code = code.unwrap_or_else(|| KICKED.to_owned());
    if !wire::is_code(&code) {
        let text = "`code` must be [a-z][a-z0-9_]*, at most 32 bytes";
        return Err(ApiError::new(ErrorKind::BadMessage, text).into());
    }
    let kick = Kick {
        player: player.as_str().to_owned(),
        code,
    };
    append(exchange, room.clone(), Body::Kick(kick)).await?;
    Ok(accepted(&format!("\"room\":\"{room}\"")))
}

/// Appends the end of a room.
pub(super) async fn close(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    room: RoomId,
) -> Result<Answer, Failure> {
    service(exchange, &request, &room).await?;
    body::refuse(&request)?;
    append(exchange, room.clone(), Body::Close(wire::Empty {})).await?;
    Ok(accepted(&format!("\"room\":\"{room}\"")))
}

/// The name of the service that makes a request.
async fn service(
    exchange: &Rc<Exchange>,
    request: &Request<Incoming>,
    room: &RoomId,
) -> Result<PlayerId, Failure> {
    let info = answer::connect_info(exchange, request, PATH)?;
    let rights = backend(exchange)?.admit(info).await?;
    let service = rights.player().filter(|_| rights.serves(room));
    service.cloned().ok_or_else(|| no_service().into())
}

fn no_service() -> ApiError {
    let text = "the token does not have the role \"service\" for this room";
    ApiError::new(ErrorKind::Forbidden, text)
}

async fn read(exchange: &Exchange, request: Request<Incoming>) -> Result<String, Failure> {
    let most = exchange.context.route(0).limits.get().message_bytes;
    body::read(exchange, request, most as usize).await
}

fn message(text: &str, room: &RoomId, service: &PlayerId) -> Result<RoomMessage, ApiError> {
    let fields: MessageFields<'_> = body::fields(text, "`topic` and `data`")?;
    let id = fields.id.unwrap_or_else(random_id);
    let bad = |text: String| ApiError::new(ErrorKind::BadMessage, text);
    if id.is_empty() || id.len() > ID_BYTES {
        return Err(bad(format!("`id` must have 1 to {ID_BYTES} bytes")));
    }
    let topic = fields.topic.unwrap_or_default();
    if topic.is_empty() || topic.len() > TOPIC_BYTES {
        return Err(bad(format!("`topic` must have 1 to {TOPIC_BYTES} bytes")));
    }
    Ok(RoomMessage {
        id,
        room: String::new(),
        service: service.as_str().to_owned(),
        topic,
        data: Some(data(room, fields.data, fields.data_b64)?),
    })
}

/// Checks data as that of a client's message.
fn data(
    room: &RoomId,
    json: Option<&RawValue>,
    binary: Option<&RawValue>,
) -> Result<Data, ApiError> {
    let mut live = format!("{{\"type\":\"live\",\"room\":\"{room}\"");
    for (name, value) in [("data", json), ("data_b64", binary)] {
        if let Some(value) = value {
            live.push_str(&format!(",\"{name}\":{}", value.get()));
        }
    }
    live.push('}');
    match decode_client(Payload::Json(&live))?.kind {
        ClientKind::Live { data, .. } => Ok(data),
        _ => Err(ApiError::new(ErrorKind::Internal, "the data is no data")),
    }
}

fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

async fn append(exchange: &Exchange, room: RoomId, body: Body) -> Result<(), Failure> {
    backend(exchange)?.append(room, body).await?;
    Ok(())
}

fn accepted(fields: &str) -> Answer {
    let text = format!("{{\"type\":\"accepted\",{fields}}}");
    json(StatusCode::ACCEPTED, text)
}

//! Reads JSON: client messages with every check, server messages as they are.

use std::borrow::Cow;

use crate::envelope::check::{self, MessageError};
use crate::envelope::event::{EventHead, PlayerState, ServerEvent};
use crate::envelope::json::fields::{self, Field, Fields};
use crate::envelope::message::{
    ClientKind, ClientMessage, DecodeError, Join, Limits, MERGE, MessageContext,
};
use crate::error::ErrorKind;

pub(in crate::envelope) fn decode_client(text: &str) -> Result<ClientMessage, Box<DecodeError>> {
    let (fields, parsed) = Fields::parse(text);
    parsed
        .and_then(|()| client_message(&fields))
        .map_err(|error| error.into_decode_error(fields.context()))
}

/// Reads the start of a message, up to the first byte that is not UTF-8.
pub(in crate::envelope) fn read_context(start: &[u8]) -> MessageContext {
    let text = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    Fields::parse(text).0.context()
}

fn client_message(fields: &Fields<'_>) -> Result<ClientMessage, MessageError> {
    let id = fields.integer(Field::Id)?;
    let kind = match &*fields.need_text(Field::Type)? {
        "join" => ClientKind::Join(join(fields)?),
        "leave" => ClientKind::Leave {
            room: fields.room()?,
        },
        "input" => ClientKind::Input {
            room: fields.room()?,
            seq: fields.need_integer(Field::Seq)?,
            data: fields.data()?,
        },
        "live" => ClientKind::Live {
            room: fields.room()?,
            data: fields.data()?,
        },
        "ping" => ClientKind::Ping,
        "auth" => ClientKind::Auth {
            token: fields.need_text(Field::Token)?.into_owned(),
        },
        other => return Err(unknown(other)),
    };
    Ok(ClientMessage { id, kind })
}

fn join(fields: &Fields<'_>) -> Result<Join, MessageError> {
    let attempt = fields.integer(Field::Attempt)?.unwrap_or(0);
    Ok(Join {
        room: fields.room()?,
        since: fields.integer(Field::Since)?,
        epoch: fields.text(Field::Epoch)?.map(Cow::into_owned),
        role: match fields.text(Field::Role)? {
            Some(text) => Some(check::role(&text)?),
            None => None,
        },
        params: match fields.raw(Field::Params) {
            Some(raw) => Some(check::object("params", raw)?),
            None => None,
        },
        client: match fields.text(Field::Client)? {
            Some(text) => Some(check::client(text.into_owned())?),
            None => None,
        },
        attempt: attempt
            .try_into()
            .map_err(|_| MessageError::bad_message("`attempt` must be an integer below 2^32"))?,
        datagrams: fields.flag(Field::Datagrams)?,
        token: fields.text(Field::Token)?.map(Cow::into_owned),
    })
}

/// Names the unknown type, shortened because the text goes back to its sender.
fn unknown(name: &str) -> MessageError {
    let name: String = name.chars().take(32).collect();
    MessageError::new(
        ErrorKind::UnknownType,
        format!("there is no message of type {name:?}"),
    )
}

pub(in crate::envelope) fn decode_server(payload: &[u8]) -> Result<ServerEvent, Box<DecodeError>> {
    let text = simdutf8::compat::from_utf8(payload).map_err(|why| {
        MessageError::new(ErrorKind::BadJson, format!("not UTF-8: {why}"))
            .into_decode_error(MessageContext::default())
    })?;
    let (fields, parsed) = Fields::parse(text);
    parsed
        .and_then(|()| server_event(&fields))
        .map_err(|error| error.into_decode_error(fields.context()))
}

/// Reads the start of an edge's message, up to the first byte that is not UTF-8.
pub(in crate::envelope) fn read_head(start: &[u8]) -> EventHead {
    let text = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let (fields, _) = Fields::parse(text);
    let text = |field| fields.text(field).ok().flatten().map(Cow::into_owned);
    let integer = |field| fields.integer(field).ok().flatten();
    EventHead {
        kind: text(Field::Type).unwrap_or_default(),
        id: integer(Field::Id),
        seq: integer(Field::Seq),
        epoch: text(Field::Epoch),
        version: integer(Field::Version),
        has_instance: fields.raw(Field::Instance).is_some(),
        code: text(Field::Code),
        retry_after_ms: integer(Field::RetryAfterMs),
    }
}

fn server_event(fields: &Fields<'_>) -> Result<ServerEvent, MessageError> {
    let text = |field| fields.need_text(field).map(Cow::into_owned);
    let id = fields.integer(Field::Id)?;
    Ok(match &*fields.need_text(Field::Type)? {
        "welcome" => ServerEvent::Welcome {
            connection: text(Field::Connection)?,
            edge: text(Field::Edge)?,
            protocol: fields.typed(Field::Protocol)?.unwrap_or(0),
            heartbeat_ms: fields.need_integer(Field::HeartbeatMs)?,
            limits: fields
                .typed::<Limits>(Field::Limits)?
                .ok_or_else(|| fields::missing(Field::Limits))?,
            features: fields.typed(Field::Features)?.unwrap_or_default(),
        },
        "joined" => ServerEvent::Joined {
            id,
            room: fields.room()?,
            role: check::role(&text(Field::Role)?)?,
            instance: fields.text(Field::Instance)?.map(Cow::into_owned),
            last_seq: fields.integer(Field::LastSeq)?,
        },
        "left" => ServerEvent::Left {
            id,
            room: fields.room()?,
            code: text(Field::Code)?,
        },
        "snapshot" => ServerEvent::Snapshot {
            room: fields.room()?,
            epoch: text(Field::Epoch)?,
            version: fields.need_integer(Field::Version)?,
            is_patched: fields.text(Field::Patch)?.as_deref() == Some(MERGE),
            data: fields.data()?,
        },
        "update" => ServerEvent::Update {
            room: fields.room()?,
            version: fields.need_integer(Field::Version)?,
            prev: fields.need_integer(Field::Prev)?,
            data: fields.data()?,
        },
        "direct" => ServerEvent::Direct {
            room: fields.room()?,
            data: fields.data()?,
        },
        "live" => ServerEvent::Live {
            room: fields.room()?,
            data: fields.data()?,
            n: fields.integer(Field::N)?,
        },
        "ack" => ServerEvent::Ack {
            room: fields.room()?,
            seq: fields.need_integer(Field::Seq)?,
        },
        "reject" => ServerEvent::Reject {
            room: fields.room()?,
            seq: fields.need_integer(Field::Seq)?,
            code: text(Field::Code)?,
            message: text(Field::Message)?,
        },
        "presence" => ServerEvent::Presence {
            room: fields.room()?,
            players: fields
                .typed::<Vec<PlayerState>>(Field::Players)?
                .unwrap_or_default(),
            player_count: fields.integer(Field::PlayerCount)?,
            viewers: fields.need_integer(Field::Viewers)?,
        },
        "pong" => ServerEvent::Pong {
            id,
            time_ms: fields.need_integer(Field::TimeMs)?,
        },
        "notice" => ServerEvent::Notice {
            id,
            code: text(Field::Code)?,
            reconnect_in_ms: fields.integer(Field::ReconnectInMs)?,
        },
        "error" => ServerEvent::Error {
            id,
            code: text(Field::Code)?,
            message: text(Field::Message)?,
            room: match fields.raw(Field::Room) {
                Some(_) => Some(fields.room()?),
                None => None,
            },
            seq: fields.integer(Field::Seq)?,
            retry_after_ms: fields.integer(Field::RetryAfterMs)?,
        },
        other => return Err(unknown(other)),
    })
}

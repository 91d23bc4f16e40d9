//! Opens event streams.

use std::rc::Rc;

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::envelope::{ClientKind, Join, Payload, decode_client};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response};
use serde_json::value::RawValue;

use super::answer::{self, Answer, Failure, backend};
use super::body;
use crate::codec::events::EventId;
use crate::conn::session::JOIN_ID;
use crate::server::backend::ApiError;
use crate::server::connections::events::EventStream;
use crate::server::http::error::HttpError;
use crate::server::http::exchange::{BegunEvents, Exchange, Upgrade};
use crate::server::http::request;
use crate::websocket::frame;

/// The path, for the handler.
const PATH: &str = "/v1/rooms/{room}/events";

/// The header with which browsers resume a stream.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The index of the route whose clients these are.
const ROUTE: u8 = 0;

/// Begins the response of an event stream. The socket is a connection afterwards.
pub(super) async fn open(
    exchange: &Rc<Exchange>,
    request: &Request<Incoming>,
    room: RoomId,
) -> Result<Answer, Failure> {
    body::refuse(request)?;
    let (text, join) = join(request, &room)?;
    let info = answer::connect_info(exchange, request, PATH)?;
    let backend = backend(exchange)?;
    let grants = backend.clone().admit(info.clone()).await?;
    match &join.token {
        None => check_role(&grants, &join)?,
        Some(token) => {
            let mut invited = info.clone();
            invited.token = Some(token.clone());
            let invited = backend.admit(invited).await?;
            if invited.player() != grants.player() {
                let text = "the invitation is for another player";
                return Err(ApiError::new(ErrorKind::Forbidden, text).into());
            }
            check_role(&invited, &join)?;
        }
    }
    let stream = EventStream {
        room,
        secret: rand::random(),
        epoch: join.epoch.unwrap_or_default(),
    };
    exchange.set_upgrade(Upgrade {
        route: ROUTE,
        info,
        head: Vec::new(),
        events: Some(BegunEvents {
            stream,
            join: frame::text(&text),
        }),
    });
    let mut response = Response::new(Full::<Bytes>::default());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CONNECTION, "close"),
        // nginx would keep events until a buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Checks that a client may join, so that one that may not learns it from the status.
fn check_role(grants: &Grants, join: &Join) -> Result<(), ApiError> {
    let Some(granted) = grants.room(&join.room) else {
        let text = "the token does not grant access to this room";
        return Err(ApiError::new(ErrorKind::Forbidden, text));
    };
    if join.role.unwrap_or(granted.role) > granted.role {
        let text = "the token allows only spectators in this room; ask for role=spectator";
        return Err(ApiError::new(ErrorKind::Forbidden, text));
    }
    Ok(())
}

/// The join that a query stands for, as text and checked.
fn join(request: &Request<Incoming>, room: &RoomId) -> Result<(String, Join), Failure> {
    let query = request.uri().query().unwrap_or_default();
    let mut fields = vec![
        ("type", quoted("join")),
        ("id", JOIN_ID.to_string()),
        ("room", quoted(room.as_str())),
    ];
    for name in ["role", "client"] {
        if let Some(text) = request::parameter(query, name)? {
            fields.push((name, quoted(&text)));
        }
    }
    if let Some(token) = request::parameter(query, "invite")? {
        fields.push(("token", quoted(&token)));
    }
    if let Some(text) = request::parameter(query, "attempt")? {
        fields.push(("attempt", number(text)));
    }
    if let Some(params) = request::parameter(query, "params")? {
        fields.push(("params", raw("params", &params)?));
    }
    let seen = request::joined(request, LAST_EVENT_ID);
    match seen.as_deref().and_then(EventId::parse) {
        Some(EventId { epoch, version }) => {
            fields.push(("since", version.to_string()));
            fields.push(("epoch", quoted(&epoch)));
        }
        None => {
            if let Some(text) = request::parameter(query, "since")? {
                fields.push(("since", number(text)));
            }
            if let Some(text) = request::parameter(query, "epoch")? {
                fields.push(("epoch", quoted(&text)));
            }
        }
    }
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let text = format!("{{{}}}", fields.join(","));
    let message = decode_client(Payload::Json(&text)).map_err(ApiError::from)?;
    match message.kind {
        ClientKind::Join(join) => Ok((text, join)),
        _ => Err(HttpError::BadRequest.into()),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A number as it is, and anything else as a string, which is then refused with words.
fn number(text: String) -> String {
    match text.parse::<u64>() {
        Ok(_) => text,
        Err(_) => quoted(&text),
    }
}

/// JSON as it is.
fn raw(name: &str, text: &str) -> Result<String, ApiError> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => Ok(raw.get().to_owned()),
        Err(why) => {
            let text = format!("`{name}` in the query is not JSON: {why}");
            Err(ApiError::new(ErrorKind::BadJson, text))
        }
    }
}

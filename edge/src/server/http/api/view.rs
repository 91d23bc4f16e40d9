//! The view of a lane, once: a connection without a socket looks at the lane as a client does that joins.

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::auth::Grants;
use grandstand_common::envelope::Role;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane, RoomId};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::answer::{self, Answer, Failure, backend, json};
use super::{body, inputs};
use crate::conn::key::ConnKey;
use crate::conn::session::JOIN_ID;
use crate::conn::transport::Transport;
use crate::server::backend::ApiError;
use crate::server::connections::events::EventLink;
use crate::server::connections::viewed::Viewed;
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// The path, for the log.
const PATH: &str = "/v1/rooms/{room}";

/// The time for which a request waits for the view.
const WITHIN: Duration = Duration::from_secs(5);

/// The milliseconds after which a request may be sent again that got no view.
const RETRY_MS: u64 = 1_000;

/// Answers with the view of a lane.
pub(super) async fn show(
    exchange: &Rc<Exchange>,
    request: &Request<Incoming>,
    room: RoomId,
) -> Result<Answer, Failure> {
    body::refuse(request)?;
    let info = answer::connect_info(exchange, request, PATH)?;
    let grants = backend(exchange)?.admit(info.clone()).await?;
    let lane = lane(&grants, request, &room)?;
    let (viewed, view) = oneshot::channel();
    let link = EventLink::of_view(room.clone(), viewed);
    let conn = answer::open(exchange, link, info, Box::default())?;
    let handler = &exchange.context.route(answer::ROUTE).handler;
    handler.watch(conn, &room, lane, JOIN_ID, Instant::now().into_std());
    let _watching = Watching { exchange, conn };
    match timeout(WITHIN, view).await {
        Ok(Ok(Viewed::Snapshot { id, text })) => Ok(snapshot(request, &id.to_string(), text)),
        Ok(Ok(Viewed::Missing)) => {
            let text = "there is no such room, or spectators do not see it yet";
            Err(ApiError::new(ErrorKind::NoSuchRoom, text).into())
        }
        Ok(Ok(Viewed::Left(code))) => {
            let text = format!("the room has ended ({code})");
            Err(ApiError::new(ErrorKind::Finished, text).into())
        }
        Ok(Ok(Viewed::Refused(answer))) => Ok(inputs::respond(answer)),
        Ok(Err(_)) | Err(_) => {
            let text = "no worker has answered for this room; ask again later";
            let error = ApiError::new(ErrorKind::RoomUnavailable, text);
            Err(error.retry_after(RETRY_MS).into())
        }
    }
}

/// Closes a connection without a socket, also if the client does not wait for the view.
struct Watching<'a> {
    exchange: &'a Exchange,
    conn: ConnKey,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut connections = self.exchange.context.connections.clone();
        connections.close(self.conn, ErrorKind::GoingAway);
    }
}

/// The lane that a client may see: that of its role, or of a lower one that it asks for. A service sees all.
fn lane<B>(grants: &Grants, request: &Request<B>, room: &RoomId) -> Result<Lane, Failure> {
    let query = request.uri().query().unwrap_or_default();
    let asked = match request::parameter(query, "role")? {
        None => None,
        Some(name) => Some(Role::from_name(&name).ok_or_else(|| {
            let text = "`role` must be \"player\" or \"spectator\"";
            ApiError::new(ErrorKind::BadMessage, text)
        })?),
    };
    let granted = match grants.room(room) {
        Some(granted) => granted.role,
        None if grants.serves(room) => Role::Player,
        None => {
            let text = "the token does not grant access to this room";
            return Err(ApiError::new(ErrorKind::Forbidden, text).into());
        }
    };
    match asked.unwrap_or(granted) {
        role if role > granted => {
            let text = "the token allows only spectators in this room; ask for role=spectator";
            Err(ApiError::new(ErrorKind::Forbidden, text).into())
        }
        Role::Player => Ok(Lane::Players),
        Role::Spectator => Ok(Lane::Spectators),
    }
}

/// The snapshot, or 304 if the client has it.
fn snapshot<B>(request: &Request<B>, id: &str, text: String) -> Answer {
    let tag = format!("\"{id}\"");
    let known = request::joined(request, header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| {
        let mut tags = known.split(',').map(str::trim);
        tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    });
    let mut response = if is_known {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(StatusCode::OK, text)
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    response
}

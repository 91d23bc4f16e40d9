//! Inputs in requests, for players whose messages come on an event stream.

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::envelope::{ClientKind, Payload, decode_client};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answer::{Answer, Failure, backend, json};
use super::body;
use super::error::{Code, status};
use crate::conn::session::EventSession;
use crate::server::backend::ApiError;
use crate::server::connections::Connections;
use crate::server::connections::events::{PushError, PushedInput};
use crate::server::connections::waiters::InputAnswer;
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// The header that names the event stream.
const SESSION: HeaderName = HeaderName::from_static("grandstand-session");

/// The time for which a request waits for the answer to its input.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The milliseconds after which an input may be sent again that waits for others.
const FULL_RETRY_MS: u64 = 1_000;

/// The fields of a body.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "body::present")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_b64: Option<&'a RawValue>,
}

/// Passes an input to its event stream, and answers as the stream does.
pub(super) async fn push(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    room: RoomId,
) -> Result<Answer, Failure> {
    let session = session(&request)?;
    let route = exchange.context.route(0).limits.get();
    let most = route.message_bytes as usize;
    let text = body::read(exchange, request, most).await?;
    let input = input(&text, room)?;
    if input.message.len() > most {
        let text = format!("an input may have at most {most} bytes with its room; send less");
        return Err(ApiError::new(ErrorKind::TooBig, text).into());
    }
    let (room, seq) = (input.room.clone(), input.seq);
    let answer = if exchange.context.is_edge(&session.edge) {
        deliver(&exchange.context.connections, session, input).await?
    } else {
        backend(exchange)?.forward(session, input).await?
    };
    Ok(match answer {
        Some(answer) => respond(answer),
        None => {
            let accepted = format!("{{\"type\":\"accepted\",\"room\":\"{room}\",\"seq\":{seq}}}");
            json(StatusCode::ACCEPTED, accepted)
        }
    })
}

/// Passes an input to an event stream of this shard. `None` if the stream has not answered it in time.
pub(crate) async fn deliver(
    connections: &Connections,
    session: EventSession,
    input: PushedInput,
) -> Result<Option<InputAnswer>, ApiError> {
    let (waiter, answer) = oneshot::channel();
    let pushed = connections.push(&session, input, waiter);
    pushed.map_err(|why| match why {
        PushError::NoSession => no_session(),
        PushError::Full => {
            let text =
                "too many inputs of this stream wait for their answers; send the input again later";
            ApiError::new(ErrorKind::Busy, text).retry_after(FULL_RETRY_MS)
        }
    })?;
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(_)) => {
            let text = "the event stream ended before the input was answered; open it again, and send the input again if \
                        its seq is above `last_seq`";
            Err(ApiError::new(ErrorKind::NotJoined, text))
        }
        Err(_) => Ok(None),
    }
}

/// The error for a session that no stream has.
pub(crate) fn no_session() -> ApiError {
    let text = "there is no event stream with this session in this room; open it again with GET /v1/rooms/{room}/events, and \
                take the session from its first event";
    ApiError::new(ErrorKind::NotJoined, text)
}

/// The session that a request names.
fn session(request: &Request<Incoming>) -> Result<EventSession, Failure> {
    let query = request.uri().query().unwrap_or_default();
    let in_query = request::parameter(query, "session")?;
    let Some(text) = request::joined(request, SESSION).or(in_query) else {
        let text = "no session: give that of the event stream as the header Grandstand-Session or as ?session=";
        return Err(ApiError::new(ErrorKind::Unauthenticated, text).into());
    };
    text.parse().map_err(|_| no_session().into())
}

/// The input in a body, with the message that it is on a WebSocket.
fn input(text: &str, room: RoomId) -> Result<PushedInput, ApiError> {
    let fields: Fields<'_> = body::fields(text, "`seq` and `data`")?;
    let mut message = format!("{{\"type\":\"input\",\"room\":\"{room}\"");
    for (name, value) in [
        ("seq", fields.seq),
        ("data", fields.data),
        ("data_b64", fields.data_b64),
    ] {
        if let Some(value) = value {
            message.push_str(&format!(",\"{name}\":{}", value.get()));
        }
    }
    message.push('}');
    match decode_client(Payload::Json(&message))?.kind {
        ClientKind::Input { seq, .. } => Ok(PushedInput { room, seq, message }),
        _ => Err(ApiError::new(ErrorKind::Internal, "the input is no input")),
    }
}

/// The response with the message that answers an input, or a join.
pub(super) fn respond(answer: InputAnswer) -> Answer {
    if answer.kind == "ack" {
        return json(StatusCode::OK, answer.text);
    }
    let known = ErrorKind::ALL
        .into_iter()
        .find(|kind| kind.code() == answer.code);
    // A game's own code refuses an input that is well-formed.
    let kind = match known {
        Some(kind) if answer.kind == "error" => kind,
        _ => ErrorKind::Rejected,
    };
    let mut response = json(status(kind), answer.text);
    response.extensions_mut().insert(Code(kind.code()));
    if let Some(ms) = answer.retry_after_ms {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
    }
    response
}

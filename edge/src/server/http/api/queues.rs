//! Tickets of queues, for clients that ask again and again instead of reading a stream.

use std::rc::Rc;

use grandstand_common::envelope::{ClientKind, Payload, Role, decode_client};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{self, Answer, Failure, backend, json};
use super::routes::Named;
use super::{body, inputs};
use crate::conn::session::EventSession;
use crate::server::backend::ApiError;
use crate::server::connections::events::{EventLink, PushedInput};
use crate::server::connections::ticket::{DECIDED, ENTERED, Ticket, WITHDRAW};
use crate::server::connections::waiters::InputAnswer;
use crate::server::http::exchange::Exchange;
use crate::websocket::frame;

/// The path, for the log.
const PATH: &str = "/v1/queues/{queue}/tickets";

/// The body of a ticket.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "body::present")]
    ticket: Option<&'a RawValue>,
    #[serde(borrow)]
    with: Option<&'a RawValue>,
}

/// Enters a queue.
pub(super) async fn enter(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    named: &Named,
) -> Result<Answer, Failure> {
    let queue = queue(&named.first)?;
    let info = answer::connect_info(exchange, &request, PATH)?;
    let grants = backend(exchange)?.admit(info.clone()).await?;
    let granted = grants.room(&queue).map(|grant| grant.role);
    if granted != Some(Role::Player) {
        let text = "the token does not allow to play in this queue; grant queue-*=player";
        return Err(ApiError::new(ErrorKind::Forbidden, text).into());
    }
    let most = exchange.context.route(answer::ROUTE).limits.get();
    let most = most.message_bytes as usize;
    let text = body::read(exchange, request, most).await?;
    let ticket = Ticket::new(queue.clone(), entering(&text, &queue, most)?);
    let secret = rand::random();
    let early = frame::text(&ticket.join()).to_vec().into();
    let link = EventLink::of_ticket(queue.clone(), secret, ticket);
    let key = answer::open(exchange, link, info, early)?;
    let session = exchange.context.session(key, secret);
    let ticket = session.to_string();
    let place = format!("/v1/queues/{queue}/tickets/{ticket}");
    let asked = pushed(queue, ENTERED);
    let answer = inputs::deliver(&exchange.context.connections, session, asked).await?;
    let mut response = match answer {
        Some(answer) if answer.kind != "ticket" => return Ok(inputs::respond(answer)),
        Some(answer) => shown(StatusCode::CREATED, Some(answer), Some(&ticket)),
        None => shown(StatusCode::ACCEPTED, None, Some(&ticket)),
    };
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Waits until a ticket waits no longer, but not for long.
pub(super) async fn show(
    exchange: &Rc<Exchange>,
    request: &Request<Incoming>,
    named: &Named,
) -> Result<Answer, Failure> {
    body::refuse(request)?;
    ask(exchange, named, DECIDED).await
}

/// Withdraws a ticket.
pub(super) async fn withdraw(
    exchange: &Rc<Exchange>,
    request: &Request<Incoming>,
    named: &Named,
) -> Result<Answer, Failure> {
    body::refuse(request)?;
    ask(exchange, named, WITHDRAW).await
}

async fn ask(
    exchange: &Rc<Exchange>,
    named: &Named,
    request: &'static str,
) -> Result<Answer, Failure> {
    let queue = queue(&named.first)?;
    let session: EventSession = named.second.parse().map_err(|_| no_ticket())?;
    let asked = pushed(queue, request);
    let answer = if exchange.context.is_edge(&session.edge) {
        inputs::deliver(&exchange.context.connections, session, asked).await
    } else {
        backend(exchange)?.forward(session, asked).await
    };
    match answer {
        Ok(Some(answer)) if answer.kind != "ticket" => Ok(inputs::respond(answer)),
        Ok(answer) => Ok(shown(StatusCode::OK, answer, None)),
        Err(error) if error.kind == ErrorKind::NotJoined => Err(no_ticket().into()),
        Err(error) => Err(error.into()),
    }
}

fn queue(name: &str) -> Result<RoomId, ApiError> {
    let room = name.parse::<RoomId>().ok();
    room.filter(|room| room.as_str().starts_with("queue-"))
        .ok_or_else(|| {
            let text = format!("{name:?} is no queue; queues are rooms named queue-…");
            ApiError::new(ErrorKind::BadRoom, text)
        })
}

fn pushed(room: RoomId, request: &str) -> PushedInput {
    PushedInput {
        room,
        seq: 0,
        message: request.to_owned(),
    }
}

/// The data of the input that enters, checked as that of a client.
fn entering(text: &str, queue: &RoomId, most: usize) -> Result<String, ApiError> {
    let fields: Fields<'_> = body::fields(text, "`ticket` and `with`")?;
    let ticket = fields.ticket.map_or("{}", RawValue::get);
    let with = fields.with.map_or("[]", RawValue::get);
    let data = format!("{{\"op\":\"enter\",\"ticket\":{ticket},\"with\":{with},\"resume\":true}}");
    // The seq is the longest one.
    let seq = u64::MAX >> 11;
    let input =
        format!("{{\"type\":\"input\",\"room\":\"{queue}\",\"seq\":{seq},\"data\":{data}}}");
    if input.len() > most {
        let text = format!("an input may have at most {most} bytes with its room; send less");
        return Err(ApiError::new(ErrorKind::TooBig, text));
    }
    match decode_client(Payload::Json(&input))?.kind {
        ClientKind::Input { .. } => Ok(data),
        _ => Err(ApiError::new(ErrorKind::Internal, "the input is no input")),
    }
}

fn no_ticket() -> ApiError {
    let text = "there is no such ticket (any more); if you still wait, post it again: it keeps its place for 30 seconds";
    ApiError::new(ErrorKind::NotJoined, text)
}

/// The state of a ticket, which waits if there is no answer.
fn shown(status: StatusCode, answer: Option<InputAnswer>, ticket: Option<&str>) -> Answer {
    let waiting = || "{\"state\":\"waiting\",\"type\":\"ticket\"}".to_owned();
    let text = answer.map_or_else(waiting, |answer| answer.text);
    let text = match (ticket, text.strip_suffix('}')) {
        (Some(ticket), Some(fields)) => format!("{fields},\"ticket\":\"{ticket}\"}}"),
        _ => text,
    };
    json(status, text)
}

//! The API over HTTP, for clients behind proxies that break WebSockets, and for back ends.
//!
//! An event stream is a connection like a WebSocket: its response is taken over from HTTP, and its link turns frames into
//! events. Other requests are answered here, several on one socket, one after the other.

mod answer;

mod body;

mod cors;

mod error;

mod events;

mod inputs;

mod routes;

mod service;

mod ranks;

mod lobby;

mod tokens;

mod queues;

mod view;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::exchange::Exchange;
use super::request;
use crate::server::backend::ApiError;
use answer::{Answer, Failure};
use error::Code;
use routes::{Named, Operation};

pub(crate) use inputs::{ANSWER_WITHIN, deliver, no_session};
pub(super) use routes::has_path;

/// The description of the API.
const DESCRIPTION: &str = include_str!("../../../../../docs/http.openapi.json");

/// Answers a request of the API.
pub(super) async fn answer(exchange: &Rc<Exchange>, request: Request<Incoming>) -> Answer {
    let origin = request::joined(&request, header::ORIGIN);
    let (operation, result) = respond(exchange, request, origin.as_deref()).await;
    let mut response = result.unwrap_or_else(|failure| match failure {
        Failure::Api(error) => error::response(&error),
        Failure::Own(problem) => error::own(&problem),
        Failure::Http(error) => {
            let mut response = exchange.refuse(error);
            response.extensions_mut().insert(Code(error.code()));
            response
        }
        Failure::Method(allow) => error::method_not_allowed(&allow),
    });
    if let Some(origin) = &origin
        && is_allowed(exchange, origin)
    {
        cors::allow(&mut response, origin);
    }
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let code = response.extensions().get::<Code>();
    let code = code.map_or("ok", |code| code.0);
    let route = operation.map_or("none", Operation::name);
    exchange.context.metrics.on_api(route, code);
    response
}

async fn respond(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    origin: Option<&str>,
) -> (Option<Operation>, Result<Answer, Failure>) {
    let found = routes::find(request.method(), request.uri().path());
    let checked = check(exchange, &request, origin);
    let (operation, named) = match (found, checked) {
        (_, Err(failure)) => return (None, Err(failure)),
        (Ok(found), Ok(())) => found,
        (Err(allow), Ok(())) if *request.method() == Method::OPTIONS => {
            return (None, Ok(cors::preflight(&allow)));
        }
        (Err(allow), Ok(())) => return (None, Err(Failure::Method(allow))),
    };
    let result = carry_out(exchange, request, operation, named).await;
    (Some(operation), result)
}

/// Checks what all requests must have.
fn check<B>(
    exchange: &Exchange,
    request: &Request<B>,
    origin: Option<&str>,
) -> Result<(), Failure> {
    exchange.charge(exchange.client(request))?;
    request::check_host(request)?;
    if let Some(origin) = origin
        && !is_allowed(exchange, origin)
    {
        let text =
            format!("pages of {origin} may not use this API; add the origin to `edge.origins`");
        return Err(ApiError::new(ErrorKind::Forbidden, text).into());
    }
    Ok(())
}

fn is_allowed(exchange: &Exchange, origin: &str) -> bool {
    let api = exchange.context.api.as_ref();
    api.is_some_and(|api| api.allows_origin(origin))
}

async fn carry_out(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
    operation: Operation,
    named: Named,
) -> Result<Answer, Failure> {
    let room = || {
        named.first.parse::<RoomId>().map_err(|why| {
            let text = format!("the room in the path {why}; rooms are named [A-Za-z0-9_-]{{1,64}}");
            ApiError::new(ErrorKind::BadRoom, text)
        })
    };
    match operation {
        Operation::Describe => {
            let text = DESCRIPTION.trim_end().to_owned();
            Ok(answer::json(StatusCode::OK, text))
        }
        Operation::List => lobby::list(exchange, &request).await,
        Operation::Create => service::create(exchange, request).await,
        Operation::Ranks => ranks::show(exchange, &request, &named.first).await,
        Operation::Issue => tokens::issue(exchange, request).await,
        Operation::Enter => queues::enter(exchange, request, &named).await,
        Operation::Ticket => queues::show(exchange, &request, &named).await,
        Operation::Withdraw => queues::withdraw(exchange, &request, &named).await,
        Operation::Show => view::show(exchange, &request, room()?).await,
        Operation::Close => service::close(exchange, request, room()?).await,
        Operation::Message => service::send(exchange, request, room()?).await,
        Operation::Kick => service::kick(exchange, request, room()?).await,
        Operation::Events => events::open(exchange, &request, room()?).await,
        Operation::Input => inputs::push(exchange, request, room()?).await,
    }
}

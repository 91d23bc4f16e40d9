//! Tokens of players, which back ends ask for.

use std::rc::Rc;

use grandstand_common::auth::{IssueError, IssuedToken, TokenWish, player_name};
use grandstand_common::clock::unix_ms;
use grandstand_common::error::ErrorKind;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{self, Answer, Failure, Problem, backend, json};
use super::body;
use crate::server::backend::ApiError;
use crate::server::http::exchange::Exchange;

/// The path, for the log.
const PATH: &str = "/v1/tokens";

/// The body of a request.
#[derive(Deserialize)]
struct Fields<'a> {
    player: String,
    #[serde(borrow)]
    rooms: &'a RawValue,
    #[serde(default, deserialize_with = "body::some")]
    ttl_s: Option<u64>,
}

/// Signs a token of a player.
pub(super) async fn issue(
    exchange: &Rc<Exchange>,
    request: Request<Incoming>,
) -> Result<Answer, Failure> {
    let info = answer::connect_info(exchange, &request, PATH)?;
    let backend = backend(exchange)?;
    let service = backend.clone().admit(info).await?;
    let most = exchange.context.route(0).limits.get().message_bytes;
    let text = body::read(exchange, request, most as usize).await?;
    if !service.is_service() {
        return Err(refused(&IssueError::NoService).into());
    }
    let issuer = backend.issuer().ok_or_else(|| {
        let text = "this edge signs no tokens: its configuration has no `auth.signing_key_file`";
        Failure::Own(Problem {
            status: StatusCode::FORBIDDEN,
            code: "not_configured",
            message: text.to_owned(),
            retry_after_ms: None,
        })
    })?;
    let fields: Fields<'_> = body::fields(&text, "`player`, `rooms` and `ttl_s`")?;
    let player = player_name(&fields.player)
        .map_err(|why| ApiError::new(ErrorKind::BadMessage, format!("`player` {why}")))?;
    let wish = TokenWish {
        player,
        rooms: fields.rooms,
        ttl_s: fields.ttl_s,
    };
    let id = format!("{:032x}", rand::random::<u128>());
    let issued = issuer.issue(&service, &wish, unix_ms(), &id);
    let IssuedToken {
        token,
        id,
        expires_s,
    } = issued.map_err(|error| refused(&error))?;
    let body = json!({"type": "token", "token": token, "id": id, "expires_s": expires_s});
    Ok(json(StatusCode::CREATED, body.to_string()))
}

fn refused(error: &IssueError) -> ApiError {
    let kind = match error {
        IssueError::Rooms(_) | IssueError::Count(_) | IssueError::Time(..) => ErrorKind::BadMessage,
        IssueError::NoService | IssueError::Service | IssueError::Wider(_) => ErrorKind::Forbidden,
    };
    ApiError::new(kind, error.to_string())
}

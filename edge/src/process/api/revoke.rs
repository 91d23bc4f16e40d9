//! Revokes players, tokens and rooms through the bus, for all edges.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::auth::{
    MAX_REVOCATIONS, MAX_TOKEN_ID_BYTES, Revocation, Revocations, Target,
};
use grandstand_common::bus::{Bucket, Bus, PutError};
use grandstand_common::id::{PlayerId, RoomId};
use grandstand_common::process::admin::{ApiAnswer, Paging, read_body};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::process::revocations::time_ms;

/// The time that a revocation lasts if the request does not say.
const LASTS_S: u64 = 86_400;

/// The most seconds that a revocation may last.
const MAX_LASTS_S: u64 = 366 * 86_400;

/// The least time for which the marker of a removed revocation stays. It stays for as long as the revocation would have
/// lasted, so that edges that reconnect can tell a removed revocation from one that the bucket has lost.
const MARKER: Duration = Duration::from_secs(600);

/// The most attempts of a write if other operators write the same key.
const TRIES: usize = 5;

/// The bus on which revocations are kept, and those that this edge has.
#[derive(Debug)]
pub(crate) struct RevokeParts {
    pub(crate) bus: Bus,
    pub(crate) revocations: Revocations,
}

/// Adds and removes revocations.
#[derive(Debug)]
pub(super) struct Revoker(RevokeParts);

/// The body of a request to revoke.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    player: Option<String>,
    token: Option<String>,
    room: Option<String>,
    for_s: Option<u64>,
}

/// A revocation with its key, in JSON.
#[derive(Serialize)]
struct Listed {
    key: String,
    #[serde(flatten)]
    target: Target,
    at_ms: u64,
    until_ms: u64,
}

/// A page of revocations.
#[derive(Serialize)]
struct Page {
    revocations: Vec<Listed>,
    next: Option<String>,
}

impl Listed {
    fn new(key: String, revocation: Revocation) -> Self {
        let Revocation {
            target,
            at_ms,
            until_ms,
        } = revocation;
        Self {
            key,
            target,
            at_ms,
            until_ms,
        }
    }
}

impl Wanted {
    fn target(self) -> Result<Target, ApiAnswer> {
        let wrong = |text: &str| {
            Err(ApiAnswer::problem(
                StatusCode::BAD_REQUEST,
                "bad_body",
                text,
            ))
        };
        match (self.player, self.token, self.room) {
            (Some(player), None, None) => match player.parse::<PlayerId>() {
                Ok(player) => Ok(Target::Player(player)),
                Err(error) => wrong(&format!("`player` {error}")),
            },
            (None, Some(token), None) => match token.len() {
                1..=MAX_TOKEN_ID_BYTES => Ok(Target::Token(token)),
                _ => wrong(&format!(
                    "`token` must be a token's id (`jti`) of 1 to {MAX_TOKEN_ID_BYTES} bytes, not the token itself"
                )),
            },
            (None, None, Some(room)) => match room.parse::<RoomId>() {
                Ok(room) => Ok(Target::Room(room)),
                Err(error) => wrong(&format!("`room` {error}")),
            },
            _ => wrong("the body must have exactly one of `player`, `token` and `room`"),
        }
    }
}

impl Revoker {
    pub(super) fn new(parts: RevokeParts) -> Self {
        Self(parts)
    }

    /// A page of the revocations that this edge has.
    pub(super) fn list(&self, paging: &Paging) -> ApiAnswer {
        let Paging { limit, after } = paging;
        let page = self.0.revocations.page(after, limit + 1);
        let next = page.get(*limit).and(page.get(limit - 1));
        let next = next.map(|(key, _)| key.clone());
        let listed = page.into_iter().take(*limit);
        let listed = listed.map(|(key, revocation)| Listed::new(key, revocation));
        let page = Page {
            revocations: listed.collect(),
            next,
        };
        ApiAnswer::json(StatusCode::OK, &page)
    }

    /// Adds a revocation, or replaces the one of the same target.
    pub(super) async fn revoke(&self, body: &Bytes) -> Result<ApiAnswer, ApiAnswer> {
        let wanted: Wanted = read_body(body)?;
        let lasts_s = wanted.for_s.unwrap_or(LASTS_S);
        if !(1..=MAX_LASTS_S).contains(&lasts_s) {
            let text = format!("`for_s` must be an integer from 1 to {MAX_LASTS_S}");
            return Err(ApiAnswer::problem(
                StatusCode::BAD_REQUEST,
                "bad_body",
                &text,
            ));
        }
        let target = wanted.target()?;
        let key = target.key();
        let RevokeParts { bus, revocations } = &self.0;
        if revocations.len() >= MAX_REVOCATIONS {
            let text = format!(
                "there are {MAX_REVOCATIONS} revocations, and no space for another one; remove some that are not needed any more"
            );
            return Err(ApiAnswer::problem(StatusCode::CONFLICT, "full", &text));
        }
        for _ in 0..TRIES {
            let at_ms = time_ms(bus);
            let revocation = Revocation {
                target: target.clone(),
                at_ms,
                until_ms: at_ms + lasts_s * 1000,
            };
            let found = bus.get(Bucket::Revocations, &key).await;
            let found = found.map_err(|error| unavailable(&error))?;
            let revision = found.map_or(0, |found| found.revision);
            let json = serde_json::to_vec(&revocation).map_err(|error| unavailable(&error))?;
            let ttl = Duration::from_secs(lasts_s);
            let put = bus.put_expiring(Bucket::Revocations, &key, json.into(), ttl, revision);
            match put.await {
                Ok(_) => {
                    tracing::warn!(%target, lasts_s, "an operator has revoked tokens");
                    let listed = Listed::new(key, revocation);
                    return Ok(ApiAnswer::json(StatusCode::CREATED, &listed));
                }
                Err(PutError::WrongRevision) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(contended())
    }

    /// Removes a revocation.
    pub(super) async fn restore(&self, key: &str) -> Result<ApiAnswer, ApiAnswer> {
        let none = || {
            let text =
                "there is no revocation with this key; /v1/revocations lists those that there are";
            ApiAnswer::problem(StatusCode::NOT_FOUND, "no_such_revocation", text)
        };
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !key
            .split_once('.')
            .is_some_and(|(kind, hash)| is_name(kind) && is_name(hash))
        {
            return Err(none());
        }
        let bus = &self.0.bus;
        for _ in 0..TRIES {
            let found = bus.get(Bucket::Revocations, key).await;
            let found = found.map_err(|error| unavailable(&error))?;
            let found = found
                .filter(|found| found.value.is_some())
                .ok_or_else(none)?;
            let ttl = left(found.value.as_ref(), time_ms(bus)).max(MARKER);
            let deleted = bus.delete_if(Bucket::Revocations, key, found.revision, ttl);
            match deleted.await {
                Ok(_) => {
                    tracing::warn!(key, "an operator has removed a revocation");
                    return Ok(ApiAnswer::empty());
                }
                Err(PutError::WrongRevision) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(contended())
    }
}

/// The time that a stored revocation would still last.
fn left(value: Option<&Bytes>, now_ms: u64) -> Duration {
    let stored = value.and_then(|value| serde_json::from_slice::<Revocation>(value).ok());
    let until_ms = stored.map_or(0, |stored| stored.until_ms);
    Duration::from_millis(until_ms.saturating_sub(now_ms) + 1_000)
}

fn unavailable(error: &dyn std::error::Error) -> ApiAnswer {
    let text = format!("the revocation may not be stored: {error}; try again");
    ApiAnswer::problem(StatusCode::SERVICE_UNAVAILABLE, "bus_unavailable", &text)
}

fn contended() -> ApiAnswer {
    let text = "another operator changes the same revocation at the same time; try again";
    ApiAnswer::problem(StatusCode::CONFLICT, "contended", text)
}

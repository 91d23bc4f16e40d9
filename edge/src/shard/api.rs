//! The backend of the HTTP API: rights, and the event streams of other edges.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::auth::{Grants, TokenIssuer};
use grandstand_common::bus::{AppendFailure, Bus, BusError, Message, RequestError, Subscription};
use grandstand_common::clock::unix_ms;
use grandstand_common::error::ErrorKind;
use grandstand_common::follow::Followed;
use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardRequest};
use grandstand_common::log_clock::LogClock;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, PushReply, PushRequest};
use prost::Message as _;
use tokio::sync::{Semaphore, watch};

use crate::conn::session::EventSession;
use crate::server::backend::{ApiBackend, ApiError, ApiFuture, LobbyPage, LobbyQuestion};
use crate::server::connections::Connections;
use crate::server::connections::events::PushedInput;
use crate::server::connections::waiters::InputAnswer;
use crate::server::handler::ConnectInfo;
use crate::server::http::api::{ANSWER_WITHIN, deliver, no_session};
use crate::shard::admission::AdmissionPolicy;
use crate::shard::handle::Shard;
use crate::shard::lobby::Lobby;
use crate::shard::ranks::Ranks;

/// The most requests of other edges that wait to be read. Further ones are dropped.
const REQUESTS: usize = 1024;

/// The most requests of other edges that wait for the answers of streams. Further ones are read later.
const WAITING: usize = 4096;

/// The time that another edge has beside the time for which it waits for the stream.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// The milliseconds after which a request may be sent again that found no bus.
const NO_BUS_RETRY_MS: u64 = 1_000;

/// Serves the requests of one shard.
#[derive(Debug)]
pub(crate) struct ShardApi {
    admission: AdmissionPolicy,
    bus: Bus,
    layouts: watch::Receiver<Followed>,
    ranks: Ranks,
    lobby: Lobby,
    /// The clock of the bus, which dates what owners write.
    clock: LogClock,
}

impl ShardApi {
    /// Creates the API of a shard with this bus.
    pub(crate) fn new(
        admission: AdmissionPolicy,
        bus: Bus,
        layouts: watch::Receiver<Followed>,
        (lobby, clock): (Lobby, LogClock),
    ) -> Rc<Self> {
        Rc::new(Self {
            admission,
            bus,
            layouts,
            ranks: Ranks::default(),
            lobby,
            clock,
        })
    }
}

impl ApiBackend for ShardApi {
    fn allows_origin(&self, origin: &str) -> bool {
        self.admission.origins.allow(origin)
    }

    fn admit(self: Rc<Self>, info: ConnectInfo) -> ApiFuture<Grants> {
        Box::pin(async move {
            let admitted = self.admission.admit_after_read(&info, unix_ms).await;
            admitted.map_err(|refusal| ApiError::new(refusal.kind, refusal.message))
        })
    }

    fn issuer(&self) -> Option<&TokenIssuer> {
        self.admission.issuer.as_ref()
    }

    fn append(self: Rc<Self>, room: RoomId, body: Body) -> ApiFuture<()> {
        Box::pin(async move {
            let Followed { layout, moving } = *self.layouts.borrow();
            if moving {
                let text =
                    "rooms are being moved to other partitions; send the request again later";
                let error = ApiError::new(ErrorKind::RoomUnavailable, text);
                return Err(error.retry_after(NO_BUS_RETRY_MS));
            }
            let subject = subject::log(layout.partition_of(&room), &room);
            let payload = Entry::from(body).encode_to_vec().into();
            let stored = match self.bus.append(subject, payload).await {
                Ok(receipt) => receipt.await.map_err(|error| error.failure()),
                Err(error) => Err(error.failure()),
            };
            stored.map(|_| ()).map_err(not_stored)
        })
    }

    fn forward(
        self: Rc<Self>,
        session: EventSession,
        input: PushedInput,
    ) -> ApiFuture<Option<InputAnswer>> {
        Box::pin(async move {
            let request = PushRequest {
                session: session.to_string(),
                room: input.room.as_str().to_owned(),
                seq: input.seq,
                message: input.message,
            };
            let subject = subject::api(&session.edge);
            let payload = request.encode_to_vec().into();
            let within = ANSWER_WITHIN + ON_THE_WAY;
            let reply = match self.bus.request(subject, payload, within).await {
                Ok(reply) => PushReply::decode(reply).ok(),
                Err(error) => return Err(not_reached(&error)),
            };
            let reply = reply.ok_or_else(|| {
                let text = "the edge of the event stream answered something else";
                ApiError::new(ErrorKind::Internal, text)
            })?;
            answer_of(reply)
        })
    }

    fn ranks(self: Rc<Self>, request: LeaderboardRequest) -> ApiFuture<Rc<LeaderboardAnswer>> {
        Box::pin(async move { Ok(self.ranks.ask(&self.bus, request).await) })
    }

    fn lobby(
        self: Rc<Self>,
        question: LobbyQuestion,
        grants: Grants,
    ) -> ApiFuture<Option<LobbyPage>> {
        Box::pin(async move {
            let now_ms = || self.clock.now().log_ms;
            Ok(self.lobby.ask(&question, &grants, now_ms).await)
        })
    }
}

/// The error for an entry that the log has not taken, or may not have.
fn not_stored(why: AppendFailure) -> ApiError {
    let (kind, text) = match why {
        AppendFailure::Retry => (
            ErrorKind::RoomUnavailable,
            "the log did not say that it stored the request; send it again, with the same id",
        ),
        AppendFailure::Full => (
            ErrorKind::Busy,
            "the log is full; send the request again later",
        ),
        AppendFailure::TooBig => {
            let text = "the log takes no entry of this size; send less";
            return ApiError::new(ErrorKind::TooBig, text);
        }
    };
    ApiError::new(kind, text).retry_after(NO_BUS_RETRY_MS)
}

/// The error for a stream whose edge does not answer.
fn not_reached(error: &RequestError) -> ApiError {
    match error {
        RequestError::NoResponders => {
            let text = "the edge of this event stream is gone; open the stream again with GET /v1/rooms/{room}/events, and take \
                        the session from its first event";
            ApiError::new(ErrorKind::NotJoined, text)
        }
        _ => {
            let text = format!(
                "the edge of this event stream is unavailable ({error}); send the input again"
            );
            ApiError::new(ErrorKind::RoomUnavailable, text).retry_after(NO_BUS_RETRY_MS)
        }
    }
}

/// Subscribes to the requests that other edges get for event streams of this one.
///
/// # Errors
/// If the bus refuses the subscription.
pub(crate) async fn subscribe(bus: &Bus, edge: &EdgeId) -> Result<Subscription, BusError> {
    bus.subscribe(&subject::api(edge), REQUESTS).await
}

/// Answers requests of other edges, forever.
pub(crate) async fn drive_requests(
    shard: Rc<Shard>,
    connections: Connections,
    bus: Bus,
    mut requests: Subscription,
) {
    let places = Arc::new(Semaphore::new(WAITING));
    while let Some(request) = requests.next().await {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (connections, bus) = (connections.clone(), bus.clone());
        shard.supervisor.run_local("input", async move {
            answer(&connections, &bus, request).await;
            drop(place);
        });
    }
}

async fn answer(connections: &Connections, bus: &Bus, message: Message) {
    let Some(to) = message.reply else {
        return;
    };
    let answered = match read(message.payload) {
        Some((session, input)) => deliver(connections, session, input).await,
        None => Err(no_session()),
    };
    let reply = reply_of(answered).encode_to_vec().into();
    if let Err(error) = bus.publish(to, reply).await {
        tracing::debug!(%error, "cannot answer another edge");
    }
}

fn read(payload: bytes::Bytes) -> Option<(EventSession, PushedInput)> {
    let request = PushRequest::decode(payload).ok()?;
    let input = PushedInput {
        room: request.room.parse().ok()?,
        seq: request.seq,
        message: request.message,
    };
    Some((request.session.parse().ok()?, input))
}

fn reply_of(answered: Result<Option<InputAnswer>, ApiError>) -> PushReply {
    match answered {
        Ok(None) => PushReply::default(),
        Ok(Some(answer)) => PushReply {
            kind: answer.kind,
            code: answer.code,
            text: answer.text,
            retry_after_ms: answer.retry_after_ms.unwrap_or(0),
        },
        Err(error) => PushReply {
            kind: String::new(),
            code: error.kind.code().to_owned(),
            text: error.message,
            retry_after_ms: error.retry_after_ms.unwrap_or(0),
        },
    }
}

fn answer_of(reply: PushReply) -> Result<Option<InputAnswer>, ApiError> {
    let retry_after_ms = (reply.retry_after_ms > 0).then_some(reply.retry_after_ms);
    if !reply.kind.is_empty() {
        return Ok(Some(InputAnswer {
            kind: reply.kind,
            code: reply.code,
            retry_after_ms,
            text: reply.text,
        }));
    }
    if reply.code.is_empty() {
        return Ok(None);
    }
    let kind = ErrorKind::ALL
        .into_iter()
        .find(|kind| kind.code() == reply.code);
    Err(ApiError {
        kind: kind.unwrap_or(ErrorKind::Internal),
        message: reply.text,
        retry_after_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_after_its_way_over_the_bus() {
        let ack = InputAnswer {
            kind: "ack".to_owned(),
            code: String::new(),
            retry_after_ms: None,
            text: "{\"type\":\"ack\"}".to_owned(),
        };
        let busy = ApiError::new(ErrorKind::Busy, "later").retry_after(7);
        for answered in [Ok(None), Ok(Some(ack)), Err(busy), Err(no_session())] {
            let bytes = reply_of(answered.clone()).encode_to_vec();
            let reply = PushReply::decode(&bytes[..]).unwrap();
            assert_eq!(answer_of(reply), answered);
        }
    }
}

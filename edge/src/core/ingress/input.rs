//! Inputs, which go to the log, and live messages, which do not.

use grandstand_common::clock::Now;
use grandstand_common::data::Data;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::{self, Body};
use prost::Message;

use crate::conn::key::ConnKey;
use crate::core::command::Command;
use crate::core::config::CoreConfig;
use crate::core::delivery;
use crate::core::effects::Effects;
use crate::core::health::BusHealth;
use crate::core::ids::RoomKey;
use crate::core::join;
use crate::core::reply::{self, ErrorReply, ReplyTo};
use crate::core::state::Hub;
use crate::limits::Limit;

/// The number of waiting commands from which on live messages are dropped.
const MAX_COMMANDS: usize = 8192;

/// The time after which a client may repeat an input that a full log refused, milliseconds.
const FULL_RETRY_MS: u64 = 1_000;

/// The limits of inputs besides their chains: a full log, and the bytes per second.
pub(super) struct InputLimits<'a> {
    pub(super) health: &'a BusHealth,
    pub(super) config: &'a CoreConfig,
}

/// An input to a room.
pub(super) struct NumberedInput<'a> {
    pub(super) room: &'a RoomId,
    pub(super) seq: u64,
    pub(super) data: Data,
}

/// A player who sends to a room.
#[derive(Clone, Copy)]
struct Sender {
    room: RoomKey,
    session: u64,
}

/// Appends an input to the log, answers a repeat, or sends an error.
pub(super) fn on_input(
    hub: &mut Hub,
    effects: &mut Effects,
    limits: InputLimits<'_>,
    to: ReplyTo,
    input: NumberedInput<'_>,
    now: Now,
) {
    let NumberedInput { room, seq, data } = input;
    let Some(sender) = sender_of(hub, effects, to, room, Some(seq)) else {
        return;
    };
    let Sender { room: key, session } = sender;
    let Some(known) = hub.rooms.get_mut(key) else {
        return;
    };
    let is_full = limits.health.is_full(known.partition(), now.at);
    let (address, sessions) = known.addressed_sessions();
    let Some(player) = sessions.get(session) else {
        return;
    };
    let refusal = |kind, message| ErrorReply::new(kind, message, to.id, Some(room)).about(seq);
    if !player.is_joined() {
        let message = "wait for `joined` before you send inputs";
        let error = refusal(ErrorKind::NotJoined, message);
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    let next = player.next_seq();
    if is_full && seq >= next {
        sessions.refuse_next(session);
        let message = "the log is full; send the input again later";
        let error = refusal(ErrorKind::Busy, message).retry_after(FULL_RETRY_MS);
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    // The client had sent it before it knew that an earlier one was refused.
    if seq > next && player.has_refused_next() {
        let message = "an earlier input was refused; send the inputs again later, in order";
        let error = refusal(ErrorKind::Busy, message).retry_after(FULL_RETRY_MS);
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    if seq == 0 || seq > next {
        let message = format!("the next input must have seq {next}; inputs are numbered 1, 2, 3 …");
        let error = refusal(ErrorKind::BadSeq, &message);
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    if seq < next {
        return answer_repeat(hub, effects, sender, seq);
    }
    let charged = sessions.charge_input(session, data.len(), &limits.config.rooms, now.at);
    if let Err((limit, wait_ms)) = charged {
        let shared = &limits.config.shared;
        match limit {
            Limit::RoomInputBytesPerS => shared.count_refused(limit, room),
            _ => hub.clients.count_refused(to.conn, limit),
        }
        sessions.refuse_next(session);
        let message = "too many bytes of inputs; send the input again later";
        let error = refusal(ErrorKind::Busy, message).retry_after(wait_ms);
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    effects.counts().inputs += 1;
    let data = Some(data);
    let input = Body::Input(wire::Input {
        seq,
        data,
        arrival: Some(wire::Arrival {
            at_us: now.unix_us,
            traceparent: String::new(),
        }),
        ..wire::Input::default()
    });
    sessions.push_input(address, session, input, now, effects);
    reply::update_reading(hub, effects, key, session);
}

/// Answers a repeated input that is already acked, behind all that is queued for its player (D4). Otherwise its ack is still
/// to come.
fn answer_repeat(hub: &mut Hub, effects: &mut Effects, sender: Sender, seq: u64) {
    let Some(room) = hub.rooms.get_mut(sender.room) else {
        return;
    };
    let (address, sessions) = room.addressed_sessions();
    let recipient = sessions.recipient(sender.session);
    if let Some(frames) = recipient.and_then(|to| to.on_repeat(&address.id, seq)) {
        room.queue_private(frames);
        delivery::mark_dirty(hub, effects, sender.room.lane(LaneId::Players));
    }
}

/// Publishes a live message, or sends an error. The message is dropped if too many commands wait for the bus.
pub(super) fn on_live(
    hub: &mut Hub,
    effects: &mut Effects,
    to: ReplyTo,
    room: &RoomId,
    data: Data,
) {
    let Some(Sender { room: key, session }) = sender_of(hub, effects, to, room, None) else {
        return;
    };
    let Some(known) = hub.rooms.get(key) else {
        return;
    };
    let Some(player) = known.sessions().get(session) else {
        return;
    };
    if !player.is_joined() {
        let message = "wait for `joined` before you send live messages";
        let error = ErrorReply::new(ErrorKind::NotJoined, message, to.id, Some(room));
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    if effects.waiting_commands() >= MAX_COMMANDS {
        effects.counts().live_dropped += 1;
        return;
    }
    let live = wire::Live {
        room: room.as_str().to_owned(),
        session,
        player: player.player().as_str().to_owned(),
        data: Some(data),
    };
    effects.command(Command::Publish {
        subject: subject::live(known.partition()),
        payload: live.encode_to_vec().into(),
    });
}

/// Returns the room and the session of a client that sends a message to it. If the client may not send, sends it an error
/// instead.
fn sender_of(
    hub: &mut Hub,
    effects: &mut Effects,
    to: ReplyTo,
    room: &RoomId,
    seq: Option<u64>,
) -> Option<Sender> {
    let key = join::joined_room(hub, effects, to, room, seq)?;
    let session = session_of(hub, to.conn, key);
    if session.is_none() {
        let message = "spectators cannot send messages; join as a player";
        let error = ErrorReply::new(ErrorKind::Forbidden, message, to.id, Some(room)).about(seq);
        reply::error(&hub.clients, effects, to.conn, &error);
    }
    Some(Sender {
        room: key,
        session: session?,
    })
}

/// A client's session in a room; `None` for spectators.
fn session_of(hub: &mut Hub, conn: ConnKey, key: RoomKey) -> Option<u64> {
    let session = hub.clients.membership_mut(conn, key)?.session;
    let room = hub.rooms.get(key)?;
    room.sessions().get(session).map(|_| session)
}

//! An edge's messages as protobuf.

use bytes::BufMut;
use grandstand_types::data::Data;

use crate::envelope::check::{self, MessageError};
use crate::envelope::event::{PlayerState, ServerEvent, state};
use crate::envelope::message::{
    DecodeError, Limits, MERGE, MessageContext, PROTOCOL, Players, Role, ServerMessage,
};
use crate::envelope::proto::fields::{decode, encode};
use crate::envelope::proto::messages::{self, ServerKind as Kind};
use crate::error::ErrorKind;

pub(in crate::envelope) fn encode_server(message: &ServerMessage<'_>, out: &mut impl BufMut) {
    let (id, kind) = parts(message);
    let message = messages::ServerMessage {
        id,
        kind: Some(kind),
    };
    encode(&message, out);
}

fn parts(message: &ServerMessage<'_>) -> (Option<u64>, Kind) {
    match *message {
        ServerMessage::Welcome {
            connection,
            edge,
            heartbeat_ms,
            limits,
            features,
        } => {
            let Limits {
                message_bytes,
                rooms,
                window,
                json_depth,
            } = limits;
            let kind = Kind::Welcome(messages::Welcome {
                connection: connection.to_owned(),
                edge: edge.to_owned(),
                protocol: PROTOCOL,
                heartbeat_ms,
                limits: Some(messages::Limits {
                    message_bytes,
                    rooms,
                    window,
                    json_depth,
                }),
                features: features.iter().map(|&f| f.to_owned()).collect(),
            });
            (None, kind)
        }
        ServerMessage::Joined {
            id,
            room,
            role,
            instance,
            last_seq,
        } => {
            let kind = Kind::Joined(messages::Joined {
                room: room.to_string(),
                role: role.as_str().to_owned(),
                instance: instance.map(str::to_owned),
                last_seq: (role == Role::Player).then_some(last_seq),
            });
            (id, kind)
        }
        ServerMessage::Left { id, room, code } => {
            let kind = Kind::Left(messages::Left {
                room: room.to_string(),
                code: code.to_owned(),
            });
            (id, kind)
        }
        ServerMessage::Snapshot {
            room,
            epoch,
            version,
            is_patched,
            data,
        } => {
            let kind = Kind::Snapshot(messages::Snapshot {
                data: Some(data.clone()),
                room: room.to_string(),
                epoch: epoch.to_owned(),
                version,
                patch: is_patched.then(|| MERGE.to_owned()),
            });
            (None, kind)
        }
        ServerMessage::Update {
            room,
            version,
            prev,
            data,
        } => {
            let kind = Kind::Update(messages::Update {
                data: Some(data.clone()),
                room: room.to_string(),
                version,
                prev,
            });
            (None, kind)
        }
        ServerMessage::Direct { room, data } => {
            let data = Some(data.clone());
            let room = room.to_string();
            let n = None;
            (None, Kind::Direct(messages::Live { data, room, n }))
        }
        ServerMessage::Live { room, data, n } => {
            let data = Some(data.clone());
            let room = room.to_string();
            (None, Kind::Live(messages::Live { data, room, n }))
        }
        ServerMessage::Ack { room, seq } => {
            let room = room.to_string();
            (None, Kind::Ack(messages::Ack { room, seq }))
        }
        ServerMessage::Reject {
            room,
            seq,
            code,
            message,
        } => {
            let kind = Kind::Reject(messages::Reject {
                room: room.to_string(),
                seq,
                code: code.to_owned(),
                message: message.to_owned(),
            });
            (None, kind)
        }
        ServerMessage::Presence {
            room,
            ref players,
            viewers,
        } => {
            let (players, player_count) = match players {
                Players::List(list) => (list.iter().map(player).collect(), None),
                Players::Count(count) => (Vec::new(), Some(u64::from(*count))),
            };
            let kind = Kind::Presence(messages::Presence {
                room: room.to_string(),
                players,
                player_count,
                viewers,
            });
            (None, kind)
        }
        ServerMessage::Pong { id, time_ms } => (id, Kind::Pong(messages::Pong { time_ms })),
        ServerMessage::Notice {
            id,
            code,
            reconnect_in_ms,
        } => {
            let kind = Kind::Notice(messages::Notice {
                code: code.to_owned(),
                reconnect_in_ms,
            });
            (id, kind)
        }
        ServerMessage::Error {
            id,
            code,
            message,
            room,
            seq,
            retry_after_ms,
        } => {
            let kind = Kind::Error(messages::Error {
                code: code.to_owned(),
                message: message.to_owned(),
                room: room.map(ToString::to_string),
                seq,
                retry_after_ms,
            });
            (id, kind)
        }
    }
}

fn player(&(id, connected): &(&str, bool)) -> messages::Player {
    messages::Player {
        id: id.to_owned(),
        state: state(connected).to_owned(),
    }
}

pub(in crate::envelope) fn decode_server(payload: &[u8]) -> Result<ServerEvent, Box<DecodeError>> {
    let message = decode::<messages::ServerMessage>(payload)
        .map_err(|error| error.into_decode_error(MessageContext::default()))?;
    let id = message.id;
    server_event(message).map_err(|error| {
        error.into_decode_error(MessageContext {
            id,
            ..MessageContext::default()
        })
    })
}

fn server_event(message: messages::ServerMessage) -> Result<ServerEvent, MessageError> {
    let id = message.id;
    let Some(kind) = message.kind else {
        return Err(MessageError::new(
            ErrorKind::UnknownType,
            "the message has no kind, or an unknown one",
        ));
    };
    Ok(match kind {
        Kind::Welcome(welcome) => ServerEvent::Welcome {
            connection: welcome.connection,
            edge: welcome.edge,
            protocol: welcome.protocol,
            heartbeat_ms: welcome.heartbeat_ms,
            limits: limits(welcome.limits.unwrap_or_default()),
            features: welcome.features,
        },
        Kind::Joined(joined) => ServerEvent::Joined {
            id,
            room: check::room(&joined.room)?,
            role: check::role(&joined.role)?,
            instance: joined.instance,
            last_seq: joined.last_seq,
        },
        Kind::Left(left) => ServerEvent::Left {
            id,
            room: check::room(&left.room)?,
            code: left.code,
        },
        Kind::Snapshot(snapshot) => ServerEvent::Snapshot {
            room: check::room(&snapshot.room)?,
            epoch: snapshot.epoch,
            version: snapshot.version,
            is_patched: snapshot.patch.as_deref() == Some(MERGE),
            data: data(snapshot.data)?,
        },
        Kind::Update(update) => ServerEvent::Update {
            room: check::room(&update.room)?,
            version: update.version,
            prev: update.prev,
            data: data(update.data)?,
        },
        Kind::Direct(direct) => ServerEvent::Direct {
            room: check::room(&direct.room)?,
            data: data(direct.data)?,
        },
        Kind::Live(live) => ServerEvent::Live {
            room: check::room(&live.room)?,
            data: data(live.data)?,
            n: live.n,
        },
        Kind::Ack(ack) => ServerEvent::Ack {
            room: check::room(&ack.room)?,
            seq: ack.seq,
        },
        Kind::Reject(reject) => ServerEvent::Reject {
            room: check::room(&reject.room)?,
            seq: reject.seq,
            code: reject.code,
            message: reject.message,
        },
        Kind::Presence(presence) => ServerEvent::Presence {
            room: check::room(&presence.room)?,
            players: presence.players.into_iter().map(Into::into).collect(),
            player_count: presence.player_count,
            viewers: presence.viewers,
        },
        Kind::Pong(pong) => ServerEvent::Pong {
            id,
            time_ms: pong.time_ms,
        },
        Kind::Notice(notice) => ServerEvent::Notice {
            id,
            code: notice.code,
            reconnect_in_ms: notice.reconnect_in_ms,
        },
        Kind::Error(error) => ServerEvent::Error {
            id,
            code: error.code,
            message: error.message,
            room: error.room.as_deref().map(check::room).transpose()?,
            seq: error.seq,
            retry_after_ms: error.retry_after_ms,
        },
    })
}

fn limits(limits: messages::Limits) -> Limits {
    Limits {
        message_bytes: limits.message_bytes,
        rooms: limits.rooms,
        window: limits.window,
        json_depth: limits.json_depth,
    }
}

fn data(data: Option<Data>) -> Result<Data, MessageError> {
    data.ok_or_else(|| MessageError::bad_message("`json` (or `binary`) is missing"))
}

impl From<messages::Player> for PlayerState {
    fn from(player: messages::Player) -> Self {
        Self {
            connected: player.state == state(true),
            id: player.id,
        }
    }
}

//! A client's messages as protobuf.

use bytes::BufMut;

use crate::envelope::check::{self, MessageError};
use crate::envelope::message::{ClientKind, ClientMessage, DecodeError, Join, Role};
use crate::envelope::proto::context::read_context;
use crate::envelope::proto::{fields, messages};
use crate::error::ErrorKind;

pub(in crate::envelope) fn decode_client(
    payload: &[u8],
) -> Result<ClientMessage, Box<DecodeError>> {
    fields::decode::<messages::ClientMessage>(payload)
        .and_then(client_message)
        .map_err(|error| error.into_decode_error(read_context(payload)))
}

fn client_message(message: messages::ClientMessage) -> Result<ClientMessage, MessageError> {
    use messages::ClientKind as Kind;
    let id = fields::optional("id", message.id)?;
    let kind = match message.kind {
        Some(Kind::Join(join)) => ClientKind::Join(self::join(join)?),
        Some(Kind::Leave(leave)) => ClientKind::Leave {
            room: check::room(&leave.room)?,
        },
        Some(Kind::Input(input)) => ClientKind::Input {
            room: check::room(&input.room)?,
            seq: check::integer("seq", input.seq)?,
            data: fields::data(input.data)?,
        },
        Some(Kind::Live(live)) => ClientKind::Live {
            room: check::room(&live.room)?,
            data: fields::data(live.data)?,
        },
        Some(Kind::Ping(_)) => ClientKind::Ping,
        Some(Kind::Auth(auth)) => ClientKind::Auth { token: auth.token },
        None => {
            return Err(MessageError::new(
                ErrorKind::UnknownType,
                "the message has no kind, or an unknown one",
            ));
        }
    };
    Ok(ClientMessage { id, kind })
}

fn join(join: messages::Join) -> Result<Join, MessageError> {
    Ok(Join {
        room: check::room(&join.room)?,
        since: fields::optional("since", join.since)?,
        epoch: join.epoch,
        role: join.role.as_deref().map(check::role).transpose()?,
        params: match &join.params {
            Some(params) => Some(check::object("params", fields::json("params", params)?)?),
            None => None,
        },
        client: join.client.map(check::client).transpose()?,
        attempt: join.attempt,
        datagrams: join.datagrams,
        token: join.token,
    })
}

pub(in crate::envelope) fn encode_client(message: &ClientMessage, out: &mut impl BufMut) {
    use messages::ClientKind as Kind;
    let kind = match &message.kind {
        ClientKind::Join(join) => Kind::Join(messages::Join {
            room: join.room.to_string(),
            since: join.since,
            epoch: join.epoch.clone(),
            role: join.role.map(|role| Role::as_str(role).to_owned()),
            params: join.params.clone(),
            client: join.client.clone(),
            attempt: join.attempt,
            datagrams: join.datagrams,
            token: join.token.clone(),
        }),
        ClientKind::Leave { room } => Kind::Leave(messages::Leave {
            room: room.to_string(),
        }),
        ClientKind::Input { room, seq, data } => Kind::Input(messages::Input {
            data: Some(data.clone()),
            room: room.to_string(),
            seq: *seq,
        }),
        ClientKind::Live { room, data } => Kind::Live(messages::Live {
            data: Some(data.clone()),
            room: room.to_string(),
            n: None,
        }),
        ClientKind::Ping => Kind::Ping(messages::Ping {}),
        ClientKind::Auth { token } => Kind::Auth(messages::Auth {
            token: token.clone(),
        }),
    };
    let message = messages::ClientMessage {
        id: message.id,
        kind: Some(kind),
    };
    fields::encode(&message, out);
}

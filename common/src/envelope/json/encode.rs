//! Writes JSON field by field, without allocating.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use bytes::BufMut;
use grandstand_types::data::Data;
use grandstand_types::id::RoomId;

use crate::envelope::event::state;
use crate::envelope::message::{
    ClientKind, ClientMessage, Join, Limits, MERGE, PROTOCOL, Players, Role, ServerMessage,
};

pub(super) const BASE64: GeneralPurpose = STANDARD;

pub(in crate::envelope) fn encode_server(message: &ServerMessage<'_>, out: &mut impl BufMut) {
    match *message {
        ServerMessage::Welcome {
            connection,
            edge,
            heartbeat_ms,
            limits,
            features,
        } => Object::open("welcome", out)
            .text("connection", connection)
            .text("edge", edge)
            .integer("protocol", PROTOCOL.into())
            .integer("heartbeat_ms", heartbeat_ms)
            .limits(limits)
            .list("features", features, |out, &feature| {
                put_string(feature, out)
            }),
        ServerMessage::Joined {
            id,
            room,
            role,
            instance,
            last_seq,
        } => Object::open("joined", out)
            .maybe("id", id)
            .room(room)
            .text("role", role.as_str())
            .maybe_text("instance", instance)
            .maybe("last_seq", (role == Role::Player).then_some(last_seq)),
        ServerMessage::Left { id, room, code } => Object::open("left", out)
            .maybe("id", id)
            .room(room)
            .text("code", code),
        ServerMessage::Snapshot {
            room,
            epoch,
            version,
            is_patched,
            data,
        } => Object::open("snapshot", out)
            .room(room)
            .text("epoch", epoch)
            .integer("version", version)
            .maybe_text("patch", is_patched.then_some(MERGE))
            .data(data),
        ServerMessage::Update {
            room,
            version,
            prev,
            data,
        } => Object::open("update", out)
            .room(room)
            .integer("version", version)
            .integer("prev", prev)
            .data(data),
        ServerMessage::Direct { room, data } => Object::open("direct", out).room(room).data(data),
        ServerMessage::Live { room, data, n } => Object::open("live", out)
            .room(room)
            .maybe("n", n)
            .data(data),
        ServerMessage::Ack { room, seq } => Object::open("ack", out).room(room).integer("seq", seq),
        ServerMessage::Reject {
            room,
            seq,
            code,
            message,
        } => Object::open("reject", out)
            .room(room)
            .integer("seq", seq)
            .text("code", code)
            .text("message", message),
        ServerMessage::Presence {
            room,
            ref players,
            viewers,
        } => Object::open("presence", out)
            .room(room)
            .players(players)
            .integer("viewers", viewers),
        ServerMessage::Pong { id, time_ms } => Object::open("pong", out)
            .maybe("id", id)
            .integer("time_ms", time_ms),
        ServerMessage::Notice {
            id,
            code,
            reconnect_in_ms,
        } => Object::open("notice", out)
            .maybe("id", id)
            .text("code", code)
            .maybe("reconnect_in_ms", reconnect_in_ms),
        ServerMessage::Error {
            id,
            code,
            message,
            room,
            seq,
            retry_after_ms,
        } => Object::open("error", out)
            .maybe("id", id)
            .text("code", code)
            .text("message", message)
            .maybe_text("room", room.map(RoomId::as_str))
            .maybe("seq", seq)
            .maybe("retry_after_ms", retry_after_ms),
    }
    .close();
}

pub(in crate::envelope) fn encode_client(message: &ClientMessage, out: &mut impl BufMut) {
    let id = message.id;
    match &message.kind {
        ClientKind::Join(join) => put_join(Object::open("join", out).maybe("id", id), join),
        ClientKind::Leave { room } => Object::open("leave", out).maybe("id", id).room(room),
        ClientKind::Input { room, seq, data } => Object::open("input", out)
            .maybe("id", id)
            .room(room)
            .integer("seq", *seq)
            .data(data),
        ClientKind::Live { room, data } => Object::open("live", out)
            .maybe("id", id)
            .room(room)
            .data(data),
        ClientKind::Ping => Object::open("ping", out).maybe("id", id),
        ClientKind::Auth { token } => Object::open("auth", out)
            .maybe("id", id)
            .text("token", token),
    }
    .close();
}

fn put_join<'b, B: BufMut>(object: Object<'b, B>, join: &Join) -> Object<'b, B> {
    let mut object = object
        .room(&join.room)
        .maybe("since", join.since)
        .maybe_text("epoch", join.epoch.as_deref())
        .maybe_text("role", join.role.map(Role::as_str))
        .maybe_text("client", join.client.as_deref())
        .maybe("attempt", (join.attempt > 0).then_some(join.attempt.into()))
        .flag("datagrams", join.datagrams)
        .maybe_text("token", join.token.as_deref());
    if let Some(params) = &join.params {
        object.key("params");
        object.0.put_slice(params);
    }
    object
}

/// A message in progress, after `{"type":"…"`: every further field begins with a comma.
struct Object<'b, B>(&'b mut B);

impl<'b, B: BufMut> Object<'b, B> {
    fn open(kind: &str, out: &'b mut B) -> Self {
        out.put_slice(b"{\"type\":\"");
        out.put_slice(kind.as_bytes());
        out.put_u8(b'"');
        Self(out)
    }

    fn close(self) {
        self.0.put_u8(b'}');
    }

    /// Field names of the protocol need no escapes.
    fn key(&mut self, name: &str) {
        self.0.put_slice(b",\"");
        self.0.put_slice(name.as_bytes());
        self.0.put_slice(b"\":");
    }

    fn integer(mut self, name: &str, value: u64) -> Self {
        self.key(name);
        put_integer(value, self.0);
        self
    }

    fn maybe(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.integer(name, value),
            None => self,
        }
    }

    fn flag(mut self, name: &str, value: bool) -> Self {
        if value {
            self.key(name);
            self.0.put_slice(b"true");
        }
        self
    }

    fn text(mut self, name: &str, value: &str) -> Self {
        self.key(name);
        put_string(value, self.0);
        self
    }

    fn maybe_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    fn room(self, room: &RoomId) -> Self {
        self.text("room", room.as_str())
    }

    fn data(mut self, data: &Data) -> Self {
        match data {
            Data::Json(json) => {
                self.key("data");
                self.0.put_slice(json);
            }
            Data::Binary(bytes) => {
                self.key("data_b64");
                put_base64(bytes, self.0);
            }
        }
        self
    }

    fn list<T>(mut self, name: &str, items: &[T], put: impl Fn(&mut B, &T)) -> Self {
        self.key(name);
        self.0.put_u8(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.0.put_u8(b',');
            }
            put(self.0, item);
        }
        self.0.put_u8(b']');
        self
    }

    fn limits(mut self, limits: Limits) -> Self {
        let Limits {
            message_bytes,
            rooms,
            window,
            json_depth,
        } = limits;
        self.key("limits");
        self.0.put_slice(b"{\"message_bytes\":");
        put_integer(message_bytes, self.0);
        for (name, value) in [
            ("rooms", rooms),
            ("window", window),
            ("json_depth", json_depth),
        ] {
            self.key(name);
            put_integer(value, self.0);
        }
        self.0.put_u8(b'}');
        self
    }

    fn players(self, players: &Players<'_>) -> Self {
        match players {
            Players::List(list) => self.list("players", list, |out, &(id, connected)| {
                out.put_slice(b"{\"id\":");
                put_string(id, out);
                out.put_slice(b",\"state\":\"");
                out.put_slice(state(connected).as_bytes());
                out.put_slice(b"\"}");
            }),
            Players::Count(count) => self.integer("player_count", (*count).into()),
        }
    }
}

fn put_integer(value: u64, out: &mut impl BufMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn put_string(text: &str, out: &mut impl BufMut) {
    out.put_u8(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|&b| b < 0x20 || b == b'"' || b == b'\\')
    {
        out.put_slice(&rest[..at]);
        put_escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
    out.put_u8(b'"');
}

fn put_escape(byte: u8, out: &mut impl BufMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.put_slice(b"\\\""),
        b'\\' => out.put_slice(b"\\\\"),
        b'\n' => out.put_slice(b"\\n"),
        b'\r' => out.put_slice(b"\\r"),
        b'\t' => out.put_slice(b"\\t"),
        _ => {
            out.put_slice(b"\\u00");
            out.put_u8(HEX[usize::from(byte >> 4)]);
            out.put_u8(HEX[usize::from(byte & 15)]);
        }
    }
}

fn put_base64(bytes: &[u8], out: &mut impl BufMut) {
    /// A multiple of three, so that only the last piece is padded.
    const PIECE: usize = 768;
    let mut text = [0; PIECE / 3 * 4];
    out.put_u8(b'"');
    for piece in bytes.chunks(PIECE) {
        let len = BASE64
            .encode_slice(piece, &mut text)
            .expect("the buffer has room for a piece");
        out.put_slice(&text[..len]);
    }
    out.put_u8(b'"');
}

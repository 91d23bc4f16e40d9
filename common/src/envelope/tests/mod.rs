mod client;

mod context;

mod proto_file;

mod server;

mod vectors;

use bytes::Bytes;
use grandstand_types::data::Data;
use grandstand_types::id::RoomId;

use super::*;
use crate::error::ErrorKind;

fn room(name: &str) -> RoomId {
    name.parse().unwrap()
}

fn json(text: &'static str) -> Data {
    Data::Json(Bytes::from_static(text.as_bytes()))
}

fn binary(bytes: &'static [u8]) -> Data {
    Data::Binary(Bytes::from_static(bytes))
}

fn encoded_client(encoding: Encoding, message: &ClientMessage) -> Vec<u8> {
    let mut out = Vec::new();
    encode_client(encoding, message, &mut out);
    out
}

fn encoded_server(encoding: Encoding, message: &ServerMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_server(encoding, message, &mut out);
    out
}

/// One message of each kind that a client can send, with and without optional fields.
fn client_messages() -> Vec<ClientMessage> {
    let full = Join {
        room: room("memory-42"),
        since: Some(MAX_INTEGER),
        epoch: Some("19a.2.p".to_owned()),
        role: Some(Role::Spectator),
        params: Some(Bytes::from_static(br#"{"rows":4}"#)),
        client: Some("c\"\\\u{1}\n\u{2028}é".to_owned()),
        attempt: u32::MAX,
        datagrams: true,
        token: Some("a.b.c".to_owned()),
    };
    let bare = Join {
        room: room("r"),
        since: None,
        epoch: None,
        role: None,
        params: None,
        client: None,
        attempt: 0,
        datagrams: false,
        token: None,
    };
    let kinds = [
        ClientKind::Join(full),
        ClientKind::Join(bare),
        ClientKind::Leave { room: room("r") },
        ClientKind::Input {
            room: room("memory-42"),
            seq: 7,
            data: json(r#"{"op":"flip","card":5}"#),
        },
        ClientKind::Input {
            room: room("memory-42"),
            seq: 0,
            data: binary(&[0, 255, 7, 1]),
        },
        ClientKind::Live {
            room: room("r"),
            data: json("null"),
        },
        ClientKind::Ping,
        ClientKind::Auth {
            token: "a.b.c".to_owned(),
        },
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(i, kind)| ClientMessage {
            id: (i % 2 == 0).then_some(i as u64),
            kind,
        })
        .collect()
}

/// Calls `f` with one message of each kind that an edge can send, with and without optional fields.
fn for_each_server_message(mut f: impl FnMut(&ServerMessage<'_>)) {
    let room = &room("memory-42");
    let data = &json(r#"{"kind":"flipped","card":5,"face":"A"}"#);
    let bytes: &'static [u8] = Box::leak((0..2000).map(|i| i as u8).collect());
    let binary = &binary(bytes);
    let limits = Limits {
        message_bytes: 65536,
        rooms: 32,
        window: 64,
        json_depth: 64,
    };
    for (features, edge) in [(&[][..], "e-0-aa"), (&["x", "y"][..], "")] {
        f(&ServerMessage::Welcome {
            connection: "c1",
            edge,
            heartbeat_ms: 25_000,
            limits,
            features,
        });
    }
    for (id, role, instance) in [
        (Some(3), Role::Player, Some("6f")),
        (None, Role::Spectator, None),
    ] {
        f(&ServerMessage::Joined {
            id,
            room,
            role,
            instance,
            last_seq: 0,
        });
        f(&ServerMessage::Left {
            id,
            room,
            code: "replaced",
        });
        f(&ServerMessage::Pong {
            id,
            time_ms: 1_767_225_600_000,
        });
        f(&ServerMessage::Notice {
            id,
            code: "draining",
            reconnect_in_ms: id,
        });
        f(&ServerMessage::Error {
            id,
            code: "bad_seq",
            message: "say \"7\"\t\u{7f}\u{1f}",
            room: id.map(|_| room),
            seq: id,
            retry_after_ms: id,
        });
    }
    for data in [data, binary] {
        f(&ServerMessage::Snapshot {
            room,
            epoch: "19a.2.p",
            version: 42,
            is_patched: matches!(data, Data::Json(_)),
            data,
        });
        f(&ServerMessage::Update {
            room,
            version: 1,
            prev: 0,
            data,
        });
        f(&ServerMessage::Direct { room, data });
        f(&ServerMessage::Live {
            room,
            data,
            n: None,
        });
        f(&ServerMessage::Live {
            room,
            data,
            n: Some(MAX_INTEGER),
        });
    }
    f(&ServerMessage::Ack { room, seq: 7 });
    f(&ServerMessage::Reject {
        room,
        seq: 8,
        code: "not_your_turn",
        message: "It is bob's turn.",
    });
    for players in [
        Players::List(vec![("alice", true), ("Zoë \"Z\"", false)]),
        Players::List(vec![]),
        Players::Count(65),
    ] {
        f(&ServerMessage::Presence {
            room,
            players,
            viewers: 120,
        });
    }
}

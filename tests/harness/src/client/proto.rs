//! Translation between the protobuf messages and the JSON messages of the protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, Payload, ServerEvent, decode_client, encode_client};
use serde_json::{Value, json};

/// Encodes a client's message, given as JSON, as protobuf.
pub(crate) fn encode(message: &Value) -> Vec<u8> {
    let message = decode_client(Payload::Json(&message.to_string()));
    let mut out = Vec::new();
    encode_client(Encoding::Proto, &message.expect("a message"), &mut out);
    out
}

/// Translates an edge's message to JSON, with the fields that the tests check.
pub(crate) fn to_json(event: &ServerEvent) -> Value {
    match event {
        ServerEvent::Welcome { edge, .. } => json!({"type": "welcome", "edge": edge}),
        ServerEvent::Joined {
            id,
            room,
            role,
            instance,
            last_seq,
        } => json!({"type": "joined", "id": id, "room": room.as_str(), "role": role,
                    "instance": instance, "last_seq": last_seq}),
        ServerEvent::Left { room, code, .. } => {
            json!({"type": "left", "room": room.as_str(), "code": code})
        }
        ServerEvent::Snapshot {
            room,
            epoch,
            version,
            is_patched,
            data,
        } => {
            let patch = is_patched.then_some("merge");
            with(
                data,
                json!({"type": "snapshot", "room": room.as_str(), "epoch": epoch, "version": version,
                       "patch": patch}),
            )
        }
        ServerEvent::Update {
            room,
            version,
            prev,
            data,
        } => with(
            data,
            json!({"type": "update", "room": room.as_str(), "version": version, "prev": prev}),
        ),
        ServerEvent::Direct { room, data } => {
            with(data, json!({"type": "direct", "room": room.as_str()}))
        }
        ServerEvent::Live { room, data, .. } => {
            with(data, json!({"type": "live", "room": room.as_str()}))
        }
        ServerEvent::Ack { room, seq } => {
            json!({"type": "ack", "room": room.as_str(), "seq": seq})
        }
        ServerEvent::Reject {
            room, seq, code, ..
        } => json!({"type": "reject", "room": room.as_str(), "seq": seq, "code": code}),
        ServerEvent::Presence { room, viewers, .. } => {
            json!({"type": "presence", "room": room.as_str(), "viewers": viewers})
        }
        ServerEvent::Pong { id, time_ms } => json!({"type": "pong", "id": id, "time_ms": time_ms}),
        ServerEvent::Notice {
            code,
            reconnect_in_ms,
            ..
        } => json!({"type": "notice", "code": code, "reconnect_in_ms": reconnect_in_ms}),
        ServerEvent::Error {
            id,
            code,
            message,
            room,
            seq,
            retry_after_ms,
        } => json!({"type": "error", "id": id, "code": code, "message": message,
                    "room": room.as_ref().map(ToString::to_string), "seq": seq, "retry_after_ms": retry_after_ms}),
    }
}

fn with(data: &Data, mut message: Value) -> Value {
    match data {
        Data::Json(text) => {
            message["data"] = serde_json::from_slice(text).expect("data is JSON");
        }
        Data::Binary(bytes) => message["data_b64"] = json!(STANDARD.encode(bytes)),
    }
    message
}

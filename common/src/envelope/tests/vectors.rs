//! The vectors in `proto/vectors`, by which clients in other languages are tested too.
//!
//! `GRANDSTAND_WRITE_VECTORS=1 cargo test -p grandstand-common vectors` writes `client.json` and `server.json` again.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::*;

/// A message in both encodings.
#[derive(Debug, Serialize, Deserialize)]
struct Vector {
    /// The text of the JSON encoding.
    json: String,
    /// The bytes of the protobuf encoding, in hexadecimal digits.
    proto: String,
    /// The fields, as a decoder returns them; in the order of the text, because data is copied byte for byte.
    means: Box<RawValue>,
}

/// A message in one encoding that is not the one of the code, or no message at all.
#[derive(Debug, Deserialize)]
struct Foreign {
    side: Side,
    why: String,
    json: Option<String>,
    proto: Option<String>,
    #[serde(default)]
    means: Option<Box<RawValue>>,
    #[serde(default)]
    code: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Client,
    Server,
}

/// A decoded message of either side, or the code of the error.
#[derive(Debug, PartialEq)]
enum Decoded {
    Client(Box<ClientMessage>),
    Server(Box<ServerEvent>),
    Refused(&'static str),
}

impl Foreign {
    fn decode(&self) -> Decoded {
        match (&self.json, &self.proto) {
            (Some(text), None) => decode(self.side, Encoding::Json, text.as_bytes()),
            (None, Some(hex)) => decode(self.side, Encoding::Proto, &from_hex(hex)),
            _ => panic!("{}: either `json` or `proto`", self.why),
        }
    }
}

fn decode(side: Side, encoding: Encoding, bytes: &[u8]) -> Decoded {
    let decoded = match side {
        Side::Client => decode_client(Payload::from_bytes(encoding, bytes).unwrap())
            .map(|message| Decoded::Client(Box::new(message))),
        Side::Server => {
            decode_server(encoding, bytes).map(|event| Decoded::Server(Box::new(event)))
        }
    };
    decoded.unwrap_or_else(|error| Decoded::Refused(error.kind.code()))
}

fn path(name: &str) -> String {
    format!("{}/proto/vectors/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vector(json: Vec<u8>, proto: &[u8]) -> Vector {
    let json = String::from_utf8(json).unwrap();
    Vector {
        means: RawValue::from_string(json.clone()).unwrap(),
        proto: to_hex(proto),
        json,
    }
}

/// The vectors of the code: one per message that the other tests use, long ones aside.
fn vectors(side: Side) -> Vec<Vector> {
    let mut all = Vec::new();
    match side {
        Side::Client => {
            for message in client_messages() {
                let [json, proto] = Encoding::ALL.map(|e| encoded_client(e, &message));
                all.push(vector(json, &proto));
            }
        }
        Side::Server => {
            let mut add = |message: &ServerMessage<'_>| {
                let [json, proto] = Encoding::ALL.map(|e| encoded_server(e, message));
                if json.len() < 1000 {
                    all.push(vector(json, &proto));
                }
            };
            for_each_server_message(&mut add);
            let room = &room("r");
            for data in [binary(&[]), binary(&[0, 255, 7, 128]), json("[null,1.5]")] {
                add(&ServerMessage::Snapshot {
                    room,
                    epoch: "e",
                    version: MAX_INTEGER,
                    is_patched: false,
                    data: &data,
                });
                add(&ServerMessage::Update {
                    room,
                    version: 300,
                    prev: 128,
                    data: &data,
                });
            }
        }
    }
    all
}

/// One vector a line, so that a change shows in a diff.
fn to_text(vectors: &[Vector]) -> String {
    let lines: Vec<_> = vectors
        .iter()
        .map(|vector| format!("  {}", serde_json::to_string(vector).unwrap()))
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

#[test]
fn the_vectors_are_what_the_code_sends() {
    for (name, side) in [("client.json", Side::Client), ("server.json", Side::Server)] {
        let expected = to_text(&vectors(side));
        if std::env::var_os("GRANDSTAND_WRITE_VECTORS").is_some() {
            std::fs::write(path(name), &expected).unwrap();
        }
        let found = std::fs::read_to_string(path(name)).unwrap_or_default();
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(
                found, expected,
                "{name} differs: write it again if the protocol has changed"
            );
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
        for vector in read::<Vector>(name) {
            let of_json = decode(side, Encoding::Json, vector.json.as_bytes());
            let of_proto = decode(side, Encoding::Proto, &from_hex(&vector.proto));
            assert_eq!(of_json, of_proto, "{name}: {}", vector.json);
            assert!(
                !matches!(of_json, Decoded::Refused(_)),
                "{name}: {}",
                vector.json
            );
        }
    }
}

#[test]
fn unusual_messages_have_their_meaning() {
    for vector in read::<Foreign>("unusual.json") {
        let means = vector.means.as_ref().expect("`means`");
        let expected = decode(vector.side, Encoding::Json, means.get().as_bytes());
        assert_eq!(vector.decode(), expected, "{}", vector.why);
        assert!(
            !matches!(expected, Decoded::Refused(_)),
            "{}: {expected:?}",
            vector.why
        );
    }
}

#[test]
fn what_is_no_message_is_refused_with_its_code() {
    for vector in read::<Foreign>("refused.json") {
        match (vector.decode(), &vector.code) {
            (Decoded::Refused(code), Some(expected)) => {
                assert_eq!(code, expected, "{}", vector.why);
            }
            (decoded, _) => panic!("{}: {decoded:?}", vector.why),
        }
    }
}

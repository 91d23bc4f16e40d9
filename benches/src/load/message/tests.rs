use grandstand_common::data::Data;
use grandstand_common::envelope::{Role, ServerMessage, encode_server};

use super::*;

fn timestamped(due_ns: u64) -> Data {
    let mut data = b"{\"from\":\"p1\",\"data\":\"".to_vec();
    timestamp::put(due_ns, &mut data);
    data.extend_from_slice(b"...\"}");
    Data::Json(data.into())
}

fn encoded(encoding: Encoding, message: &ServerMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_server(encoding, message, &mut out);
    out
}

/// The result of the fast reader.
fn quick(reader: &Reader, payload: &[u8]) -> Option<Message> {
    match reader.encoding() {
        Encoding::Json => json::read(payload, b"relay-x-"),
        Encoding::Proto => proto::read(payload, b"relay-x-"),
    }
}

#[test]
fn the_fast_reader_agrees_with_the_decoder() {
    let room = "relay-x-17".parse().unwrap();
    let data = timestamped(77);
    let messages =
        [(0, 0), (1, 0), (127, 126), (128, 127), (MAX, MAX - 1)].map(|(version, prev)| {
            ServerMessage::Update {
                room: &room,
                version,
                prev,
                data: &data,
            }
        });
    const MAX: u64 = (1 << 53) - 1;
    let acks = [0, 1, 300, MAX].map(|seq| ServerMessage::Ack { room: &room, seq });
    for encoding in Encoding::ALL {
        let reader = Reader::new(encoding, "relay-x-");
        for message in messages.iter().chain(&acks) {
            let payload = encoded(encoding, message);
            let read = quick(&reader, &payload);
            assert_eq!(read.as_ref(), Some(&reader.decode(&payload)), "{message:?}");
            assert_eq!(read, Some(reader.read(&payload)));
            for cut in 0..payload.len() {
                // Cut messages never panic and never give a wrong result.
                if let Some(Message::Ack { .. }) = quick(&reader, &payload[..cut]) {
                    panic!("{message:?} cut at {cut} was read");
                }
            }
        }
        let update = encoded(encoding, &messages[2]);
        let expected = Message::Update {
            room: 17,
            version: 127,
            prev: 126,
            due_ns: Some(77),
        };
        assert_eq!(reader.read(&update), expected);
        let other = Reader::new(encoding, "relay-y-");
        assert!(matches!(other.read(&update), Message::Wrong(_)));
    }
}

#[test]
fn rare_messages_are_decoded() {
    let room = "relay-x-5".parse().unwrap();
    let data = Data::Json(b"{\"version\":9}".to_vec().into());
    for encoding in Encoding::ALL {
        let reader = Reader::new(encoding, "relay-x-");
        let read = |message: &ServerMessage<'_>| reader.read(&encoded(encoding, message));
        assert_eq!(
            read(&ServerMessage::Snapshot {
                room: &room,
                epoch: "1.2.p",
                version: 3,
                is_patched: false,
                data: &data,
            }),
            Message::Snapshot {
                room: 5,
                epoch: "1.2.p".to_owned(),
                version: 3
            }
        );
        assert_eq!(
            read(&ServerMessage::Joined {
                id: None,
                room: &room,
                role: Role::Player,
                instance: Some("1"),
                last_seq: 4,
            }),
            Message::Joined {
                room: 5,
                last_seq: 4
            }
        );
        let code = "degraded";
        let notice = ServerMessage::Notice {
            id: None,
            code,
            reconnect_in_ms: None,
        };
        assert_eq!(read(&notice), Message::Degraded);
        let left = ServerMessage::Left {
            id: None,
            room: &room,
            code: "replaced",
        };
        let Message::Wrong(text) = read(&left) else {
            panic!("`left` was not reported as an error");
        };
        assert!(text.contains("replaced"), "{text}");
    }
    let json = Reader::new(Encoding::Json, "relay-x-");
    assert!(matches!(json.read(b"[]"), Message::Wrong(_)));
    assert_eq!(json.read(b"{\"type\":\"of tomorrow\"}"), Message::Other);
    // In another order of fields.
    let turned = b"{\"room\":\"relay-x-5\",\"seq\":3,\"type\":\"ack\"}";
    assert_eq!(json.read(turned), Message::Ack { room: 5, seq: 3 });
}

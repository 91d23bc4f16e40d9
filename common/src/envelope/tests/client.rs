use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::error::ErrorKind::*;

fn decode(text: &str) -> Result<ClientMessage, Box<DecodeError>> {
    decode_client(Payload::Json(text))
}

#[test]
fn client_messages_survive_both_encodings() {
    for message in client_messages() {
        for encoding in Encoding::ALL {
            let bytes = encoded_client(encoding, &message);
            let payload = Payload::from_bytes(encoding, &bytes).unwrap();
            assert_eq!(decode_client(payload), Ok(message.clone()));
        }
    }
}

#[test]
fn json_may_have_escapes_spaces_nulls_and_unknown_fields() {
    let message = decode(
        " { \"\\u0074ype\" : \"jo\\u0069n\", \"room\":\"m\\u0065mory-1\", \"more\":[[{}]], \"since\":null,\n \"id\": 0 } ",
    )
    .unwrap();
    assert_eq!(message.id, Some(0));
    let ClientKind::Join(join) = message.kind else {
        panic!("{message:?}")
    };
    assert_eq!((join.room, join.since), (room("memory-1"), None));
}

#[test]
fn data_is_passed_on_byte_for_byte() {
    let message =
        decode(r#"{"type":"live","room":"r","data": { "a" : 1.50, "b":"\u00e9\/" } }"#).unwrap();
    let data = json(r#"{ "a" : 1.50, "b":"\u00e9\/" }"#);
    assert_eq!(
        message.kind,
        ClientKind::Live {
            room: room("r"),
            data
        }
    );
}

#[test]
fn the_last_of_repeated_fields_counts() {
    let message = decode(r#"{"type":"nope","type":"leave","room":"a","room":"b"}"#).unwrap();
    assert_eq!(message.kind, ClientKind::Leave { room: room("b") });
}

#[test]
fn every_fault_has_its_kind_and_names_its_field() {
    let cases = [
        ("", BadJson, "not JSON"),
        ("{", BadJson, "not JSON"),
        ("hello", BadJson, "not JSON"),
        (r#"{"type":"ping"} {}"#, BadJson, "not JSON"),
        (r#"{"type":"ping",}"#, BadJson, "not JSON"),
        (r#"[1,2"#, BadJson, "not JSON"),
        (r#"{"type":"ping","x":[1,}"#, BadJson, "not JSON"),
        (r#"[{"type":"ping"}]"#, BadMessage, "object"),
        ("7", BadMessage, "object"),
        ("null", BadMessage, "object"),
        ("{}", BadMessage, "`type`"),
        (r#"{"type":7}"#, BadMessage, "`type`"),
        (r#"{"type":"fly"}"#, UnknownType, "\"fly\""),
        (r#"{"type":"ping","id":-1}"#, BadMessage, "`id`"),
        (r#"{"type":"ping","id":1.5}"#, BadMessage, "`id`"),
        (r#"{"type":"ping","id":"1"}"#, BadMessage, "`id`"),
        (
            r#"{"type":"ping","id":9007199254740992}"#,
            BadMessage,
            "`id`",
        ),
        (r#"{"type":"leave"}"#, BadMessage, "`room`"),
        (r#"{"type":"leave","room":7}"#, BadMessage, "`room`"),
        (r#"{"type":"leave","room":""}"#, BadRoom, "`room` is empty"),
        (
            r#"{"type":"leave","room":"a.b"}"#,
            BadRoom,
            "not allowed: '.'",
        ),
        (
            r#"{"type":"input","room":"r","data":1}"#,
            BadMessage,
            "`seq`",
        ),
        (
            r#"{"type":"input","room":"r","seq":"1","data":1}"#,
            BadMessage,
            "`seq`",
        ),
        (
            r#"{"type":"input","room":"r","seq":1}"#,
            BadMessage,
            "`data`",
        ),
        (
            r#"{"type":"live","room":"r","data":null,"data_b64":""}"#,
            BadMessage,
            "both",
        ),
        (
            r#"{"type":"live","room":"r","data_b64":"*"}"#,
            BadMessage,
            "`data_b64`",
        ),
        (
            r#"{"type":"live","room":"r","data":"\ud800x"}"#,
            BadData,
            "surrogate",
        ),
        (
            r#"{"type":"live","room":"r","data":[1e999]}"#,
            BadData,
            "range",
        ),
        (
            r#"{"type":"join","room":"r","role":"boss"}"#,
            BadMessage,
            "`role`",
        ),
        (
            r#"{"type":"join","room":"r","since":-1}"#,
            BadMessage,
            "`since`",
        ),
        (
            r#"{"type":"join","room":"r","params":[]}"#,
            BadMessage,
            "`params`",
        ),
        (
            r#"{"type":"join","room":"r","epoch":1}"#,
            BadMessage,
            "`epoch`",
        ),
        (
            r#"{"type":"join","room":"r","attempt":4294967296}"#,
            BadMessage,
            "`attempt`",
        ),
        (r#"{"type":"auth"}"#, BadMessage, "`token`"),
    ];
    for (text, kind, part) in cases {
        let error = decode(text).unwrap_err();
        assert_eq!(error.kind, kind, "{text}: {error:?}");
        assert!(error.message.contains(part), "{text}: {error:?}");
    }
    let long = format!(r#"{{"type":"leave","room":"{}"}}"#, "a".repeat(65));
    assert_eq!(decode(&long).unwrap_err().kind, BadRoom);
    let long = format!(
        r#"{{"type":"join","room":"r","client":"{}"}}"#,
        "a".repeat(65)
    );
    assert_eq!(decode(&long).unwrap_err().kind, BadMessage);
}

#[test]
fn invalid_utf8_is_not_json() {
    let error = decode_server(Encoding::Json, b"{\"type\":\"\xff\"}").unwrap_err();
    assert_eq!(error.kind, BadJson);
}

#[test]
fn an_error_carries_the_id_room_and_seq_that_were_valid() {
    let error = decode(r#"{"type":"input","id":9,"room":"r","seq":3}"#).unwrap_err();
    assert_eq!(
        (error.id, error.room, error.seq),
        (Some(9), Some(room("r")), Some(3))
    );
    let error = decode(r#"{"type":"input","id":9,"room":".","seq":-3,"data":1}"#).unwrap_err();
    assert_eq!((error.id, error.room, error.seq), (Some(9), None, None));
}

#[test]
fn data_may_nest_at_most_64_levels() {
    let deep = |open: &str, close: &str, levels| {
        let value = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        (
            decode(&format!(r#"{{"type":"live","room":"r","data":{value}}}"#)).map(|_| ()),
            decode(&format!(
                r#"{{"type":"join","room":"r","params":{{"a":{value}}}}}"#
            ))
            .map(|_| ()),
        )
    };
    for (open, close) in [("[", "]"), (r#"{"[":"#, "}")] {
        assert_eq!(deep(open, close, 63), (Ok(()), Ok(())));
        let (data, params) = deep(open, close, 64);
        assert_eq!((data, params.unwrap_err().kind), (Ok(()), BadData));
        assert_eq!(deep(open, close, 65).0.unwrap_err().kind, BadData);
        assert_eq!(deep(open, close, 30_000).0.unwrap_err().kind, BadData);
    }
    let brackets = format!(
        r#"{{"type":"live","room":"r","data":"\"{}"}}"#,
        "[".repeat(99)
    );
    assert!(decode(&brackets).is_ok());
    let siblings = format!(
        r#"{{"type":"live","room":"r","data":[{}1]}}"#,
        "[],".repeat(99)
    );
    assert!(decode(&siblings).is_ok());
}

#[test]
fn ignored_fields_may_nest_without_limit() {
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let message = decode(&format!(r#"{{"type":"ping","x":{deep},"data":{deep}}}"#)).unwrap();
    assert_eq!(message.kind, ClientKind::Ping);
    assert_eq!(decode(&deep).unwrap_err().kind, BadMessage);
    assert_eq!(decode(&deep[1..]).unwrap_err().kind, BadJson);
}

#[test]
fn data_that_every_json_parser_accepts_is_accepted() {
    for value in [
        r#""\ud83d\ude00""#,
        r#""\\ud800""#,
        "1e308",
        "-0.5E-400",
        "123456789012345678901234567890",
    ] {
        let text = format!(r#"{{"type":"live","room":"r","data":{value}}}"#);
        assert!(decode(&text).is_ok(), "{value}");
    }
    let digits = format!(r#"{{"type":"live","room":"r","data":{}}}"#, "9".repeat(400));
    assert_eq!(decode(&digits).unwrap_err().kind, BadData);
}

#[test]
fn protobuf_is_checked_like_json() {
    let input = |data, seq| ClientMessage {
        id: Some(5),
        kind: ClientKind::Input {
            room: room("r"),
            seq,
            data,
        },
    };
    let cases = [
        (input(json("{} {}"), 1), BadData),
        (input(json(""), 1), BadData),
        (
            input(Data::Json(format!("{}1", "[".repeat(65)).into()), 1),
            BadData,
        ),
        (
            input(
                Data::Json(format!("{}{}", "[".repeat(65), "]".repeat(65)).into()),
                1,
            ),
            BadData,
        ),
        (
            input(Data::Json(Bytes::from_static(b"\"\xff\"")), 1),
            BadData,
        ),
        (input(json("1"), 1 << 53), BadMessage),
    ];
    for (message, kind) in cases {
        let bytes = encoded_client(Encoding::Proto, &message);
        let error = decode_client(Payload::Proto(&bytes)).unwrap_err();
        assert_eq!(error.kind, kind, "{message:?}: {error:?}");
        assert_eq!((error.id, error.room), (Some(5), Some(room("r"))));
    }
    let cases: [(&[u8], _); 5] = [
        (b"", UnknownType),
        (&[0x08, 0x05, 0xA2, 0x06, 0x00], UnknownType), // id 5, field 100
        (&[0xFF], BadJson),
        (&[0x1A, 0x00], BadRoom),              // leave {}
        (&[0x22, 3, 26, 1, b'r'], BadMessage), // input without data
    ];
    for (bytes, kind) in cases {
        let error = decode_client(Payload::Proto(bytes)).unwrap_err();
        assert_eq!(error.kind, kind, "{bytes:?}: {error:?}");
    }
    let trimmed = encoded_client(Encoding::Proto, &input(json(" [1]\n"), 1));
    assert_eq!(
        decode_client(Payload::Proto(&trimmed)),
        Ok(input(json("[1]"), 1))
    );
}

/// Every decoded message can be encoded, whatever the bytes were, and nothing panics.
#[test]
fn mutated_bytes_never_panic_the_decoder() {
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        for encoding in Encoding::ALL {
            let mut corpus: Vec<_> = client_messages()
                .iter()
                .map(|message| encoded_client(encoding, message))
                .collect();
            corpus.push((0..64).map(|_| rng.random()).collect());
            for mut bytes in corpus {
                for _ in 0..rng.random_range(1..6) {
                    mutate(&mut bytes, &mut rng);
                }
                if let Ok(payload) = Payload::from_bytes(encoding, &bytes)
                    && let Ok(message) = decode_client(payload)
                {
                    for encoding in Encoding::ALL {
                        let again = encoded_client(encoding, &message);
                        let again = Payload::from_bytes(encoding, &again).unwrap();
                        let again = decode_client(again);
                        assert_eq!(again, Ok(message.clone()), "seed {seed}");
                    }
                }
                let _ = decode_server(encoding, &bytes);
            }
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    const PIECES: [&[u8]; 8] = [
        b"\"", b"\\u", b"\\ud800", b"[{", b"null", b"}", b"1e9", b"\xff",
    ];
    let at = rng.random_range(0..=bytes.len());
    match rng.random_range(0..5) {
        0 if at < bytes.len() => bytes[at] = rng.random(),
        1 if at < bytes.len() => drop(bytes.remove(at)),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, rng.random()),
        _ => drop(bytes.splice(
            at..at,
            PIECES[rng.random_range(0..PIECES.len())].iter().copied(),
        )),
    }
}

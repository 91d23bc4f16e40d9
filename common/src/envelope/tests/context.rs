use super::*;
use crate::error::ErrorKind::*;

#[test]
fn d31_an_error_names_what_precedes_the_fault() {
    let context = |id, room: Option<&str>, seq| MessageContext {
        id,
        room: room.map(|room| room.parse().unwrap()),
        seq,
    };
    let named = |error: Box<DecodeError>| MessageContext {
        id: error.id,
        room: error.room,
        seq: error.seq,
    };
    let all = context(Some(5), Some("r"), Some(7));
    for (text, kind, wanted) in [
        (
            r#"{"type":"input","id":5,"room":"r","seq":7,"data":{"a"}}"#,
            BadJson,
            all.clone(),
        ),
        (r#"{"id":5,"room":"r","seq":7,"#, BadJson, all.clone()),
        (r#"{"id":5,"room":"r","seq":7} {}"#, BadJson, all.clone()),
        // More digits may be missing.
        (
            r#"{"id":5,"room":"r","seq":7"#,
            BadJson,
            context(Some(5), Some("r"), None),
        ),
        (
            r#"{"id":5,"room":"r"#,
            BadJson,
            context(Some(5), None, None),
        ),
        (
            r#"{"type":"input","id":5,"room":"r","seq":7}"#,
            BadMessage,
            all.clone(),
        ),
        (
            r#"{"type":"fly","id":5.0,"room":"r","seq":7e0}"#,
            UnknownType,
            all.clone(),
        ),
        (
            r#"{"type":"input","id":5,"room":"r","seq":"7"}"#,
            BadMessage,
            context(Some(5), Some("r"), None),
        ),
        ("", BadJson, MessageContext::default()),
    ] {
        let error = decode_json(text).unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert_eq!(named(error), wanted, "{text}");
    }
    let input = |data| ClientMessage {
        id: Some(5),
        kind: ClientKind::Input {
            room: room("r"),
            seq: 7,
            data,
        },
    };
    let mut damaged = encoded_client(Encoding::Proto, &input(json("1")));
    damaged.extend([0x22, 0xFF]);
    let error = decode_client(Payload::Proto(&damaged)).unwrap_err();
    assert_eq!((error.kind, named(error)), (BadJson, all));
}

#[test]
fn d31_what_an_error_names_is_read_without_decoding() {
    for message in client_messages() {
        let (room, seq) = match &message.kind {
            ClientKind::Join(join) => (Some(&join.room), None),
            ClientKind::Leave { room } | ClientKind::Live { room, .. } => (Some(room), None),
            ClientKind::Input { room, seq, .. } => (Some(room), Some(*seq)),
            ClientKind::Ping | ClientKind::Auth { .. } => (None, None),
        };
        let wanted = MessageContext {
            id: message.id,
            room: room.cloned(),
            seq,
        };
        for encoding in Encoding::ALL {
            let bytes = encoded_client(encoding, &message);
            assert_eq!(read_context(encoding, &bytes), wanted, "{message:?}");
            // A cut shortens what is known, and never changes it.
            for cut in 0..bytes.len() {
                let context = read_context(encoding, &bytes[..cut]);
                let names = |part: bool, whole: bool| !part || whole;
                assert!(names(context.id.is_some(), context.id == wanted.id));
                assert!(names(context.seq.is_some(), context.seq == wanted.seq));
                assert!(names(context.room.is_some(), context.room == wanted.room));
            }
        }
    }
    let damaged = b"{\"id\":5,\"seq\":7,\"data\":\"\xff\"}";
    let context = read_context(Encoding::Json, damaged);
    assert_eq!((context.id, context.seq), (Some(5), Some(7)));
    let late = format!(
        r#"{{"type":"input","room":"r","seq":7,"data":"{}","id":5}}"#,
        "x".repeat(MAX_CONTEXT_BYTES)
    );
    let context = read_context(Encoding::Json, late.as_bytes());
    assert_eq!((context.id, context.seq), (None, Some(7)));
}

#[test]
fn a_whole_number_is_an_integer_however_it_is_written() {
    for (number, value) in [
        ("7", Some(7)),
        ("7.0", Some(7)),
        ("7.000", Some(7)),
        ("7e0", Some(7)),
        ("0.7E+1", Some(7)),
        ("70e-1", Some(7)),
        ("0.0", Some(0)),
        ("-0.0", Some(0)),
        ("0e9", Some(0)),
        ("9007199254740991.0", Some(MAX_INTEGER)),
        ("9.007199254740991e15", Some(MAX_INTEGER)),
        ("9007199254740992.0", None),
        ("4503599627370496.5", None),
        ("7.5", None),
        ("7.00000000000000000000001", None),
        ("1e-1", None),
        ("-7.0", None),
        ("1e19", None),
        ("1e999999999999", None),
        ("99999999999999999999999.0", None),
        ("true", None),
        ("[7]", None),
        ("\"7.0\"", None),
    ] {
        let ping = decode_json(&format!(r#"{{"type":"ping","id":{number}}}"#));
        let seq = decode_json(&format!(
            r#"{{"type":"input","room":"r","seq":{number},"data":1}}"#
        ));
        let since = decode_json(&format!(r#"{{"type":"join","room":"r","since":{number}}}"#));
        match value {
            Some(value) => {
                assert_eq!(ping.unwrap().id, Some(value), "{number}");
                let ClientKind::Input { seq, .. } = seq.unwrap().kind else {
                    panic!("not an input")
                };
                assert_eq!(seq, value, "{number}");
                assert!(since.is_ok(), "{number}");
            }
            None => {
                for error in [ping.err(), seq.err(), since.err()] {
                    assert_eq!(error.map(|e| e.kind), Some(BadMessage), "{number}");
                }
            }
        }
    }
}

fn decode_json(text: &str) -> Result<ClientMessage, Box<DecodeError>> {
    decode_client(Payload::Json(text))
}

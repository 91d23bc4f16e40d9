use super::*;

#[test]
fn server_messages_survive_both_encodings() {
    let mut count = 0;
    for_each_server_message(|message| {
        count += 1;
        for encoding in Encoding::ALL {
            let bytes = encoded_server(encoding, message);
            assert_eq!(decode_server(encoding, &bytes), Ok(message.into()));
        }
    });
    assert_eq!(count, 27);
}

/// The messages of the protocol's description, to the letter.
#[test]
fn json_has_the_documented_fields() {
    let mut lines = Vec::new();
    for_each_server_message(|message| {
        lines.push(String::from_utf8(encoded_server(Encoding::Json, message)).unwrap());
    });
    for line in [
        r#"{"type":"welcome","connection":"c1","edge":"e-0-aa","protocol":1,"heartbeat_ms":25000,"limits":{"message_bytes":65536,"rooms":32,"window":64,"json_depth":64},"features":[]}"#,
        r#"{"type":"joined","id":3,"room":"memory-42","role":"player","instance":"6f","last_seq":0}"#,
        r#"{"type":"joined","room":"memory-42","role":"spectator"}"#,
        r#"{"type":"left","room":"memory-42","code":"replaced"}"#,
        r#"{"type":"snapshot","room":"memory-42","epoch":"19a.2.p","version":42,"patch":"merge","data":{"kind":"flipped","card":5,"face":"A"}}"#,
        r#"{"type":"update","room":"memory-42","version":1,"prev":0,"data":{"kind":"flipped","card":5,"face":"A"}}"#,
        r#"{"type":"direct","room":"memory-42","data":{"kind":"flipped","card":5,"face":"A"}}"#,
        r#"{"type":"live","room":"memory-42","data":{"kind":"flipped","card":5,"face":"A"}}"#,
        r#"{"type":"ack","room":"memory-42","seq":7}"#,
        r#"{"type":"reject","room":"memory-42","seq":8,"code":"not_your_turn","message":"It is bob's turn."}"#,
        r#"{"type":"presence","room":"memory-42","players":[{"id":"alice","state":"connected"},{"id":"Zoë \"Z\"","state":"lost"}],"viewers":120}"#,
        r#"{"type":"presence","room":"memory-42","player_count":65,"viewers":120}"#,
        r#"{"type":"pong","time_ms":1767225600000}"#,
        r#"{"type":"notice","code":"draining"}"#,
        r#"{"type":"error","id":3,"code":"bad_seq","message":"say \"7\"\t\u007f\u001f","room":"memory-42","seq":3,"retry_after_ms":3}"#,
    ] {
        // Our messages have the character, the text here its escape.
        let line = line.replace("\\u007f", "\u{7f}");
        assert!(lines.contains(&line), "{line} is not in {lines:#?}");
    }
}

#[test]
fn bytes_are_standard_base64_in_json() {
    let bytes = encoded_server(
        Encoding::Json,
        &ServerMessage::Live {
            room: &room("r"),
            data: &binary(&[0xfb, 0xff, 0xbf, 0]),
            n: None,
        },
    );
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        r#"{"type":"live","room":"r","data_b64":"+/+/AA=="}"#
    );
}

#[test]
fn an_unknown_server_message_has_its_own_error() {
    for (encoding, bytes) in [
        (Encoding::Json, &br#"{"type":"dance"}"#[..]),
        (Encoding::Proto, &[0xA2, 0x06, 0x00]),
    ] {
        let error = decode_server(encoding, bytes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownType);
    }
}

#[test]
fn encoding_appends_to_the_buffer() {
    let mut out = bytes::BytesMut::from("head");
    let room = room("r");
    encode_server(
        Encoding::Json,
        &ServerMessage::Ack {
            room: &room,
            seq: 1,
        },
        &mut out,
    );
    assert_eq!(&out[..], br#"head{"type":"ack","room":"r","seq":1}"#);
}

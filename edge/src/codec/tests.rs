use super::*;
use crate::websocket::deflate::tests::{deflater, frames_payload, inflate};

#[test]
fn put_deflated_compresses_the_message_of_a_frame_of_any_encoding_and_length() {
    let mut encoder = Encoder {
        deflater: deflater(3),
        sent: SentCounts::default(),
    };
    for size in [1, 100, 125, 126, 1000, 65_535, 70_000] {
        let text = "na ".repeat(size / 3 + 1);
        let message = ServerMessage::Error {
            id: None,
            code: "x",
            message: &text,
            room: None,
            seq: None,
            retry_after_ms: None,
        };
        for encoding in Encoding::ALL {
            let plain = super::message(encoding, &message);
            let mut out = Vec::new();
            encoder.put_deflated(&mut out, encoding, &plain);
            assert_eq!(out[0] & 0xBF, plain[0]);
            let payload = frames_payload(&plain);
            assert_eq!(out[0] & 0x40 != 0, out.len() < plain.len(), "{size}");
            assert!(size < 100 || out.len() < plain.len(), "{size}");
            match out[0] & 0x40 {
                0 => assert_eq!(out, plain),
                _ => assert!(inflate(frames_payload(&out)) == payload),
            }
        }
    }
    for (index, format) in WireFormat::ALL.into_iter().enumerate() {
        assert_eq!(format.index(), index);
    }
}

//! Compression for clients that negotiated it.

use super::*;
use crate::codec::WireFormat;
use crate::websocket::decoder::{Decoder, Event};
use crate::websocket::frame::Message;
use crate::websocket::inflate::Inflater;

/// The messages in frames, some of which are compressed.
fn inflated(frames: &[u8]) -> Vec<serde_json::Value> {
    // The decoder expects masked frames. A mask of zeros adds only the mask bit and four bytes.
    let (mut masked, mut at) = (Vec::new(), 0);
    while let Some(len) = crate::websocket::frame::frame_len(&frames[at..]) {
        let header = match frames[at + 1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        masked.push(frames[at]);
        masked.push(frames[at + 1] | 0x80);
        masked.extend_from_slice(&frames[at + 2..at + header]);
        masked.extend_from_slice(&[0; 4]);
        masked.extend_from_slice(&frames[at + header..at + len]);
        at += len;
    }
    let mut decoder = Decoder::new(1 << 20).with_deflate(true);
    let (mut input, mut inflater, mut all) = (&mut masked[..], Inflater::default(), Vec::new());
    while let Some(event) = decoder.handle_bytes(&mut input, &mut inflater).unwrap() {
        let Event::Message(Message::Text(text)) = event else {
            panic!("{event:?}")
        };
        all.push(serde_json::from_str(text).unwrap());
    }
    all
}

#[test]
fn an_update_is_compressed_once_per_encoding_and_small_ones_are_not() {
    let (mut lane, mut encoder) = (lane(), encoder());
    let deflate = |encoding| WireFormat {
        encoding,
        deflate: true,
    };
    for i in 0..100 {
        lane.clients_mut()
            .add_member(conn(i), deflate(Encoding::Json), false);
        lane.clients_mut()
            .add_member(conn(100 + i), deflate(Encoding::Proto), false);
        lane.clients_mut()
            .add_member(conn(200 + i), Encoding::Json.into(), false);
    }
    let big = Data::json(&vec!["the same again"; 100]).unwrap();
    lane.update(&room(), 1, &data(1), &mut encoder);
    assert_eq!(encoder.stats().messages, 0, "the update is too small");
    lane.update(&room(), 2, &big, &mut encoder);
    assert_eq!(encoder.stats().messages, 2, "once for each encoding");
    assert_eq!(lane.clients_mut().take_encoded(), 4);
    let mut seen = HashMap::new();
    flush(&mut lane, usize::MAX, |key, frames| {
        seen.insert(key.index, frames);
        true
    });
    assert_eq!(seen[&0].as_ptr(), seen[&99].as_ptr(), "shared");
    assert_eq!(seen[&100].as_ptr(), seen[&199].as_ptr(), "shared");
    assert!(seen[&0].len() * 4 < seen[&200].len());
    assert_eq!(inflated(&seen[&0]), texts(&seen[&200]));

    // Clients that join later get the same, compressed once for all of them.
    let plain = lane.catch_up(&room(), Encoding::Json.into(), &mut encoder);
    let made = encoder.stats().messages;
    let late = lane.catch_up(&room(), deflate(Encoding::Json), &mut encoder);
    let later = lane.catch_up(&room(), deflate(Encoding::Json), &mut encoder);
    assert_eq!(encoder.stats().messages, made + 1);
    assert_eq!(late, later);
    assert_eq!(inflated(&late.unwrap()), texts(&plain.unwrap()));
    let missed = lane
        .missed(&room(), Encoding::Json, 1, lane.catch_up.epoch())
        .unwrap();
    assert_eq!(versions(&missed), [2]);
}

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::websocket::frame;

/// An event that owns its payload, or the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Error(ProtocolError),
}

/// Decodes `bytes` in pieces of these lengths; the last length repeats.
pub(super) fn feed(decoder: &mut Decoder, bytes: &[u8], pieces: &[usize]) -> Vec<Seen> {
    let (mut seen, mut inflater) = (Vec::new(), Inflater::default());
    let mut rest = bytes;
    let mut pieces = pieces.iter().copied();
    let mut size = 1;
    while !rest.is_empty() {
        size = pieces.next().unwrap_or(size).clamp(1, rest.len());
        let (piece, after) = rest.split_at(size);
        rest = after;
        let mut scratch = piece.to_vec();
        let mut input = scratch.as_mut_slice();
        loop {
            match decoder.handle_bytes(&mut input, &mut inflater) {
                Ok(None) => break,
                Ok(Some(event)) => seen.push(match event {
                    Event::Message(Message::Text(t)) => Seen::Text(t.into()),
                    Event::Message(Message::Binary(b)) => Seen::Binary(b.to_vec()),
                    Event::Ping(p) => Seen::Ping(p.to_vec()),
                    Event::Pong => Seen::Pong,
                    Event::Close(code) => Seen::Close(code),
                }),
                Err(error) => seen.push(Seen::Error(error)),
            }
        }
        assert!(input.is_empty(), "the decoder consumes all input");
    }
    seen
}

/// A client's frame with this first byte, valid or not. The length is encoded in the fewest bytes.
pub(super) fn client_frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

const MASK: [u8; 4] = [0x12, 0xF4, 0x56, 0x00];

fn f(first: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(first, payload, MASK)
}

fn texts(seen: &str) -> Seen {
    Seen::Text(seen.as_bytes().to_vec())
}

#[test]
fn the_rules_of_rfc_6455_hold_however_the_bytes_are_split() {
    use ProtocolError::*;
    let error = |error| vec![Seen::Error(error)];
    let close = |payload: &[u8]| f(0x88, payload);
    let code = |code: u16| f(0x88, &code.to_be_bytes());
    let table: Vec<(&str, Vec<u8>, Vec<Seen>)> = vec![
        ("text", f(0x81, "grün".as_bytes()), vec![texts("grün")]),
        ("empty text", f(0x81, b""), vec![texts("")]),
        (
            "binary",
            f(0x82, &[0xFF; 126]),
            vec![Seen::Binary(vec![0xFF; 126])],
        ),
        (
            "long",
            f(0x82, &[7; 70_000]),
            vec![Seen::Binary(vec![7; 70_000])],
        ),
        ("ping", f(0x89, b"hi"), vec![Seen::Ping(b"hi".to_vec())]),
        (
            "longest ping",
            f(0x89, &[1; 125]),
            vec![Seen::Ping(vec![1; 125])],
        ),
        ("pong", f(0x8A, b"unasked"), vec![Seen::Pong]),
        (
            "fragments with control frames and an empty one between",
            [
                f(0x01, b"a"),
                f(0x89, b"p"),
                f(0x00, b""),
                f(0x8A, b""),
                f(0x80, b"b"),
            ]
            .concat(),
            vec![Seen::Ping(b"p".to_vec()), Seen::Pong, texts("ab")],
        ),
        (
            "a character split by fragments",
            [f(0x01, &[0xF0, 0x9F]), f(0x00, &[0x8E]), f(0x80, &[0xB2])].concat(),
            vec![texts("🎲")],
        ),
        (
            "binary need not be UTF-8",
            f(0x82, &[0xC0]),
            vec![Seen::Binary(vec![0xC0])],
        ),
        ("rsv1", f(0xC1, b"a"), error(ReservedBits)),
        ("rsv2", f(0xA1, b"a"), error(ReservedBits)),
        ("rsv3 of a control frame", f(0x99, b""), error(ReservedBits)),
        ("opcode 3", f(0x83, b""), error(Opcode)),
        ("opcode 7", f(0x87, b""), error(Opcode)),
        ("opcode 11", f(0x8B, b""), error(Opcode)),
        ("opcode 15", f(0x8F, b""), error(Opcode)),
        ("unmasked", vec![0x81, 0x01, b'a'], error(Unmasked)),
        ("unmasked and empty", vec![0x81, 0x00], error(Unmasked)),
        ("ping in fragments", f(0x09, b"a"), error(FragmentedControl)),
        ("close in fragments", f(0x08, b""), error(FragmentedControl)),
        ("long ping", f(0x89, &[0; 126]), error(LongControl)),
        ("long close", f(0x88, &[0; 200]), error(LongControl)),
        (
            "16-bit length of 125",
            vec![0x82, 0xFE, 0, 125],
            error(Length),
        ),
        (
            "64-bit length of 65535",
            vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            error(Length),
        ),
        (
            "64-bit length with its top bit",
            vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0],
            error(Length),
        ),
        (
            "continuation without a message",
            f(0x80, b"a"),
            error(NothingToContinue),
        ),
        (
            "continuation after the end",
            [f(0x01, b"a"), f(0x80, b"b"), f(0x00, b"c")].concat(),
            vec![texts("ab"), Seen::Error(NothingToContinue)],
        ),
        (
            "text in text",
            [f(0x01, b"a"), f(0x81, b"b")].concat(),
            error(Interleaved),
        ),
        (
            "binary in text",
            [f(0x01, b"a"), f(0x02, b"b")].concat(),
            error(Interleaved),
        ),
        ("not UTF-8", f(0x81, &[b'a', 0xC0, 0x80]), error(Utf8)),
        ("surrogate", f(0x81, &[0xED, 0xA0, 0x80]), error(Utf8)),
        (
            "above U+10FFFF",
            f(0x81, &[0xF4, 0x90, 0x80, 0x80]),
            error(Utf8),
        ),
        (
            "half a character at the end",
            f(0x81, &[b'a', 0xE2, 0x82]),
            error(Utf8),
        ),
        (
            "half a character at the end of the last fragment",
            [f(0x01, &[0xE2]), f(0x80, &[0x82])].concat(),
            error(Utf8),
        ),
        (
            "half a character, then an empty fragment",
            [f(0x01, &[0xE2]), f(0x80, b"")].concat(),
            error(Utf8),
        ),
        ("close", close(b""), vec![Seen::Close(None)]),
        (
            "close with a reason",
            close(b"\x03\xE8bye"),
            vec![Seen::Close(Some(1000))],
        ),
        (
            "bytes after a close are ignored",
            [code(1001), f(0x81, b"x"), vec![0xFF]].concat(),
            vec![Seen::Close(Some(1001))],
        ),
        (
            "close within a message",
            [f(0x01, b"a"), code(1000)].concat(),
            vec![Seen::Close(Some(1000))],
        ),
        ("close of one byte", close(&[3]), error(CloseLength)),
        (
            "close reason not UTF-8",
            close(b"\x03\xE8\xFF"),
            error(CloseReason),
        ),
        (
            "messages before an error are decoded, and none after it",
            [f(0x81, b"a"), f(0x83, b""), f(0x81, b"b")].concat(),
            vec![texts("a"), Seen::Error(Opcode)],
        ),
    ];
    let mut table = table;
    for good in [
        1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999,
    ] {
        table.push(("good close code", code(good), vec![Seen::Close(Some(good))]));
    }
    for bad in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        table.push(("bad close code", code(bad), error(CloseCode(bad))));
    }
    for (name, bytes, expected) in table {
        for pieces in [&[usize::MAX][..], &[1], &[2], &[3], &[7]] {
            let mut decoder = Decoder::new(100_000);
            assert_eq!(feed(&mut decoder, &bytes, pieces), expected, "{name}");
            assert_eq!(decoder.buffered(), 0, "{name}: a buffer is kept");
            let over = matches!(expected.last(), Some(Seen::Close(_) | Seen::Error(_)));
            assert_eq!(decoder.is_over(), over, "{name}");
        }
    }
}

#[test]
fn invalid_utf8_is_rejected_at_its_first_invalid_byte() {
    // The header announces 1000 bytes. The third is invalid, and no more arrive.
    let mut bytes = f(0x01, &[b'a'; 1000]);
    bytes.truncate(8 + 3);
    bytes[8 + 2] ^= b'a' ^ 0xFF;
    for pieces in [&[usize::MAX][..], &[1]] {
        let seen = feed(&mut Decoder::new(1000), &bytes, pieces);
        assert_eq!(seen, [Seen::Error(ProtocolError::Utf8)]);
    }
    // No character begins with F4 90, so the two missing bytes do not matter.
    let bytes = &f(0x01, &[0xF4, 0x90, 0x80, 0x80])[..8];
    let seen = feed(&mut Decoder::new(1000), bytes, &[1]);
    assert_eq!(seen, [Seen::Error(ProtocolError::Utf8)]);
}

#[test]
fn a_message_over_the_limit_is_rejected_when_its_header_arrives() {
    let limit = ProtocolError::TooBig { limit: 10 };
    let whole = f(0x82, &[0; 11]);
    let mut decoder = Decoder::new(10);
    assert_eq!(feed(&mut decoder, &whole[..6], &[6]), [Seen::Error(limit)]);
    assert_eq!(decoder.buffered(), 0);

    let exact = [f(0x02, &[0; 4]), f(0x80, &[0; 6])].concat();
    let seen = feed(&mut Decoder::new(10), &exact, &[usize::MAX]);
    assert_eq!(seen, [Seen::Binary(vec![0; 10])]);

    let over = [f(0x02, &[0; 4]), f(0x80, &[0; 7])].concat();
    let seen = feed(&mut Decoder::new(10), &over[..10 + 6], &[1]);
    assert_eq!(seen, [Seen::Error(limit)]);

    let huge = [
        0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
    ];
    assert_eq!(
        feed(&mut Decoder::new(10), &huge, &[usize::MAX]),
        [Seen::Error(limit)]
    );
}

#[test]
fn buffers_grow_with_received_bytes_and_not_with_announced_lengths() {
    let mut decoder = Decoder::new(32 << 20);
    assert!(size_of::<Decoder>() <= 80, "{}", size_of::<Decoder>());
    let frame = f(0x82, &vec![1; 1 << 20]);
    feed(&mut decoder, &frame[..20], &[usize::MAX]);
    assert!(decoder.buffered() <= 64);
    feed(&mut decoder, &frame[20..1 << 20], &[10_000]);
    assert!(decoder.buffered() <= 1 << 20);
    let seen = feed(&mut decoder, &frame[1 << 20..], &[usize::MAX]);
    assert_eq!(seen.len(), 1);
    assert_eq!(decoder.buffered(), 0);
}

/// The bytes of a random client: mostly valid frames, some invalid ones.
fn random_stream(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.random_range(1..12) {
        let first = match rng.random_range(0..20) {
            0 => rng.random(),
            1..=3 => 0x89,
            4 => 0x8A,
            5..=8 => 0x01,
            9..=12 => 0x80,
            13..=14 => 0x00,
            15..=17 => 0x81,
            18 => 0x02,
            _ => 0x82,
        };
        let size = match rng.random_range(0..10) {
            0 => 0,
            1 => rng.random_range(100..70_000),
            _ => rng.random_range(1..100),
        };
        let mut payload = vec![b'a'; size];
        if first & 0x0F == 8 && size > 1 {
            payload[..2].copy_from_slice(&1000_u16.to_be_bytes());
        }
        for _ in 0..3 {
            if size > 8 && rng.random_bool(0.5) {
                let at = rng.random_range(0..size - 4);
                payload[at..at + 4].copy_from_slice("🎲".as_bytes());
            }
        }
        let mut frame = client_frame(first, &payload, rng.random());
        if rng.random_bool(0.03) {
            let at = rng.random_range(0..frame.len());
            frame[at] = rng.random();
        }
        bytes.extend_from_slice(&frame);
    }
    bytes
}

fn random_pieces(rng: &mut StdRng) -> Vec<usize> {
    let longest = *[1, 3, 20, 3000, 100_000]
        .get(rng.random_range(0..5))
        .unwrap();
    (0..200).map(|_| rng.random_range(1..=longest)).collect()
}

#[test]
fn the_events_do_not_depend_on_how_the_bytes_are_split() {
    for seed in 0..1000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let bytes = random_stream(&mut rng);
        let pieces = random_pieces(&mut rng);
        let at_once = feed(&mut Decoder::new(60_000), &bytes, &[usize::MAX]);
        let in_pieces = feed(&mut Decoder::new(60_000), &bytes, &pieces);
        assert_eq!(at_once, in_pieces, "seed {seed}");
    }
}

#[test]
fn random_bytes_never_panic() {
    for seed in 0..1000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut bytes = vec![0; rng.random_range(1..300)];
        rng.fill_bytes(&mut bytes);
        // Makes the first header valid in some of them.
        bytes[0] &= 0x8F;
        if let Some(second) = bytes.get_mut(1) {
            *second |= 0x80;
        }
        let pieces = random_pieces(&mut rng);
        feed(&mut Decoder::new(200), &bytes, &pieces);
    }
}

#[test]
fn server_frames_have_the_shortest_header_and_control_frames_fit_125_bytes() {
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let mut buf = BytesMut::new();
        frame::put_frame(&mut buf, Opcode::Binary, &vec![9; size]);
        assert_eq!(buf.len(), frame::header_len(size) + size);
        assert_eq!(frame::frame_len(&buf), Some(buf.len()));
        assert_eq!(frame::frame_len(&buf[..1]), None);
    }
    let reason = "é".repeat(100);
    let close = frame::close(1000, &reason);
    assert_eq!(close.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&close[4..]).is_ok());
    assert_eq!(frame::close_reply(None)[..], [0x88, 0]);
    assert_eq!(frame::close_reply(Some(1001))[..], [0x88, 2, 3, 0xE9]);
    assert_eq!(frame::ping(&[0; 200]).len(), 127);
}

//! Compressed messages, valid and invalid.

use flate2::{Compress, Compression, FlushCompress};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::websocket::decoder::tests::{Seen, client_frame, feed};
use crate::websocket::inflate::InflateStats;

const LIMIT: u32 = 60_000;

/// Compresses like most clients: flushes, and omits the last four bytes of the flush.
pub(super) fn deflate(plain: &[u8], level: u32) -> Vec<u8> {
    let mut machine = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(plain.len() + plain.len() / 8 + 1000);
    machine
        .compress_vec(plain, &mut out, FlushCompress::Sync)
        .unwrap();
    assert_eq!(machine.total_in() as usize, plain.len());
    out.truncate(out.strip_suffix(&[0, 0, 0xFF, 0xFF]).unwrap().len());
    out
}

/// Encodes `plain` in stored blocks of `block` bytes.
fn stored(plain: &[u8], block: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for block in plain.chunks(block) {
        let len = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.push(0);
    out
}

fn decoder() -> Decoder {
    Decoder::new(LIMIT).with_deflate(true)
}

fn f(first: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(first, payload, [0x12, 0xF4, 0x56, 0x00])
}

fn text(text: &str) -> Seen {
    Seen::Text(text.as_bytes().to_vec())
}

/// Includes the examples of RFC 7692 section 7.2.3.
#[test]
fn the_rules_of_rfc_7692_hold_however_the_bytes_are_split() {
    use ProtocolError::*;
    let error = |error| vec![Seen::Error(error)];
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let stored_hello = [
        0x00, 0x05, 0x00, 0xFA, 0xFF, b'H', b'e', b'l', b'l', b'o', 0x00,
    ];
    let last_hello = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    let two_blocks = [
        0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
    ];
    let twice = [&last_hello[..7], &hello].concat();
    let longest = "é".repeat(LIMIT as usize / 2);
    let table: Vec<(&str, Vec<u8>, Vec<Seen>)> = vec![
        ("one block", f(0xC1, &hello), vec![text("Hello")]),
        (
            "a stored block",
            f(0xC1, &stored_hello),
            vec![text("Hello")],
        ),
        ("a last block", f(0xC1, &last_hello), vec![text("Hello")]),
        (
            "a last block without the byte after it",
            f(0xC1, &last_hello[..7]),
            vec![text("Hello")],
        ),
        ("two blocks", f(0xC1, &two_blocks), vec![text("Hello")]),
        (
            "blocks after a last one",
            f(0xC1, &twice[..]),
            vec![text("HelloHello")],
        ),
        ("empty", f(0xC1, &[0]), vec![text("")]),
        ("empty, without a block", f(0xC1, &[]), vec![text("")]),
        (
            "empty in two frames",
            [f(0x42, &[]), f(0x80, &[0])].concat(),
            vec![Seen::Binary(vec![])],
        ),
        (
            "in two frames, with a ping between",
            [f(0x41, &hello[..3]), f(0x89, b"p"), f(0x80, &hello[3..])].concat(),
            vec![Seen::Ping(b"p".to_vec()), text("Hello")],
        ),
        (
            "in three frames, one of them empty",
            [f(0x42, &hello[..1]), f(0x00, b""), f(0x80, &hello[1..])].concat(),
            vec![Seen::Binary(b"Hello".to_vec())],
        ),
        (
            "between messages that are not compressed",
            [
                f(0x81, b"a"),
                f(0xC1, &hello),
                f(0x01, b"b"),
                f(0x80, b"c"),
                f(0xC1, &hello),
            ]
            .concat(),
            vec![text("a"), text("Hello"), text("bc"), text("Hello")],
        ),
        (
            "exactly at the limit",
            f(0xC1, &deflate(longest.as_bytes(), 6)),
            vec![text(&longest)],
        ),
        (
            "incompressible data at the limit, in the smallest blocks of zlib",
            f(0xC2, &stored(&vec![7; LIMIT as usize], 127)),
            vec![Seen::Binary(vec![7; LIMIT as usize])],
        ),
        (
            "rsv1 of a continuation",
            [f(0x41, &hello[..3]), f(0xC0, &hello[3..])].concat(),
            error(ReservedBits),
        ),
        (
            "rsv1 of a continuation of a plain message",
            [f(0x01, b"a"), f(0xC0, b"b")].concat(),
            error(ReservedBits),
        ),
        ("rsv1 of a ping", f(0xC9, b""), error(ReservedBits)),
        ("rsv1 of a close", f(0xC8, b""), error(ReservedBits)),
        ("rsv1 of opcode 3", f(0xC3, b""), error(ReservedBits)),
        ("rsv1 and rsv2", f(0xE1, &hello), error(ReservedBits)),
        ("rsv1 and rsv3", f(0xD1, &hello), error(ReservedBits)),
        (
            "a compressed message inside a plain one",
            [f(0x01, b"a"), f(0xC1, &hello)].concat(),
            error(Interleaved),
        ),
        ("a block of type 3", f(0xC1, &[0x07]), error(Deflate)),
        (
            "a stored block with a wrong length",
            f(0xC1, &[0, 5, 0, 5, 0, 1, 2, 3, 4, 5, 0]),
            error(Deflate),
        ),
        (
            "ends within a stored block",
            f(0xC1, &stored_hello[..8]),
            error(Deflate),
        ),
        (
            "ends within a compressed block",
            f(0xC1, &hello[..4]),
            error(Deflate),
        ),
        (
            "a reference before the start of the message",
            f(0xC2, &[0x02, 0x81, 0x00]),
            error(Deflate),
        ),
        (
            "invalid data after a last block",
            f(0xC1, &[&last_hello[..7], &[0xFF; 4]].concat()),
            error(Deflate),
        ),
        ("not UTF-8", f(0xC1, &deflate(b"gr\xFCn", 6)), error(Utf8)),
        (
            "half a character at the end",
            f(0xC1, &deflate(b"a\xE2\x82", 6)),
            error(Utf8),
        ),
        (
            "binary need not be UTF-8",
            f(0xC2, &deflate(b"\xC0", 6)),
            vec![Seen::Binary(vec![0xC0])],
        ),
        (
            "one byte too many",
            f(0xC2, &deflate(&vec![7; LIMIT as usize + 1], 6)),
            error(TooBig { limit: LIMIT }),
        ),
        (
            "many bytes too many",
            f(0xC2, &deflate(&vec![7; 4 << 20], 6)),
            error(TooBig { limit: LIMIT }),
        ),
        (
            "messages before an error are decoded",
            [f(0xC1, &hello), f(0xC1, &[0x07]), f(0x81, b"x")].concat(),
            vec![text("Hello"), Seen::Error(Deflate)],
        ),
    ];
    for (name, bytes, expected) in table {
        for pieces in [&[usize::MAX][..], &[1], &[2], &[7]] {
            let mut decoder = decoder();
            let seen = feed(&mut decoder, &bytes, pieces);
            assert!(seen == expected, "{name}: {:.300}", format!("{seen:?}"));
            assert_eq!(decoder.buffered(), 0, "{name}: a buffer is kept");
        }
    }
    let mut plain = Decoder::new(LIMIT);
    let seen = feed(&mut plain, &f(0xC1, &hello), &[usize::MAX]);
    assert_eq!(seen, error(ReservedBits), "compression was not negotiated");
}

#[test]
fn a_compressed_message_over_the_limit_is_rejected_before_it_is_complete() {
    let limit = 1024;
    let error = [Seen::Error(ProtocolError::TooBig { limit })];
    let decoder = || Decoder::new(limit).with_deflate(true);
    let payload = vec![0; 1024 + 64 + 64 + 1];
    let whole = f(0xC2, &payload);
    assert_eq!(feed(&mut decoder(), &whole[..8], &[8]), error);
    let parts = [f(0x42, &payload[..600]), f(0x80, &payload[600..])].concat();
    assert_eq!(feed(&mut decoder(), &parts[..620], &[100]), error);
    // The next message is plain, so the limit without the allowance for compression applies.
    let after = [f(0xC2, &[0]), f(0x82, &payload[..1025])].concat();
    assert_eq!(feed(&mut decoder(), &after, &[usize::MAX])[1..], error);
}

/// 20 MB of zeros in 20 KB.
#[test]
fn a_decompression_bomb_is_not_inflated_beyond_the_limit() {
    let bomb = f(0xC2, &deflate(&vec![0; 20 << 20], 9));
    assert!(bomb.len() < 22_000, "{}", bomb.len());
    let (limit, mut inflater) = (200_000, Inflater::default());
    let mut decoder = Decoder::new(limit).with_deflate(true);
    let (mut bytes, mut errors) = (bomb, 0);
    let mut input = bytes.as_mut_slice();
    while !input.is_empty() {
        match decoder.handle_bytes(&mut input, &mut inflater) {
            Err(error) => {
                assert_eq!(error, ProtocolError::TooBig { limit });
                errors += 1;
            }
            Ok(event) => assert!(event.is_none(), "{event:?}"),
        }
    }
    assert_eq!(errors, 1);
    assert!(inflater.buffered() <= limit as usize + 1);
    assert_eq!(inflater.take_counts(), InflateStats::default());
}

#[test]
fn a_decoder_keeps_no_buffer_between_compressed_messages_and_the_shared_buffer_shrinks() {
    let mut inflater = Inflater::default();
    let mut decoder = Decoder::new(32 << 20).with_deflate(true);
    for (size, kept) in [(4 << 20, 8 << 20), (1000, 4096)] {
        let mut bytes = f(0xC2, &deflate(&vec![9; size], 6));
        let mut input = bytes.as_mut_slice();
        let event = decoder.handle_bytes(&mut input, &mut inflater).unwrap();
        assert_eq!(event, Some(Event::Message(Message::Binary(&vec![9; size]))));
        assert_eq!(decoder.buffered(), 0);
        assert!(inflater.buffered() <= kept);
        assert_eq!(inflater.take_counts().to_bytes, size as u64);
    }
}

fn random_plain(rng: &mut StdRng) -> String {
    let size = match rng.random_range(0..10) {
        0 => 0,
        1 => rng.random_range(5000..30_000),
        _ => rng.random_range(1..500),
    };
    let variety = rng.random_range(1..=4);
    (0..size)
        .map(|_| ['a', 'é', '字', '🎲'][rng.random_range(0..variety)])
        .collect()
}

/// Appends a payload in random frames, with pings between them.
fn put_frames(rng: &mut StdRng, first: u8, mut payload: &[u8], bytes: &mut Vec<u8>) {
    let mut opcode = first & 0x7F;
    loop {
        let last = rng.random_bool(0.5);
        let size = if last {
            payload.len()
        } else {
            rng.random_range(0..=payload.len())
        };
        let (piece, rest) = payload.split_at(size);
        payload = rest;
        let fin = if last { 0x80 } else { 0 };
        bytes.extend_from_slice(&client_frame(fin | opcode, piece, rng.random()));
        opcode = 0;
        if last {
            return;
        }
        if rng.random_bool(0.2) {
            bytes.extend_from_slice(&client_frame(0x89, b"between", rng.random()));
        }
    }
}

#[test]
fn compressed_messages_decode_to_the_same_events_as_plain_ones() {
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut bytes, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(1..8) {
            let plain = random_plain(&mut rng).into_bytes();
            let kind = if rng.random_bool(0.6) { 1 } else { 2 };
            let (rsv1, payload) = match rng.random_range(0..5) {
                0 => (0, plain.clone()),
                1 => (0x40, stored(&plain, rng.random_range(1000..9000))),
                _ => (0x40, deflate(&plain, rng.random_range(0..=9))),
            };
            if plain.len() > LIMIT as usize {
                continue;
            }
            put_frames(&mut rng, rsv1 | kind, &payload, &mut bytes);
            sent.push(match kind {
                1 => Seen::Text(plain),
                _ => Seen::Binary(plain),
            });
        }
        let longest = [1, 20, 3000, 100_000][rng.random_range(0..4)];
        let pieces: Vec<_> = (0..200).map(|_| rng.random_range(1..=longest)).collect();
        let mut seen = feed(&mut decoder(), &bytes, &pieces);
        seen.retain(|event| *event != Seen::Ping(b"between".to_vec()));
        assert!(seen == sent, "seed {seed}");
    }
}

#[test]
fn a_damaged_compressed_message_is_complete_or_an_error_however_the_bytes_are_split() {
    let mut errors = 0;
    for seed in 0..1000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut payload = deflate(random_plain(&mut rng).as_bytes(), rng.random_range(0..=9));
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..payload.len());
            payload[at] = rng.random();
        }
        if rng.random_bool(0.3) {
            payload.truncate(rng.random_range(0..=payload.len()));
        }
        let mut bytes = Vec::new();
        put_frames(&mut rng, 0x42, &payload, &mut bytes);
        let at_once = feed(&mut decoder(), &bytes, &[usize::MAX]);
        let in_pieces = feed(&mut decoder(), &bytes, &[rng.random_range(1..100)]);
        assert_eq!(at_once, in_pieces, "seed {seed}");
        match at_once.last() {
            Some(Seen::Error(error)) => {
                errors += 1;
                assert!(
                    matches!(error, ProtocolError::Deflate | ProtocolError::TooBig { .. }),
                    "seed {seed}"
                );
            }
            Some(Seen::Binary(plain)) => assert!(plain.len() <= LIMIT as usize, "seed {seed}"),
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(errors > 300, "only {errors} were rejected");
}

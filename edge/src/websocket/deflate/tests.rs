use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::websocket::frame::{frame_len, header_len};

/// Inflates a compressed payload as a receiver does.
pub(crate) fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut machine = flate2::Decompress::new(false);
    let mut plain = Vec::with_capacity(1 << 20);
    let whole = [payload, &TAIL].concat();
    let flush = flate2::FlushDecompress::Sync;
    let status = machine.decompress_vec(&whole, &mut plain, flush).unwrap();
    assert_eq!(status, Status::Ok);
    assert_eq!(machine.total_in() as usize, whole.len());
    plain
}

pub(crate) fn deflater(level: u32) -> Deflater {
    let min_bytes = 32;
    Deflater::new(DeflateOptions { level, min_bytes })
}

#[test]
fn each_message_is_compressed_on_its_own_at_every_level() {
    for level in 1..=9 {
        let mut deflater = deflater(level);
        let mut rng = StdRng::seed_from_u64(level.into());
        for _ in 0..30 {
            let size = rng.random_range(300..70_000);
            let text: String = (0..size / 10)
                .map(|_| {
                    format!(
                        "\"f{}\":{},",
                        rng.random_range(0..9),
                        rng.random_range(0..99)
                    )
                })
                .collect();
            let mut out = b"before".to_vec();
            deflater.put_frame(&mut out, Opcode::Text, text.as_bytes());
            let frame = &out[6..];
            assert_eq!(frame[0], 0xC1);
            assert_eq!(frame_len(frame), Some(frame.len()));
            assert!(frame.len() < text.len() * 2 / 3);
            let header = frame.len() - frames_payload(frame).len();
            assert_eq!(inflate(&frame[header..]), text.as_bytes());

            let mut again = Vec::new();
            deflater.put_frame(&mut again, Opcode::Text, text.as_bytes());
            assert_eq!(
                again, frame,
                "the result does not depend on earlier messages"
            );
        }
    }
}

pub(crate) fn frames_payload(frame: &[u8]) -> &[u8] {
    let len = frame.len();
    let header = [2, 4, 10].into_iter().find(|h| header_len(len - h) == *h);
    &frame[header.unwrap()..]
}

#[test]
fn short_or_incompressible_messages_are_sent_uncompressed() {
    let mut deflater = deflater(3);
    let mut noise = vec![0; 60_000];
    StdRng::seed_from_u64(1).fill_bytes(&mut noise);
    for payload in [&[b'a'; 31][..], b"", &noise[..32], &noise[..200], &noise] {
        let (mut out, mut plain) = (Vec::new(), Vec::new());
        deflater.put_frame(&mut out, Opcode::Binary, payload);
        put_frame(&mut plain, Opcode::Binary, payload);
        assert!(out == plain, "{}", payload.len());
    }
    // The abandoned message does not affect the next one.
    let mut out = Vec::new();
    deflater.put_frame(&mut out, Opcode::Binary, &[b'a'; 32]);
    assert_eq!(out[0], 0xC2);
    assert_eq!(inflate(&out[2..]), [b'a'; 32]);
    let (from_bytes, to_bytes) = (
        32 + 200 + 60_000 + 32,
        32 + 200 + 60_000 + out.len() as u64 - 2,
    );
    assert_eq!(
        deflater.counts(),
        DeflateStats {
            messages: 4,
            from_bytes,
            to_bytes
        }
    );
}

#[test]
fn the_buffer_shrinks_after_a_large_message() {
    let mut deflater = deflater(1);
    let mut out = Vec::new();
    deflater.put_frame(&mut out, Opcode::Binary, &vec![7; 4 << 20]);
    assert!(out.len() < 1 << 18);
    deflater.put_frame(&mut out, Opcode::Binary, &[7; 4000]);
    assert!(deflater.buffer.capacity() <= MAX_KEPT_BYTES);
}

#[test]
fn compression_allocates_nothing_after_the_first_message() {
    let mut deflater = deflater(3);
    let (payload, mut out) = ([b'z'; 3000], Vec::with_capacity(4000));
    deflater.put_frame(&mut out, Opcode::Text, &payload);
    let allocations = crate::alloc_counter::allocations(|| {
        for _ in 0..100 {
            out.clear();
            deflater.put_frame(&mut out, Opcode::Text, &payload);
        }
    });
    assert_eq!(allocations, 0);
}

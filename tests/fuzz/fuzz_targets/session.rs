//! Any bytes, split anywhere, compressed or not, give the same events as the same bytes in one piece, never a panic,
//! and never an unbounded buffer.
#![no_main]

use grandstand_edge::websocket::decoder::Decoder;
use grandstand_edge::websocket::inflate::Inflater;
use libfuzzer_sys::fuzz_target;

const LIMIT: u32 = 4096;

fn events(bytes: &[u8], deflate: bool, cuts: impl Iterator<Item = usize>) -> Vec<String> {
    let mut session = Decoder::new(LIMIT).with_deflate(deflate);
    let mut inflater = Inflater::default();
    let mut rest = bytes.to_vec();
    let mut seen = Vec::new();
    for cut in cuts.chain([usize::MAX]) {
        let mut piece: Vec<u8> = rest.drain(..cut.min(rest.len())).collect();
        let mut input = &mut piece[..];
        loop {
            match session.handle_bytes(&mut input, &mut inflater) {
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                Err(fault) => {
                    seen.push(format!("{fault:?}"));
                    return seen;
                }
            }
        }
        // Compressed data may be slightly longer than the decompressed data.
        assert!(session.buffered() <= LIMIT as usize + LIMIT as usize / 16 + 64 + 256);
        assert!(inflater.buffered() <= LIMIT as usize + 1);
    }
    seen
}

fuzz_target!(|input: (bool, Vec<u8>, Vec<u8>)| {
    let (deflate, bytes, cuts) = input;
    let whole = events(&bytes, deflate, std::iter::empty());
    let cut = events(&bytes, deflate, cuts.iter().map(|&c| usize::from(c)));
    assert_eq!(whole, cut);
});

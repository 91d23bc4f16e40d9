//! Any bytes, cut anywhere, give the same events as the same bytes at once, and never a panic or an unbounded buffer.
#![no_main]

use grandstand_edge::session::Session;
use libfuzzer_sys::fuzz_target;

const LIMIT: u32 = 4096;

fn events(bytes: &[u8], cuts: impl Iterator<Item = usize>) -> Vec<String> {
    let mut session = Session::new(LIMIT);
    let (mut rest, mut seen) = (bytes.to_vec(), Vec::new());
    for cut in cuts.chain([usize::MAX]) {
        let mut piece: Vec<u8> = rest.drain(..cut.min(rest.len())).collect();
        let mut input = &mut piece[..];
        loop {
            match session.handle_bytes(&mut input) {
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                Err(fault) => {
                    seen.push(format!("{fault:?}"));
                    return seen;
                }
            }
        }
        assert!(session.buffered() <= LIMIT as usize + 256);
    }
    seen
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (bytes, cuts) = input;
    let whole = events(&bytes, std::iter::empty());
    let cut = events(&bytes, cuts.iter().map(|&c| usize::from(c)));
    assert_eq!(whole, cut);
});

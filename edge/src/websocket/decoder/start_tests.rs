use super::deflate_tests::deflate;
use super::tests::client_frame;
use super::*;

fn f(first: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(first, payload, [0x12, 0xF4, 0x56, 0x00])
}

/// The kept start of a message over the limit of 10 bytes, of which these bytes arrive in two pieces.
fn start_of(decoder: Decoder, bytes: &[u8], cut: usize) -> Vec<u8> {
    let (mut decoder, mut inflater) = (decoder, Inflater::default());
    let (first, second) = bytes.split_at(cut);
    for piece in [first, second] {
        let mut scratch = piece.to_vec();
        let mut input = scratch.as_mut_slice();
        while !input.is_empty() {
            if let Err(error) = decoder.handle_bytes(&mut input, &mut inflater) {
                assert_eq!(error, ProtocolError::TooBig { limit: 10 });
                return decoder.take_start(&mut inflater);
            }
        }
    }
    panic!("the message is accepted");
}

#[test]
fn the_start_of_a_message_over_the_limit_is_kept_as_far_as_it_arrived_with_its_header() {
    let decoder = || Decoder::new(10);
    let whole = f(0x81, b"0123456789abcdef");
    assert_eq!(
        start_of(decoder(), &whole, whole.len()),
        b"0123456789abcdef"
    );
    assert_eq!(start_of(decoder(), &whole, 6 + 3), b"012");
    assert_eq!(start_of(decoder(), &whole, 6), b"");
    let parts = [f(0x01, b"0123"), f(0x80, b"456789abcdef")].concat();
    assert_eq!(
        start_of(decoder(), &parts, parts.len()),
        b"0123456789abcdef"
    );
    assert_eq!(start_of(decoder(), &parts, 10 + 6 + 1), b"01234");
    let long = f(0x82, &[7; 3 * START_BYTES]);
    assert_eq!(start_of(decoder(), &long, long.len()), [7; START_BYTES]);
    let deflating = || decoder().with_deflate(true);
    let deflated = deflate(&[b'x'; 4000], 6);
    let whole = f(0xC1, &deflated);
    assert_eq!(start_of(deflating(), &whole, whole.len()), [b'x'; 11]);
    // The limit for compressed bytes is 74 here, and nothing was inflated.
    let whole = f(0xC1, &[0; 75]);
    assert_eq!(start_of(deflating(), &whole, whole.len()), b"");
}

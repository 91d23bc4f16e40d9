//! No message from a client or from another process panics a decoder, and every decoded message survives encoding.
#![no_main]

use grandstand_common::envelope::{Encoding, Payload, decode_client, encode_client};
use grandstand_common::wire::{Batch, Entry, Interest, LinkRequest, Live};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    for encoding in Encoding::ALL {
        if let Ok(payload) = Payload::from_bytes(encoding, bytes)
            && let Ok(message) = decode_client(payload)
        {
            let mut again = Vec::new();
            encode_client(encoding, &message, &mut again);
            let again = Payload::from_bytes(encoding, &again).expect("encoded JSON is UTF-8");
            assert_eq!(decode_client(again), Ok(message));
        }
    }
    let _ = Batch::decode(bytes);
    let _ = Entry::decode(bytes);
    let _ = Interest::decode(bytes);
    let _ = LinkRequest::decode(bytes);
    let _ = Live::decode(bytes);
});

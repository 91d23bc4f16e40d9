//! The first message over QUIC is read without a panic, and is the same however its bytes come.
#![no_main]

use grandstand_edge::server::fuzzing::hello;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 256;

fuzz_target!(|bytes: &[u8]| hello(bytes, LIMIT));

//! A header of the PROXY protocol is parsed without a panic, and ends where it ends, however its bytes come.
#![no_main]

use grandstand_edge::server::fuzzing::proxy_header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| proxy_header(bytes));

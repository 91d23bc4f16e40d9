//! A key set (JWKS) is parsed or refused without a panic, and makes no unsigned token valid.
#![no_main]

use grandstand_common::auth::fuzzing::key_set;
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA";

fuzz_target!(|text: &[u8]| key_set(text, TOKEN));

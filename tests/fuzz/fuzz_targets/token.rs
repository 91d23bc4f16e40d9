//! No unsigned token is valid, and no token panics the verifier.
#![no_main]

use grandstand_common::auth::{Expected, Key, Verifier};
use libfuzzer_sys::fuzz_target;

const SECRET: &[u8] = b"a secret of the fuzz target, which signs nothing";

fuzz_target!(|token: &str| {
    let key = Key::secret(SECRET).expect("the secret is long enough");
    let verifier = Verifier::new(vec![key], Expected::default());
    assert!(verifier.verify(token, 1_700_000_000_000).is_err());
});

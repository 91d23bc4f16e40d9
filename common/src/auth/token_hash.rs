//! The id of a token, as grants and revocations remember it.

use xxhash_rust::xxh3::xxh3_64;

/// A hash of a token's `jti`; not 0. Whoever makes two ids with one hash can have only both tokens revoked.
pub(super) fn token_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes()).max(1)
}

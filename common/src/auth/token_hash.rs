//! The id of a token, as grants and revocations remember it.

use xxhash_rust::xxh3::xxh3_64;

/// A hash of a token's `jti`; not 0. Two ids with the same hash are revoked together.
pub(super) fn token_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes()).max(1)
}

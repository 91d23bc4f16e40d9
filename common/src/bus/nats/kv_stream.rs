//! The names and headers of buckets, as other tools expect them.

use async_nats::header::{self, HeaderMap};

/// `KV_{bucket}`: the stream of a bucket.
pub(super) fn kv_name(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// `$KV.{bucket}.{key}`: the subject of a key.
pub(super) fn kv_subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// The header that makes a put a compare-and-swap.
pub(super) fn expecting(revision: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
    headers.insert(name, revision.to_string());
    headers
}

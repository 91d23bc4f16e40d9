//! The hash of a JSON value. It depends on the value alone, not on how the value was written.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// The hash of a value.
pub(super) fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

//! Keyed values of which only the latest matters.

use std::collections::BTreeMap;

use grandstand_game::Data;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most values of a lane.
const MAX_VALUES: usize = 256;
/// The most bytes of a key.
const MAX_KEY: usize = 64;

/// The values of a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Values(BTreeMap<String, Value>);

impl Values {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An input that sets a value.
#[derive(Deserialize)]
pub(super) struct Put {
    op: String,
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: Value,
}

/// Reads a `put`; `None` for any other input.
pub(super) fn parse(data: &Data) -> Option<Put> {
    let Data::Json(text) = data else {
        return None;
    };
    // Searches before it parses, as for a `config`.
    if !std::str::from_utf8(text).ok()?.contains("\"put\"") {
        return None;
    }
    let put: Put = serde_json::from_slice(text).ok()?;
    (put.op == "put").then_some(put)
}

impl Put {
    /// The reason why the value cannot be set; `None` if it can.
    pub(super) fn check(&self, values: &Values) -> Option<String> {
        if self.key.is_empty() || self.key.len() > MAX_KEY {
            return Some(format!("a key has 1 to {MAX_KEY} bytes"));
        }
        let is_new = !values.0.contains_key(&self.key);
        (is_new && values.0.len() >= MAX_VALUES).then(|| format!("a room has {MAX_VALUES} values"))
    }

    pub(super) fn apply(&self, values: &mut Values) {
        values.0.insert(self.key.clone(), self.value.clone());
    }
}

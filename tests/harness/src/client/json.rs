//! Patches of views, and looks into messages.

use serde_json::Value;

/// Applies a JSON merge patch (RFC 7396) whose arrays and texts are whole.
pub(super) fn merge(view: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        view.clone_from(patch);
        return;
    };
    for (name, change) in members {
        if change.is_null() {
            view.as_object_mut().and_then(|view| view.remove(name));
        } else {
            merge(&mut view[name], change);
        }
    }
}

/// Counts the texts of one letter in a message, at any depth.
pub(super) fn faces(value: &Value) -> usize {
    match value {
        Value::String(text) => usize::from(text.chars().count() == 1),
        Value::Array(items) => items.iter().map(faces).sum(),
        Value::Object(fields) => fields.values().map(faces).sum(),
        _ => 0,
    }
}

//! JSON merge patches (RFC 7396) between two views, computed on their text.
//!
//! Both views are walked member by member, and members with equal text are skipped. No tree of values is built.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The depth of nested objects at which a view is sent whole.
const MAX_DEPTH: usize = 32;
/// A patch of at most this many bytes is sent even if it is larger than half the view.
const SMALL_PATCH: usize = 512;

/// Returns the patch that turns one view into another; `None` if the new view is to be sent whole, because a view is no
/// object or the patch is large.
pub fn diff(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let old: Members<'_> = serde_json::from_slice(old).ok()?;
    let view: Members<'_> = serde_json::from_slice(new).ok()?;
    let mut patch = Vec::new();
    write_patch(&mut patch, &old, &view, 0)?;
    let is_large = patch.len() > SMALL_PATCH && patch.len() > new.len() / 2;
    (!is_large).then_some(patch)
}

/// Returns a view without members that are `null`, which no merge patch can set. Arrays stay as they are, because patches
/// contain them whole.
pub fn without_nulls(view: &[u8]) -> Cow<'_, [u8]> {
    if !view.windows(4).any(|text| text == b"null") {
        return Cow::Borrowed(view);
    }
    let Ok(members) = serde_json::from_slice::<Members<'_>>(view) else {
        return Cow::Borrowed(view);
    };
    let mut text = Vec::with_capacity(view.len());
    match write_object(&mut text, &members, 0) {
        Some(()) => Cow::Owned(text),
        None => Cow::Borrowed(view),
    }
}

/// Applies a JSON merge patch (RFC 7396) to a client's view.
pub fn merge(view: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *view = patch.clone();
        return;
    };
    if !view.is_object() {
        *view = Value::Object(serde_json::Map::new());
    }
    let Some(members) = view.as_object_mut() else {
        return;
    };
    for (name, change) in patch {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(Key<'a>, &'a RawValue)>);

/// The name of a member, borrowed unless it contains escapes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key<'a>(Cow<'a, str>);

fn write_patch(
    out: &mut Vec<u8>,
    old: &Members<'_>,
    new: &Members<'_>,
    depth: usize,
) -> Option<()> {
    if depth == MAX_DEPTH {
        return None;
    }
    out.push(b'{');
    let begin = out.len();
    let is_same_order = old.0.len() == new.0.len()
        && old
            .0
            .iter()
            .zip(&new.0)
            .all(|((old, _), (new, _))| old == new);
    if is_same_order {
        for ((key, before), (_, after)) in old.0.iter().zip(&new.0) {
            write_change(out, begin, key, Some(before), after, depth)?;
        }
    } else {
        let mut before: HashMap<&Key<'_>, &RawValue> =
            old.0.iter().map(|(key, value)| (key, *value)).collect();
        for (key, after) in &new.0 {
            write_change(out, begin, key, before.remove(key), after, depth)?;
        }
        for (key, _) in old.0.iter().filter(|(key, _)| before.contains_key(key)) {
            write_member(out, begin, key, b"null");
        }
    }
    out.push(b'}');
    Some(())
}

/// Writes the change of one member, if there is one.
fn write_change(
    out: &mut Vec<u8>,
    begin: usize,
    key: &Key<'_>,
    before: Option<&RawValue>,
    after: &RawValue,
    depth: usize,
) -> Option<()> {
    if before.is_some_and(|before| before.get() == after.get()) {
        return Some(());
    }
    let objects = before.and_then(|before| Some((object(before)?, object(after)?)));
    let Some((old, new)) = objects else {
        write_member(out, begin, key, after.get().as_bytes());
        return Some(());
    };
    let start = out.len();
    write_member(out, begin, key, b"");
    let inner = out.len();
    write_patch(out, &old, &new, depth + 1)?;
    if &out[inner..] == b"{}" {
        out.truncate(start);
    }
    Some(())
}

fn write_object(out: &mut Vec<u8>, members: &Members<'_>, depth: usize) -> Option<()> {
    if depth == MAX_DEPTH {
        return None;
    }
    out.push(b'{');
    let begin = out.len();
    for (key, value) in &members.0 {
        match object(value) {
            _ if value.get() == "null" => {}
            Some(members) => {
                write_member(out, begin, key, b"");
                write_object(out, &members, depth + 1)?;
            }
            None => write_member(out, begin, key, value.get().as_bytes()),
        }
    }
    out.push(b'}');
    Some(())
}

/// Writes a member of the object whose first member begins at `begin`.
fn write_member(out: &mut Vec<u8>, begin: usize, key: &Key<'_>, value: &[u8]) {
    if out.len() > begin {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, &key.0).expect("writing text into memory does not fail");
    out.push(b':');
    out.extend_from_slice(value);
}

/// Returns the members of a value that is an object.
fn object(value: &RawValue) -> Option<Members<'_>> {
    let is_object = value.get().starts_with('{');
    is_object.then(|| serde_json::from_str(value.get()).ok())?
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests;

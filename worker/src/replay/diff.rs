//! Differences between two states, as paths into their JSON.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::stored::snapshot::StoredState;

/// The maximum number of differences that are kept.
const SHOWN: usize = 20;
/// The maximum length of a printed value in characters.
const VALUE: usize = 60;

/// The differences between two states.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Differences {
    /// The first differences.
    pub list: Vec<Difference>,
    /// The number of further differences.
    pub more: usize,
}

/// One place where two states differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The path, for example `game.deck[3]`.
    pub path: String,
    /// The value in the first state; `None` if it has none there.
    pub one: Option<Value>,
    /// The value in the second state; `None` if it has none there.
    pub other: Option<Value>,
    /// Whether the values are lists with the same items in another order.
    pub reordered: bool,
}

impl Differences {
    pub(super) fn between(one: &StoredState, other: &StoredState) -> Self {
        let mut found = Self::default();
        found.compare(&mut String::new(), &one.to_json(), &other.to_json());
        found
    }

    fn compare(&mut self, path: &mut String, one: &Value, other: &Value) {
        match (one, other) {
            (Value::Object(a), Value::Object(b)) => self.compare_objects(path, a, b),
            (Value::Array(a), Value::Array(b)) => self.compare_lists(path, a, b),
            _ if one == other => {}
            _ => self.push(path, Some(one), Some(other)),
        }
    }

    fn compare_objects(
        &mut self,
        path: &mut String,
        one: &Map<String, Value>,
        other: &Map<String, Value>,
    ) {
        let new = other.keys().filter(|key| !one.contains_key(*key));
        for key in one.keys().chain(new) {
            let len = path.len();
            push_key(path, key);
            match (one.get(key), other.get(key)) {
                (Some(a), Some(b)) => self.compare(path, a, b),
                (a, b) => self.push(path, a, b),
            }
            path.truncate(len);
        }
    }

    fn compare_lists(&mut self, path: &mut String, one: &[Value], other: &[Value]) {
        if one == other {
            return;
        }
        let sorted = |list: &[Value]| {
            let mut texts: Vec<_> = list.iter().map(Value::to_string).collect();
            texts.sort_unstable();
            texts
        };
        if one.len() == other.len() && sorted(one) == sorted(other) {
            self.push(path, Some(&json!(one)), Some(&json!(other)));
            if let Some(last) = self.list.last_mut().filter(|last| last.path == *path) {
                last.reordered = true;
            }
            return;
        }
        for at in 0..one.len().max(other.len()) {
            let len = path.len();
            path.push_str(&format!("[{at}]"));
            match (one.get(at), other.get(at)) {
                (Some(a), Some(b)) => self.compare(path, a, b),
                (a, b) => self.push(path, a, b),
            }
            path.truncate(len);
        }
    }

    fn push(&mut self, path: &str, one: Option<&Value>, other: Option<&Value>) {
        if self.list.len() == SHOWN {
            self.more += 1;
            return;
        }
        self.list.push(Difference {
            path: path.to_owned(),
            one: one.cloned(),
            other: other.cloned(),
            reordered: false,
        });
    }

    /// Writes a table of the differences with these column names.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, one: &str, other: &str) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let paths = width(&mut self.list.iter().map(|d| d.path.chars().count()));
        let ones = width(&mut self.list.iter().map(|d| shown(&d.one).chars().count()));
        let ones = ones.max(one.len());
        writeln!(f, "             {:paths$}  {one:ones$}  {other}", "")?;
        for difference in &self.list {
            let a = shown(&difference.one);
            let b = shown(&difference.other);
            let path = &difference.path;
            write!(f, "             {path:paths$}  {a:ones$}  {b}")?;
            if difference.reordered {
                writeln!(f, "  (the same items in another order)")?
            } else {
                writeln!(f)?
            }
        }
        match self.more {
            0 => Ok(()),
            more => writeln!(f, "             and {more} more"),
        }
    }
}

fn push_key(path: &mut String, key: &str) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(is_word) {
        path.push_str(&format!("[{}]", json!(key)));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

fn shown(value: &Option<Value>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(one: Value, other: Value) -> Vec<String> {
        let mut found = Differences::default();
        found.compare(&mut String::new(), &one, &other);
        let tell = |d: &Difference| format!("{} {} {}", d.path, shown(&d.one), shown(&d.other));
        found.list.iter().map(tell).collect()
    }

    #[test]
    fn differences_are_named_by_their_paths() {
        let one = json!({"room": {"players": {"zoë b": {"n": 1}, "al": {"n": 1}}}, "game": {"deck": [1, 2, {"a": 1}], "x": 1}});
        let other = json!({"room": {"players": {"zoë b": {"n": 2}, "al": {"n": 1}}}, "game": {"deck": [1, 3, {"a": null}, 9], "y": 1}});
        assert_eq!(
            between(one.clone(), other),
            [
                "game.deck[1] 2 3",
                "game.deck[2].a 1 null",
                "game.deck[3] - 9",
                "game.x 1 -",
                "game.y - 1",
                "room.players[\"zoë b\"].n 1 2",
            ]
        );
        assert_eq!(between(one.clone(), one), [""; 0]);
    }

    #[test]
    fn a_reordered_list_is_reported_as_reordered() {
        let mut found = Differences::default();
        found.compare(
            &mut String::new(),
            &json!({"a": [1, 2, 3]}),
            &json!({"a": [3, 1, 2]}),
        );
        assert_eq!((found.list.len(), found.list[0].reordered), (1, true));
    }

    #[test]
    fn long_lists_and_long_values_are_cut() {
        let one = Value::from_iter((0..100).map(|i| (format!("k{i}"), json!("x".repeat(100)))));
        let mut found = Differences::default();
        found.compare(&mut String::new(), &one, &json!({}));
        assert_eq!((found.list.len(), found.more), (SHOWN, 80));
        assert_eq!(shown(&found.list[0].one).chars().count(), VALUE + 1);
    }
}

//! The hash of a room's durable state, equal in all processes that have the same state.
//!
//! It covers the state's JSON. The order of an object's members does not matter, because a game may keep a `HashMap`;
//! all other text is hashed as written. The hash leaves out the owner and age of a snapshot: its epoch, generation and
//! last entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The kinds of JSON values, so that `"1"` is not `1`.
const STRING: u64 = 1;
const SCALAR: u64 = 2;
const ITEM: u64 = 3;
const MEMBER: u64 = 4;
const ARRAY: u64 = 5;
const OBJECT: u64 = 6;

/// The hash of a room's durable state. Its text has 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StateHash(u64);

/// The error for text that is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state's hash has 16 hexadecimal digits")]
pub struct NotAHash;

impl StateHash {
    /// Creates the hash of a room's own state and its game's state, both JSON.
    pub fn new(room: &RawValue, game: &RawValue) -> Self {
        Self(pair(
            of_json(room.get().as_bytes()),
            of_json(game.get().as_bytes()),
            OBJECT,
        ))
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StateHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let is_hash = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(hash) if is_hash => Ok(Self(hash)),
            _ => Err(NotAHash),
        }
    }
}

impl TryFrom<String> for StateHash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.parse()
    }
}

impl From<StateHash> for String {
    fn from(hash: StateHash) -> Self {
        hash.to_string()
    }
}

/// An array or object that is not closed yet.
struct Open {
    is_object: bool,
    hash: u64,
    count: u64,
    key: Option<u64>,
}

impl Open {
    fn take(&mut self, value: u64) {
        if !self.is_object {
            self.hash = pair(self.hash, value, ITEM);
        } else if let Some(key) = self.key.take() {
            // A sum does not depend on the members' order.
            self.hash = self.hash.wrapping_add(pair(key, value, MEMBER));
        } else {
            self.key = Some(value);
            return;
        }
        self.count += 1;
    }

    fn close(self) -> u64 {
        let kind = if self.is_object { OBJECT } else { ARRAY };
        pair(self.hash, self.count, kind)
    }
}

/// The hash of JSON. Text that is not JSON gives an arbitrary number. The nesting of the JSON uses no stack.
pub fn of_json(text: &[u8]) -> u64 {
    let mut open: Vec<Open> = Vec::new();
    let mut hash = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let value = match byte {
            b'{' | b'[' => {
                open.push(Open {
                    is_object: byte == b'{',
                    hash: 0,
                    count: 0,
                    key: None,
                });
                at += 1;
                continue;
            }
            b'}' | b']' => {
                at += 1;
                match open.pop() {
                    Some(open) => open.close(),
                    None => continue,
                }
            }
            b'"' => {
                let begin = at + 1;
                let end = begin + string_len(&text[begin..]);
                at = end + 1;
                xxh3_64_with_seed(&text[begin..end], STRING)
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            _ => {
                let rest = &text[at..];
                let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                let len = rest.iter().position(ends).unwrap_or(rest.len());
                at += len;
                xxh3_64_with_seed(&rest[..len], SCALAR)
            }
        };
        match open.last_mut() {
            Some(open) => open.take(value),
            None => hash = value,
        }
    }
    hash
}

/// The number of bytes before the quote that ends a string.
fn string_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn pair(a: u64, b: u64, kind: u64) -> u64 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&a.to_le_bytes());
    bytes[8..16].copy_from_slice(&b.to_le_bytes());
    bytes[16..].copy_from_slice(&kind.to_le_bytes());
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hash(text: &str) -> u64 {
        of_json(text.as_bytes())
    }

    #[test]
    fn order_of_members_and_blanks_do_not_change_the_hash() {
        let a = r#"{"a":1,"b":{"c":[1,2],"d":"x"}}"#;
        let b = r#" { "b" : { "d" : "x", "c" : [ 1, 2 ] }, "a" : 1 } "#;
        assert_eq!(hash(a), hash(b));
    }

    #[test]
    fn every_other_difference_changes_the_hash() {
        let all = [
            "1",
            "\"1\"",
            "1.0",
            "-1",
            "null",
            "true",
            "false",
            "\"\"",
            "[]",
            "{}",
            "[[]]",
            "[{}]",
            "{\"a\":[]}",
            "[1,2]",
            "[2,1]",
            "[1,[2]]",
            "[[1],2]",
            "[12]",
            "[1,2,null]",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":"b","c":"d"}"#,
            r#"{"a":"d","c":"b"}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"1":"a"}"#,
            r#"["a","b"]"#,
            r#"["a,b"]"#,
            r#"["a\",\"b"]"#,
            r#"["a\\"]"#,
            r#"["a","b","c","d"]"#,
            r#"[{"a":1},{"a":2}]"#,
            r#"[{"a":2},{"a":1}]"#,
            r#"{"a":"\""}"#,
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(hash(a), hash(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn each_changed_byte_of_a_state_changes_the_hash() {
        let state =
            json!({"deck": [3, 1, 2], "players": {"zoë": {"n": 7, "left": false}, "a\"b": null}});
        let text = state.to_string();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            let changed_hash = of_json(&bytes);
            assert_eq!(changed == state, changed_hash == hash(&text), "byte {at}");
        }
    }

    #[test]
    fn invalid_and_deeply_nested_json_is_harmless() {
        for text in [
            "", "\"", "\"\\", "{", "}", "[}", "{\"a\"", "]]]", ":", "tru",
        ] {
            hash(text);
        }
        hash(&"[".repeat(1_000_000));
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_ne!(hash(&deep), hash(&deep[1..deep.len() - 1]));
    }

    #[test]
    fn a_hash_equals_its_parsed_text() {
        let hash = StateHash(0xab);
        assert_eq!(hash.to_string(), "00000000000000ab");
        assert_eq!("00000000000000ab".parse(), Ok(hash));
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<StateHash>(&text).unwrap(), hash);
        for wrong in [
            "",
            "ab",
            "+0000000000000ab",
            "00000000000000ag",
            "000000000000000ab",
        ] {
            assert_eq!(wrong.parse::<StateHash>(), Err(NotAHash));
        }
    }

    /// Snapshots are checked by builds that come later: the hash of a given text never changes.
    #[test]
    fn hashes_are_stable_across_versions() {
        let room =
            RawValue::from_string(r#"{"seed":[1,2],"players":{"a":{"n":1}}}"#.into()).unwrap();
        let game = RawValue::from_string(r#"{"deck":[1,"x",null,1.5]}"#.into()).unwrap();
        assert_eq!(StateHash::new(&room, &game).to_string(), "4daa2129b0f46800");
    }
}

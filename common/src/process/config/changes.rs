//! The difference between two configurations of a process.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::layer;

/// A key whose value has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The dotted key.
    pub key: String,
    /// The value before, for people. Secrets are left out.
    pub from: String,
    /// The value now.
    pub to: String,
    /// Whether a running process takes it on.
    pub is_live: bool,
}

/// Compares the values of a running process with other ones. Returns those that it is to run with, which are the `old` ones
/// but for those that count while it runs, and all changes.
pub(super) fn compare(
    old: &Table,
    new: &Table,
    is_live: impl Fn(&str) -> bool,
) -> (Table, Vec<Change>) {
    let mut values = BTreeMap::new();
    let mut others = BTreeMap::new();
    layer::flatten("", old, &mut values);
    layer::flatten("", new, &mut others);
    let mut changes = Vec::new();
    for (key, to) in others {
        let Some(from) = values.get_mut(&key).filter(|from| **from != to) else {
            continue;
        };
        let is_live = is_live(&key);
        changes.push(Change {
            from: shown(&key, from),
            to: shown(&key, &to),
            is_live,
            key,
        });
        if is_live {
            *from = to;
        }
    }
    let mut table = Table::new();
    for (key, value) in values {
        layer::put(&mut table, &key, value);
    }
    (table, changes)
}

/// A value for people. The address of NATS may have a login, and sections in a list may have secrets.
fn shown(key: &str, value: &Value) -> String {
    let has_sections = value
        .as_array()
        .is_some_and(|items| items.iter().any(Value::is_table));
    let is_secret = ["secret", "token", "password"]
        .iter()
        .any(|word| key.contains(word));
    if is_secret || has_sections || key == "cluster.url" {
        "…".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(shards: u16, rooms: u16, secret: &str) -> Table {
        let text = format!(
            "[edge]\nshards = {shards}\nnames = [\"a\"]\n[limits]\nrooms = {rooms}\n[auth]\nsecret = \"{secret}\"\n"
        );
        text.parse().unwrap()
    }

    #[test]
    fn live_keys_are_taken_and_secrets_are_left_out() {
        let (old, new) = (table(0, 1, ""), table(2, 3, "hidden"));
        let is_live = |key: &str| key != "edge.shards";
        let (live, changes) = compare(&old, &new, is_live);
        assert_eq!(live, table(0, 3, "hidden"));
        let changes: Vec<_> = changes
            .iter()
            .map(|c| (c.key.as_str(), c.from.as_str(), c.to.as_str(), c.is_live))
            .collect();
        let expected = [
            ("auth.secret", "…", "…", true),
            ("edge.shards", "0", "2", false),
            ("limits.rooms", "1", "3", true),
        ];
        assert_eq!(changes, expected);
        assert_eq!(compare(&old, &old, is_live), (old, Vec::new()));
    }

    #[test]
    fn the_address_of_nats_and_sections_with_secrets_are_left_out() {
        let url = Value::String("nats://user:password@n1".to_owned());
        assert_eq!(shown("cluster.url", &url), "…");
        let sections: Table = "[[endpoints]]\nsecret = \"hidden\"".parse().unwrap();
        assert_eq!(shown("outlet.endpoints", &sections["endpoints"]), "…");
    }
}

//! The known keys with their defaults, and the parsing of files, variables and flags.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// The known keys, each with its default.
pub(super) struct Keys {
    defaults: BTreeMap<String, Value>,
    sections: BTreeSet<String>,
}

pub(super) enum Key<'a> {
    Known(&'a Value),
    /// The nearest known key.
    Unknown(Option<&'a str>),
}

impl Keys {
    pub(super) fn new(defaults: &BTreeMap<String, Value>) -> Self {
        let ends = |key: &str| -> Vec<String> {
            let dots = key.match_indices('.');
            dots.map(|(at, _)| key[..at].to_owned()).collect()
        };
        Self {
            defaults: defaults.clone(),
            sections: defaults.keys().flat_map(|key| ends(key)).collect(),
        }
    }

    pub(super) fn find(&self, key: &str) -> Key<'_> {
        match self.defaults.get(key) {
            Some(default) => Key::Known(default),
            None => Key::Unknown(self.nearest(key)),
        }
    }

    pub(super) fn is_section(&self, key: &str) -> bool {
        self.sections.contains(key)
    }

    /// Whether `key` lies in a section that does not exist.
    pub(super) fn is_in_unknown_section(&self, key: &str) -> bool {
        key.rsplit_once('.')
            .is_some_and(|(section, _)| !self.is_section(section))
    }

    /// The key whose variable is `{prefix}_{rest}`.
    pub(super) fn key_of_variable(&self, rest: &str) -> Option<String> {
        let name = |key: &str| key.replace(['.', '-'], "_").to_ascii_uppercase();
        self.defaults.keys().find(|key| name(key) == rest).cloned()
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let distance = |known: &str| {
            if last(known) == last(key) {
                // The key is in the wrong section.
                1
            } else {
                strsim::levenshtein(known, key)
            }
        };
        let known = self
            .defaults
            .keys()
            .map(|known| (distance(known), known.as_str()));
        let (distance, known) = known.min()?;
        (distance <= 3).then_some(known)
    }
}

/// Collects all values of `table` under their dotted keys.
pub(super) fn flatten(path: &str, table: &Table, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = join(path, name);
        match value {
            Value::Table(inner) => flatten(&key, inner, into),
            value => {
                into.insert(key, value.clone());
            }
        }
    }
}

/// Inserts a value under its dotted key.
pub(super) fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Returns `value` if it has the type of the default, else the expected type.
pub(super) fn coerce(value: &Value, default: &Value) -> Result<Value, &'static str> {
    match (value, default) {
        // People often write whole numbers without a point.
        (Value::Integer(whole), Value::Float(_)) => Ok(Value::Float(*whole as f64)),
        (Value::Array(items), Value::Array(defaults)) => {
            let all = match defaults.first() {
                Some(first) => items.iter().all(|item| item.same_type(first)),
                None => true,
            };
            all.then(|| value.clone()).ok_or("a list of the same kind")
        }
        _ if value.same_type(default) => Ok(value.clone()),
        _ => Err(kind(default)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date and time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Parses the text of a variable or flag as the type of the default; returns a string if that fails.
pub(super) fn from_text(text: &str, default: &Value) -> Value {
    let string = || Value::String(text.to_owned());
    match default {
        Value::String(_) => string(),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|i| !i.is_empty());
            let as_strings = Value::String(String::new());
            let (Value::Array(defaults), items) = (default, items) else {
                return string();
            };
            let kind = defaults.first().unwrap_or(&as_strings);
            Value::Array(items.map(|item| from_text(item, kind)).collect())
        }
        _ => {
            let parsed = format!("value = {}", text.trim()).parse::<Table>();
            let value = parsed.ok().and_then(|mut table| table.remove("value"));
            value.unwrap_or_else(string)
        }
    }
}

/// A key or section in a file.
pub(super) struct Entry {
    pub(super) key: String,
    /// `None` for a section.
    pub(super) value: Option<Value>,
    pub(super) line: usize,
}

/// A file that is not valid TOML.
pub(super) struct ParseError {
    pub(super) line: usize,
    pub(super) what: String,
}

pub(super) fn parse_file(text: &str) -> Result<Vec<Entry>, ParseError> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|&b| b == b'\n').count();
    let table = DeTable::parse(text).map_err(|why| ParseError {
        line: why.span().map_or(1, |span| line(span.start)),
        what: format!("is not TOML: {}", why.message()),
    })?;
    let mut entries = Vec::new();
    collect("", table.into_inner(), &mut entries);
    entries
        .into_iter()
        .map(|(key, at, value)| {
            let line = line(at);
            let value = value.map(|value| {
                Value::deserialize(serde::de::IntoDeserializer::into_deserializer(value)).map_err(
                    |why| ParseError {
                        line,
                        what: format!("`{key}`: {}", why.message()),
                    },
                )
            });
            let value = value.transpose()?;
            Ok(Entry { key, value, line })
        })
        .collect()
}

type Found<'i> = (String, usize, Option<Spanned<DeValue<'i>>>);

fn collect<'i>(path: &str, table: DeTable<'i>, into: &mut Vec<Found<'i>>) {
    for (name, value) in table {
        let key = join(path, name.get_ref());
        let at = name.span().start;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(inner) => {
                into.push((key.clone(), at, None));
                collect(&key, inner, into);
            }
            value => into.push((key, at, Some(Spanned::new(span, value)))),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Whether Kubernetes adds this variable, for a service with the same name as the prefix (`grandstand-edge`).
pub(super) fn is_kubernetes_variable(rest: &str) -> bool {
    let port = rest == "PORT" || rest.ends_with("_PORT");
    let of_port = rest.starts_with("PORT_") || rest.contains("_PORT_");
    let service = rest.contains("SERVICE_HOST") || rest.contains("SERVICE_PORT");
    service || port || (of_port && (rest.contains("_TCP") || rest.contains("_UDP")))
}

//! A process' configuration: its defaults, then a TOML file, then the environment, then flags.
//!
//! A configuration is a struct with [`Default`] and serde, and nothing else lists its keys. Each layer is compared with
//! the defaults key by key, so that all problems are reported at once, each with its key and source. Every key has a
//! default: an empty string or list if there is no other.

mod changes;

mod layer;

mod problem;

mod secret;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::exit::{Exit, ExitError as _};
use layer::{Entry, Key, Keys};

pub use changes::Change;
pub use problem::{ConfigError, Origin, Problem};
pub use secret::Secret;

/// A process' configuration. Derive `Serialize` and `Deserialize` with `#[serde(default, deny_unknown_fields)]` on it
/// and its sections.
pub trait Config: Default + Serialize + DeserializeOwned {
    /// The prefix of its environment variables: with `GRANDSTAND_EDGE`, `limits.message_bytes` is
    /// `GRANDSTAND_EDGE_LIMITS_MESSAGE_BYTES`.
    const ENV_PREFIX: &'static str;

    /// Checks ranges and combinations that the types cannot express.
    fn validate(&self, checks: &mut Checks);

    /// Checks what a process can run with but should not. `--check` reports it as a problem, a start as a warning, so that
    /// an update does not stop a process that has run with it.
    fn advise(&self, _checks: &mut Checks) {}

    /// Whether a running process takes on a changed value of this key.
    fn is_live(_key: &str) -> bool {
        false
    }

    /// The filter of the log (`log.filter`); empty for the default one.
    fn log_filter(&self) -> &str {
        ""
    }
}

/// The sources of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<Flag>,
}

#[derive(Debug, Clone)]
struct Flag {
    name: String,
    key: String,
    value: String,
}

impl Sources {
    /// The file, if one was given, and this process' environment.
    pub fn new(file: Option<PathBuf>) -> Self {
        // Variables that are not UTF-8 are not Grandstand's.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            flags: Vec::new(),
        }
    }

    /// Replaces the process' environment with these variables.
    #[must_use]
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = variables.into_iter();
        self.environment = pairs.map(|(n, v)| (n.into(), v.into())).collect();
        self
    }

    /// Whether the environment has a variable of this name.
    pub fn has_variable(&self, name: &str) -> bool {
        self.environment.iter().any(|(known, _)| known == name)
    }

    /// Adds a flag that sets `key`, if it was given.
    #[must_use]
    pub fn flag(mut self, name: &str, key: &str, value: Option<impl ToString>) -> Self {
        self.flags.extend(value.map(|value| Flag {
            name: name.to_owned(),
            key: key.to_owned(),
            value: value.to_string(),
        }));
        self
    }
}

/// Loads a configuration.
///
/// # Errors
/// If the file cannot be read; otherwise all problems of all sources.
pub fn load<C: Config>(sources: &Sources) -> Result<C, ConfigError> {
    load_with(sources, C::validate)
}

/// Compares the configuration of a running process with another one. Returns what it is to run with, which is `old` with
/// those values of `new` that count while it runs, and all changes.
///
/// # Panics
/// If a configuration cannot be written as TOML, or read from it: a bug, found by the program's first reload.
pub fn take_live<C: Config>(old: &C, new: &C) -> (C, Vec<Change>) {
    let table = |config| Table::try_from(config).expect("a configuration can be written as TOML");
    let (values, changes) = changes::compare(&table(old), &table(new), C::is_live);
    let config = values.try_into();
    (config.expect("values of a configuration make one"), changes)
}

/// Checks what [`take_live`] has merged: a new value of a key that counts at once may contradict the earlier value of
/// one that counts only at the next start.
///
/// # Errors
/// All contradictions.
pub fn check_merged<C: Config>(config: &C) -> Result<(), ConfigError> {
    let mut checks = Checks::default();
    config.validate(&mut checks);
    no_problems(checks.0.into_iter().map(Problem::merged).collect())
}

fn no_problems(problems: Vec<Problem>) -> Result<(), ConfigError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfigError::Problems(problems))
    }
}

/// Logs a warning for each piece of [advice](Config::advise).
pub fn warn<C: Config>(config: &C) {
    let mut checks = Checks::default();
    config.advise(&mut checks);
    for (key, what) in checks.0 {
        tracing::warn!("`{key}` {what}");
    }
}

fn load_with<C: Config>(
    sources: &Sources,
    validate: impl FnOnce(&C, &mut Checks),
) -> Result<C, ConfigError> {
    let text = match &sources.file {
        Some(path) => std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })?,
        None => String::new(),
    };
    let mut merged = Merged::of::<C>();
    if let Some(path) = &sources.file {
        merged.add_file(path, &text);
    }
    merged.add_environment(C::ENV_PREFIX, &sources.environment);
    merged.add_flags(&sources.flags);
    merged.finish(validate)
}

/// Validates a configuration for `--check` and reports the result.
///
/// # Errors
/// If `out` cannot be written to.
pub fn check<C: Config>(sources: &Sources, out: &mut impl Write) -> io::Result<Exit> {
    let strict = |config: &C, checks: &mut Checks| {
        config.validate(checks);
        config.advise(checks);
    };
    match load_with(sources, strict) {
        Ok(_) => {
            match &sources.file {
                Some(path) => writeln!(out, "{}: the configuration is valid", path.display())?,
                None => writeln!(out, "the configuration is valid (no file was given)")?,
            }
            Ok(Exit::Ok)
        }
        Err(error) => {
            writeln!(out, "{error}")?;
            Ok(error.exit())
        }
    }
}

/// Compares a documented configuration file (`config/edge.toml`) with the defaults: it must set every key to its
/// default and explain each in a comment above it or on its line. [`Config::validate`] does not run, because a key
/// without a sensible default (a secret) is empty in such a file. For tests.
///
/// # Errors
/// All keys that are missing, unknown, different or without a comment.
pub fn check_documented<C: Config>(text: &str) -> Result<(), ConfigError> {
    let mut merged = Merged::of::<C>();
    let defaults = merged.values.clone();
    merged.add_file("(documented)".as_ref(), text);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    for (name, default) in &defaults {
        let Some(Origin::File { line, .. }) = merged.origins.get(name) else {
            merged.problem(name, Origin::Default, "is missing");
            continue;
        };
        let at = line.saturating_sub(1);
        let above = at.checked_sub(1).and_then(|at| lines.get(at));
        let explained = above.is_some_and(|line| line.starts_with('#'))
            || lines.get(at).is_some_and(|line| line.contains(" # "));
        let origin = merged.origins[name].clone();
        if merged.values[name] != *default {
            merged.problem(name, origin, format!("must be the default, {default}"));
        } else if !explained {
            merged.problem(name, origin, "needs a comment above it or on its line");
        }
    }
    merged.finish(|_: &C, _| {}).map(drop)
}

/// Collects the problems that [`Config::validate`] finds.
#[derive(Debug, Default)]
pub struct Checks(Vec<(String, String)>);

impl Checks {
    /// The problems so far: key, and what is wrong.
    pub fn found(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, what)| (key.as_str(), what.as_str()))
    }

    /// Requires that `key`'s value is in `range`.
    pub fn range(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) {
        let low = range.start();
        let high = range.end();
        self.require(key, range.contains(&value), || {
            format!("must be an integer from {low} to {high}, is {value}")
        });
    }

    /// Requires `ok` of `key`; `expected` says what the value must be.
    pub fn require<T: Into<String>>(&mut self, key: &str, ok: bool, expected: impl FnOnce() -> T) {
        if !ok {
            self.0.push((key.to_owned(), expected().into()));
        }
    }
}

/// The defaults with all layers so far. Keys are dotted: `limits.message_bytes`.
struct Merged {
    keys: Keys,
    values: BTreeMap<String, Value>,
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Merged {
    /// # Panics
    /// If the defaults cannot be written as TOML: a bug, found by the program's first test.
    fn of<C: Config>() -> Self {
        let defaults = Table::try_from(C::default()).expect("defaults can be written as TOML");
        let mut values = BTreeMap::new();
        layer::flatten("", &defaults, &mut values);
        Self {
            keys: Keys::new(&values),
            values,
            origins: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, key: &str, origin: Origin, what: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            origin,
            what: what.into(),
        });
    }

    fn set(&mut self, key: &str, origin: Origin, value: Value) {
        match self.keys.find(key) {
            Key::Unknown(nearest) => {
                let hint = match nearest {
                    Some(nearest) => format!("is not a known key; did you mean `{nearest}`?"),
                    None => "is not a known key".to_owned(),
                };
                self.problem(key, origin, hint);
            }
            Key::Known(default) => match layer::coerce(&value, default) {
                Ok(value) => {
                    self.values.insert(key.to_owned(), value);
                    self.origins.insert(key.to_owned(), origin);
                }
                Err(expected) => self.problem(key, origin, format!("must be {expected}")),
            },
        }
    }

    fn add_file(&mut self, path: &std::path::Path, text: &str) {
        let at = |line| Origin::File {
            path: path.to_owned(),
            line,
        };
        match layer::parse_file(text) {
            Ok(entries) => {
                for entry in entries {
                    let Entry { key, value, line } = entry;
                    match value {
                        // The section itself was reported already.
                        _ if self.keys.is_in_unknown_section(&key) => {}
                        Some(value) => self.set(&key, at(line), value),
                        None if self.keys.is_section(&key) => {}
                        None => self.problem(&key, at(line), "is not a known section"),
                    }
                }
            }
            Err(wrong) => self.problem("", at(wrong.line), wrong.what),
        }
    }

    fn add_environment(&mut self, prefix: &str, variables: &[(String, String)]) {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(prefix).and_then(|r| r.strip_prefix('_')) else {
                continue;
            };
            let origin = Origin::Environment(name.clone());
            match self.keys.key_of_variable(rest) {
                Some(key) => self.set_text(&key, origin, text),
                None if layer::is_kubernetes_variable(rest) || rest == "CONFIG" => {}
                None => self.problem("", origin, "sets no known key"),
            }
        }
    }

    fn add_flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            self.set_text(&flag.key, Origin::Flag(flag.name.clone()), &flag.value);
        }
    }

    fn set_text(&mut self, key: &str, origin: Origin, text: &str) {
        let value = match self.keys.find(key) {
            Key::Known(default) => layer::from_text(text, default),
            Key::Unknown(_) => Value::String(text.to_owned()),
        };
        self.set(key, origin, value);
    }

    /// Invalid values stay at their defaults, so that the other values are validated too.
    fn finish<C: Config>(
        mut self,
        validate: impl FnOnce(&C, &mut Checks),
    ) -> Result<C, ConfigError> {
        let mut accepted = Table::new();
        for (key, origin) in std::mem::take(&mut self.origins) {
            let value = self.values[&key].clone();
            let mut alone = Table::new();
            layer::put(&mut alone, &key, value.clone());
            match alone.try_into::<C>() {
                Ok(_) => {
                    layer::put(&mut accepted, &key, value);
                    self.origins.insert(key, origin);
                }
                Err(why) => self.problem(&key, origin, why.message().trim().to_owned()),
            }
        }
        let config: C = match accepted.try_into() {
            Ok(config) => config,
            Err(why) => {
                self.problem("", Origin::Default, why.message().trim().to_owned());
                return Err(ConfigError::Problems(self.problems));
            }
        };
        let mut checks = Checks::default();
        validate(&config, &mut checks);
        for (key, what) in checks.0 {
            let origin = Origin::of(&key, &self.origins);
            self.problem(&key, origin, what);
        }
        no_problems(self.problems).map(|()| config)
    }
}

//! Problems of a configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::exit::{Exit, ExitError};

/// A configuration that cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// All problems.
    Problems(Vec<Problem>),
}

impl ConfigError {
    /// All problems; empty if the file could not be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::File { .. } => &[],
            Self::Problems(problems) => problems,
        }
    }
}

impl ExitError for ConfigError {
    fn exit(&self) -> Exit {
        match self {
            Self::File { .. } => Exit::NoInput,
            Self::Problems(_) => Exit::Config,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => write!(
                f,
                "cannot read the configuration file {}: {source}",
                path.display()
            ),
            Self::Problems(problems) => {
                for (i, problem) in problems.iter().enumerate() {
                    let newline = if i == 0 { "" } else { "\n" };
                    write!(f, "{newline}{problem}")?;
                }
                Ok(())
            }
        }
    }
}

// The text has the system's error already, so there is no `source`.
impl std::error::Error for ConfigError {}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key; empty if the problem concerns no key.
    pub key: String,
    /// The source of the value.
    pub origin: Origin,
    /// The problem, or the expected value.
    pub what: String,
}

impl Problem {
    /// A problem of a new value beside earlier ones, which are not at fault alone.
    pub(super) fn merged((key, what): (String, String)) -> Self {
        Self {
            key,
            origin: Origin::Merged,
            what,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, what } = self;
        match key.as_str() {
            "" => write!(f, "{origin}: {what}"),
            key => write!(f, "{origin}: `{key}` {what}"),
        }
    }
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// The file.
    File {
        /// The path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
    /// A new value beside earlier ones that count until the next start.
    Merged,
}

impl Origin {
    /// The source of a key: its own, or that of the value that contains it, as a list contains its sections.
    pub(super) fn of(key: &str, origins: &BTreeMap<String, Self>) -> Self {
        let parent = || key.rsplit_once('.').map(|(parent, _)| parent);
        let inherited = || parent().map_or(Self::Default, |parent| Self::of(parent, origins));
        origins.get(key).cloned().unwrap_or_else(inherited)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Merged => {
                f.write_str("beside the values that count until the next start of the process")
            }
        }
    }
}

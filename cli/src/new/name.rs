//! The name of a new game.

use std::str::FromStr;

/// The most bytes of a name. The id of a room, which begins with it, has at most 64.
const MAX_BYTES: usize = 32;

/// Names of built-in games, and of packages and folders with which the program's package would collide.
const TAKEN: &[&str] = &[
    "arena",
    "http",
    "memory",
    "queue",
    "relay",
    "grandstand",
    "serde",
    "serde_json",
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    // Cargo's own folders in target.
    "build",
    "deps",
    "examples",
    "incremental",
];

/// Rust's keywords.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Types and traits that the program uses.
const TYPES: &[&str] = &[
    "Data",
    "Deserialize",
    "Effects",
    "Err",
    "Event",
    "EventKind",
    "ExitCode",
    "Game",
    "Games",
    "Lane",
    "LiveEffects",
    "None",
    "Ok",
    "Option",
    "PlayerId",
    "Reject",
    "Result",
    "Serialize",
    "Setup",
    "Some",
    "Spectating",
    "String",
    "Vec",
];

/// A game's name: the part of its rooms' ids before the first `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GameName(String);

/// The reason why a text cannot name a new game.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    #[error("must begin with a small letter, and have only small letters, digits and _: dice_duel")]
    Form,
    #[error("must have at most {MAX_BYTES} letters")]
    TooLong,
    #[error("is reserved; choose another name")]
    Reserved,
}

impl FromStr for GameName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.bytes().all(is_word) {
            return Err(NameError::Form);
        }
        if text.len() > MAX_BYTES {
            return Err(NameError::TooLong);
        }
        let name = Self(text.to_owned());
        let types = name.type_name();
        if TAKEN.contains(&text) || KEYWORDS.contains(&text) || TYPES.contains(&types.as_str()) {
            return Err(NameError::Reserved);
        }
        Ok(name)
    }
}

impl GameName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as that of a type: `DiceDuel` for `dice_duel`.
    pub(super) fn type_name(&self) -> String {
        let mut name = String::new();
        for word in self.0.split('_') {
            let mut letters = word.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_package_a_game_and_a_type() {
        for (text, types) in [
            ("chess", "Chess"),
            ("dice_duel", "DiceDuel"),
            ("go19", "Go19"),
        ] {
            assert_eq!(text.parse::<GameName>().unwrap().type_name(), types);
        }
    }

    #[test]
    fn other_names_are_refused_with_a_reason() {
        for text in ["", "Chess", "my-game", "1st", "_x", "a/b", "..", "schön"] {
            assert_eq!(text.parse::<GameName>(), Err(NameError::Form), "{text}");
        }
        assert_eq!("a".repeat(33).parse::<GameName>(), Err(NameError::TooLong));
        for text in [
            "memory",
            "relay",
            "match",
            "grandstand",
            "game",
            "event_kind",
            "test",
        ] {
            assert_eq!(text.parse::<GameName>(), Err(NameError::Reserved), "{text}");
        }
    }
}

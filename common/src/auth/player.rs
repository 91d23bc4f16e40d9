//! The names of players who connect.

use grandstand_types::id::{IdError, PlayerId};
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// The id of a player who connects, by a token's `sub` or `?user=`.
///
/// Stricter than [`PlayerId`], because names are shown to people: refuses control characters, line separators, and format
/// characters (general category Cf: bidi overrides, zero-width characters, tags), with which one name could look like
/// another or reorder the text around it. Stored ids are not checked again, so rooms with such players stay readable.
///
/// # Errors
/// If the name is empty, too long, or has such a character.
pub fn player_name(text: &str) -> Result<PlayerId, IdError> {
    let player = text.parse()?;
    if text.is_ascii() {
        return Ok(player);
    }
    let categories = CodePointMapData::<GeneralCategory>::new();
    match text.chars().find(|&c| is_invisible(categories.get(c))) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(player),
    }
}

fn is_invisible(category: GeneralCategory) -> bool {
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_control_or_format_characters() {
        for name in ["alice", "Zoë Ω", "李雷", "مريم", "❤️ 1", "O'Brien <b>"] {
            assert_eq!(player_name(name).unwrap().as_str(), name);
        }
        for c in [
            '\u{0}',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{9f}', // control
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2060}',
            '\u{feff}', // zero-width
            '\u{202a}',
            '\u{202b}',
            '\u{202c}',
            '\u{202d}',
            '\u{202e}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}', // bidi
            '\u{2028}',
            '\u{2029}', // separators
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0041}', // annotations, tags
        ] {
            for name in [format!("ali{c}ce"), c.to_string()] {
                assert_eq!(player_name(&name), Err(IdError::Character(c)), "{name:?}");
            }
        }
        assert_eq!(player_name(""), Err(IdError::Empty));
        assert!(player_name(&"ë".repeat(65)).is_err());
    }

    #[test]
    fn a_refused_character_is_named_by_its_number() {
        let error = player_name("ali\u{202e}ce").unwrap_err();
        assert!(error.to_string().contains("\\u{202e}"), "{error}");
    }
}

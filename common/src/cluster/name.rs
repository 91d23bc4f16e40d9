//! The names of clusters, which are a part of all their names in NATS.

use crate::subject;

/// The most characters. NATS allows 255 for the name of a stream, of which it is a part.
const MAX: usize = 32;

/// Checks that a text may be the name of a cluster, or is empty. The first token of a subject tells a name from the kind of
/// the subject.
///
/// # Errors
/// If it may not. The text says which names are allowed.
pub fn check_cluster_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let reserved = name.starts_with('_') || subject::FIRST_TOKENS.contains(&name);
    if name.len() <= MAX && name.chars().all(allowed) && !reserved {
        return Ok(());
    }
    Err(format!(
        "must be up to {MAX} letters, digits, - and _, must not begin with _, and must not be {}",
        subject::FIRST_TOKENS.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_cluster_is_one_token_that_no_subject_begins_with() {
        for name in ["", "eu-1", "Blue_2", &"a".repeat(32)] {
            assert_eq!(check_cluster_name(name), Ok(()), "{name}");
        }
        for name in ["in", "edge", "_x", "a.b", "a b", "ü", "*", &"a".repeat(33)] {
            assert!(check_cluster_name(name).is_err(), "{name}");
        }
    }
}

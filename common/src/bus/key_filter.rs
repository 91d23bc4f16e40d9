//! The keys of a bucket that a reader wants.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::error::BusError;
use super::subject_check;

/// Prefixes of keys, none of which is the prefix of another: a shorter one includes the longer ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyFilter(BTreeSet<String>);

impl KeyFilter {
    /// Creates a filter for the keys that begin with any of these prefixes.
    ///
    /// # Errors
    /// If a prefix is neither empty nor whole tokens with their dot, or if there is none.
    pub(crate) fn new<P: AsRef<str>>(prefixes: &[P]) -> Result<Self, BusError> {
        let mut filter = Self(BTreeSet::new());
        let mut sorted: Vec<_> = prefixes.iter().map(AsRef::as_ref).collect();
        // A prefix of others stands before them.
        sorted.sort_unstable();
        for prefix in sorted {
            subject_check::prefix(prefix)?;
            if !filter.matches(prefix) {
                filter.0.insert(prefix.to_owned());
            }
        }
        if filter.0.is_empty() {
            Err(BusError::BadSubject(String::new()))
        } else {
            Ok(filter)
        }
    }

    /// Whether a key begins with one of the prefixes.
    pub(crate) fn matches(&self, key: &str) -> bool {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        // Between a key's prefix and the key are only other prefixes of the key, which are not in the set.
        let nearest = self.0.range::<str, _>(up_to).next_back();
        nearest.is_some_and(|prefix| key.starts_with(prefix.as_str()))
    }

    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_if_it_begins_with_one_of_the_prefixes() {
        let filter = KeyFilter::new(&["7.", "70.", "12."]).unwrap();
        for key in ["7.a", "70.=checkpoint", "12.echo-1", "7.a.b"] {
            assert!(filter.matches(key), "{key}");
        }
        for key in ["1.a", "71.a", "8.a", "", "7", "120.x"] {
            assert!(!filter.matches(key), "{key}");
        }
        assert!(KeyFilter::new(&[""]).unwrap().matches("anything"));
    }

    #[test]
    fn a_prefix_includes_longer_ones() {
        let filter = KeyFilter::new(&["7.a.", "7.", "8."]).unwrap();
        assert_eq!(filter.prefixes().collect::<Vec<_>>(), ["7.", "8."]);
        assert!(filter.matches("7.b") && filter.matches("7.a.c"));
        let all = KeyFilter::new(&["7.", ""]).unwrap();
        assert_eq!(all.prefixes().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn bad_prefixes_are_refused() {
        assert!(KeyFilter::new(&["7.", "8"]).is_err());
        assert!(KeyFilter::new::<&str>(&[]).is_err());
    }
}

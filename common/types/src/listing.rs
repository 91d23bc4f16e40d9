//! The entry of a room in lobbies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most bytes of a [`Listing`] as JSON.
pub const MAX_LISTING_BYTES: usize = 1024;

/// The entry of a room in lobbies, as far as the game makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Whether further players may join.
    pub open: bool,
    /// The number of seats that are taken, and of all seats; of all 0 if there is no limit.
    pub seats: (u32, u32),
    /// Names and values by which players choose, for example `"map": "desert"`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The reason why a listing is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Too many bytes.
    #[error(
        "a listing has {0} bytes as JSON, more than {MAX_LISTING_BYTES}: give it fewer or shorter labels"
    )]
    TooBig(usize),
    /// Data that cannot be serialized.
    #[error("a listing cannot be serialized: {0}")]
    Json(String),
}

impl Listing {
    /// The listing of a room that is open while it has free seats. 0 seats are no limit.
    pub fn of_seats(taken: usize, all: usize) -> Self {
        let count = |seats| u32::try_from(seats).unwrap_or(u32::MAX);
        Self {
            open: all == 0 || taken < all,
            seats: (count(taken), count(all)),
            labels: BTreeMap::new(),
        }
    }

    /// The same listing with a further label.
    #[must_use]
    pub fn with(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(label.into(), value.into());
        self
    }

    /// Checks the size.
    ///
    /// # Errors
    /// If lobbies do not show the listing.
    pub fn check(&self) -> Result<(), ListingError> {
        let text = serde_json::to_vec(self).map_err(|why| ListingError::Json(why.to_string()))?;
        match text.len() {
            0..=MAX_LISTING_BYTES => Ok(()),
            bytes => Err(ListingError::TooBig(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_open_while_it_has_free_seats() {
        assert!(Listing::of_seats(1, 2).open);
        assert!(!Listing::of_seats(2, 2).open);
        assert!(Listing::of_seats(2, 0).open);
    }

    #[test]
    fn a_listing_has_at_most_1_kib() {
        let listing = Listing::of_seats(1, 2).with("map", "desert");
        assert_eq!(listing.check(), Ok(()));
        let big = listing.with("text", "x".repeat(1000));
        assert!(matches!(big.check(), Err(ListingError::TooBig(1025..))));
    }
}

//! The entry of a test room in lobbies.

use grandstand_types::listing::Listing;

use super::checks::{Check, Failure};
use crate::host::instance::GameInstance;

/// Returns the listing of a room, and checks that lobbies show it.
pub(super) fn read(game: &GameInstance, step: &str) -> Result<Option<Listing>, Failure> {
    let listing = game
        .listing()
        .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?;
    if let Some(listing) = &listing {
        listing
            .check()
            .map_err(|why| Check::Sizes.fails(step, why.to_string()))?;
    }
    Ok(listing)
}

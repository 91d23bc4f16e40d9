//! The games that come with Grandstand.

pub mod memory;

pub mod relay;

use serde::de::DeserializeOwned;

use grandstand_game::Games;
use grandstand_game::Refusal;

/// Adds the games of this crate.
pub fn register(games: &mut Games) {
    games.add::<memory::Memory>();
    games.add::<relay::Relay>();
}

/// The games of this crate, and no others.
pub fn all() -> Games {
    let mut games = Games::new();
    register(&mut games);
    games
}

/// Reads a room's `params`.
///
/// # Errors
/// `bad_params`, and what is wrong with them.
fn params<T: DeserializeOwned>(params: &serde_json::Value) -> Result<T, Refusal> {
    if !params.is_object() {
        return Err(Refusal::new("bad_params", "params must be an object"));
    }
    T::deserialize(params).map_err(|error| Refusal::new("bad_params", format!("params: {error}")))
}

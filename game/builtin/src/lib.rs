//! The games that come with Grandstand.

pub mod memory;

pub mod relay;

use serde::de::DeserializeOwned;

use grandstand_game::Refusal;
use grandstand_game::Registry;

/// All of them.
pub fn registry() -> Registry {
    Registry::new()
        .with::<memory::Memory>()
        .with::<relay::Relay>()
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

//! Reading a room's `params`.

use grandstand_game::Reject;
use serde::de::DeserializeOwned;

/// Reads a room's `params`.
///
/// # Errors
/// `bad_params`, with the reason.
pub(crate) fn read<T: DeserializeOwned>(params: &serde_json::Value) -> Result<T, Reject> {
    if !params.is_object() {
        return Err(Reject::new("bad_params", "params must be an object"));
    }
    T::deserialize(params).map_err(|error| Reject::new("bad_params", format!("params: {error}")))
}

//! The types of inputs and parameters.

use grandstand_types::data::Data;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};

/// A type of inputs: any that is deserialized from JSON, or [`Raw`].
pub trait FromInput: Sized {
    /// Reads an input.
    ///
    /// # Errors
    /// If the data is no such input. The text says why, for the player.
    fn from_input(data: &Data) -> Result<Self, String>;
}

impl<T: DeserializeOwned> FromInput for T {
    fn from_input(data: &Data) -> Result<Self, String> {
        match data {
            Data::Json(text) => serde_json::from_slice(text).map_err(|error| error.to_string()),
            Data::Binary(_) => Err("the input must be JSON, not bytes".to_owned()),
        }
    }
}

/// Data as it is, JSON or bytes: for games that read their inputs or write their updates themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Data);

impl FromInput for Raw {
    fn from_input(data: &Data) -> Result<Self, String> {
        Ok(Self(data.clone()))
    }
}

/// The parameters of a game that has none. Whatever a player sends is ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoParams;

impl<'de> Deserialize<'de> for NoParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IgnoredAny).map(|_| Self)
    }
}

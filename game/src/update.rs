//! Views, and the updates that bring a client from one view to the next.

use grandstand_types::data::Data;
use serde::Serialize;

use crate::input::Raw;

/// The part of a room that a client sees: JSON or bytes. It holds the error of a value that cannot be serialized, so that making
/// one never fails.
#[derive(Debug)]
pub struct View(Result<Data, serde_json::Error>);

impl View {
    /// A view of `value` as JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::to_vec(value).map(|text| Data::Json(text.into())))
    }

    /// A view that is written already.
    pub fn raw(data: Data) -> Self {
        Self(Ok(data))
    }

    /// The written view.
    ///
    /// # Errors
    /// If the value could not be serialized.
    pub fn into_data(self) -> Result<Data, serde_json::Error> {
        self.0
    }
}

/// A type of updates: any that is serialized as JSON, [`Raw`], or [`Auto`].
pub trait ViewUpdate {
    /// Whether the host makes the updates.
    const AUTO: bool;
}

/// A type of updates that the game makes: any [`ViewUpdate`] but [`Auto`].
pub trait OwnUpdate: ViewUpdate {
    /// The written update.
    ///
    /// # Errors
    /// If it cannot be serialized.
    fn write(&self) -> Result<Data, serde_json::Error>;
}

/// Automatic updates: the host sends the difference between the views before and after each event, as JSON merge patches
/// (RFC 7396).
///
/// Members of the view that are `null` are left out. Arrays are sent whole, so a large board should be an object with a
/// member for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auto {}

impl ViewUpdate for Auto {
    const AUTO: bool = true;
}

impl<T: Serialize> ViewUpdate for T {
    const AUTO: bool = false;
}

impl<T: Serialize> OwnUpdate for T {
    fn write(&self) -> Result<Data, serde_json::Error> {
        serde_json::to_vec(self).map(|text| Data::Json(text.into()))
    }
}

impl ViewUpdate for Raw {
    const AUTO: bool = false;
}

impl OwnUpdate for Raw {
    fn write(&self) -> Result<Data, serde_json::Error> {
        Ok(self.0.clone())
    }
}

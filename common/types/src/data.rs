//! A payload that Grandstand carries and never looks into.

use bytes::Bytes;

/// A game's data: JSON text or plain bytes, and it says which.
///
/// In every protobuf message that carries one, on the client's wire and on the bus, it is
/// `oneof data { bytes json = 1; bytes binary = 2; }`.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Data {
    /// One JSON value as text (UTF-8, checked where it came in).
    #[prost(bytes = "bytes", tag = "1")]
    Json(Bytes),
    /// Bytes of the game's own.
    #[prost(bytes = "bytes", tag = "2")]
    Binary(Bytes),
}

impl Data {
    /// The JSON of `value`.
    ///
    /// # Errors
    /// If `value` cannot be JSON (a map whose keys are no strings).
    pub fn json(value: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|text| Self::Json(text.into()))
    }

    /// The bytes, whichever kind they are.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes,
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same data in memory of its own. What is kept must be copied out of what the bus delivered,
    /// whose payloads are slices of 64 KiB chunks.
    pub fn detach(&self) -> Self {
        match self {
            Self::Json(bytes) => Self::Json(Bytes::copy_from_slice(bytes)),
            Self::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}

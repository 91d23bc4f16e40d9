//! Game payloads, which Grandstand carries without reading them.

use bytes::Bytes;

/// A game's data: JSON text or plain bytes.
///
/// Every protobuf message with data, between client and edge and on the bus, encodes it as `oneof data { bytes json =
/// 1; bytes binary = 2; }`.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Data {
    /// One JSON value as UTF-8 text, checked by the edge that received it.
    #[prost(bytes = "bytes", tag = "1")]
    Json(Bytes),
    /// Bytes in the game's own format.
    #[prost(bytes = "bytes", tag = "2")]
    Binary(Bytes),
}

impl Data {
    /// Serializes `value` as JSON.
    ///
    /// # Errors
    /// If `value` cannot be JSON, for example a map whose keys are not strings.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|text| Self::Json(text.into()))
    }

    /// The bytes of either kind.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes,
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the data into memory of its own. Data that is kept must be detached, because payloads from the bus are
    /// slices of 64 KiB chunks and would keep the whole chunk alive.
    pub fn detach(&self) -> Self {
        match self {
            Self::Json(bytes) => Self::Json(Bytes::copy_from_slice(bytes)),
            Self::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}

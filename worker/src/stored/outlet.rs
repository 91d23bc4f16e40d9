//! The items that a room has sent out and that are not acked yet, as a snapshot stores them beside the room.

use grandstand_common::id::{Instance, RoomId, Topic};
use grandstand_game::host::Outgoing;
use serde::{Deserialize, Serialize};

/// The bytes that an item costs beside its data.
const ITEM_BYTES: usize = 128;

/// An item that is not acked yet. It names its instance itself, because it may outlive that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingItem {
    /// `{instance}.{no}`.
    pub(crate) id: String,
    pub(crate) at_ms: u64,
    /// The room that gets it; `None` for the stream of what games emit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<RoomId>,
    pub(crate) topic: Topic,
    /// The time at which a call is over, Unix milliseconds; `None` for other items. The topic is then the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_ms: Option<u64>,
    /// JSON.
    #[serde(with = "text")]
    pub(crate) data: String,
}

impl PendingItem {
    /// An item of an instance.
    pub(crate) fn new(instance: Instance, item: Outgoing) -> Self {
        Self {
            id: format!("{instance}.{}", item.no),
            at_ms: item.at_ms,
            to: item.to,
            topic: item.topic,
            due_ms: item.due_ms,
            // It was serialized as JSON, which is text.
            data: String::from_utf8(item.data.into()).unwrap_or_default(),
        }
    }

    /// The bytes that it costs in a snapshot, about.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + ITEM_BYTES
    }
}

/// JSON text inside of JSON.
mod text {
    use serde::de::Deserializer;
    use serde::ser::{Error as _, Serializer};
    use serde::{Deserialize as _, Serialize as _};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<String, D::Error> {
        Ok(Box::<RawValue>::deserialize(deserializer)?.get().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_stored_with_its_data_as_json() {
        let item = Outgoing {
            no: 3,
            at_ms: 5,
            to: None,
            topic: "results".parse().unwrap(),
            due_ms: None,
            data: r#"{"winner":"al\"ice"}"#.into(),
        };
        let item = PendingItem::new(Instance(255), item);
        let stored = serde_json::to_string(&item).unwrap();
        let wanted = format!(
            r#"{{"id":"{}.3","at_ms":5,"topic":"results","data":{{"winner":"al\"ice"}}}}"#,
            Instance(255)
        );
        assert_eq!(stored, wanted);
        assert_eq!(serde_json::from_str::<PendingItem>(&stored).unwrap(), item);
    }
}

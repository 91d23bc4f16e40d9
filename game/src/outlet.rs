//! Items that a game sends out of its room.

use bytes::Bytes;
use grandstand_types::id::{IdError, RoomId, Topic};
use serde::{Deserialize, Serialize};

use crate::reject::Reject;

/// The most bytes of an item's data, as JSON.
const ITEM_BYTES: usize = 64 * 1024;
/// The most items of one event.
const EVENT_ITEMS: usize = 256;
/// The most bytes of the data of all items of one event.
const EVENT_BYTES: usize = 256 * 1024;

/// The number of an item in its room's instance: 1, 2, 3 …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EmitId(pub u64);

/// The reason why a game cannot send an item. As a [`Reject`] it has the code `not_sent`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutletError {
    /// The topic is not valid.
    #[error("the topic {topic:?} {why}; use A-Z, a-z, 0-9, _ and -")]
    Topic {
        /// The topic.
        topic: String,
        /// The reason.
        why: IdError,
    },
    /// The data cannot be serialized as JSON.
    #[error("the data cannot be serialized: {0}")]
    Data(#[from] serde_json::Error),
    /// The data is too big.
    #[error("the data has {bytes} bytes, more than {ITEM_BYTES}")]
    TooBig {
        /// The bytes of the data.
        bytes: usize,
    },
    /// The event sends too much.
    #[error("an event may send {EVENT_ITEMS} items with {EVENT_BYTES} bytes together")]
    TooMuch,
}

impl From<OutletError> for Reject {
    fn from(error: OutletError) -> Self {
        Self::new("not_sent", error.to_string())
    }
}

/// An item that goes out of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The number in the room's instance.
    pub no: u64,
    /// The time of the event that sent it, by the log's clock, Unix milliseconds.
    pub at_ms: u64,
    /// The room that gets it; `None` for the stream of what games emit.
    pub to: Option<RoomId>,
    /// The topic.
    pub topic: Topic,
    /// The data, as JSON.
    pub data: Bytes,
}

/// The items of an event so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutletCount {
    last: u64,
    items: usize,
    bytes: usize,
}

impl OutletCount {
    /// `last` is the number of the instance's last item.
    pub(crate) fn new(last: u64) -> Self {
        Self {
            last,
            items: 0,
            bytes: 0,
        }
    }

    /// Makes the next item of an event at `at_ms`.
    pub(crate) fn next(
        &mut self,
        at_ms: u64,
        to: Option<&RoomId>,
        topic: &str,
        data: &impl Serialize,
    ) -> Result<Outgoing, OutletError> {
        let topic = topic.parse::<Topic>().map_err(|why| OutletError::Topic {
            topic: topic.to_owned(),
            why,
        })?;
        let data = serde_json::to_vec(data)?;
        let bytes = data.len();
        if bytes > ITEM_BYTES {
            return Err(OutletError::TooBig { bytes });
        }
        if self.items == EVENT_ITEMS || self.bytes + bytes > EVENT_BYTES {
            return Err(OutletError::TooMuch);
        }
        self.items += 1;
        self.bytes += bytes;
        self.last += 1;
        Ok(Outgoing {
            no: self.last,
            at_ms,
            to: to.cloned(),
            topic,
            data: data.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(count: &mut OutletCount, data: &impl Serialize) -> Result<Outgoing, OutletError> {
        count.next(5, None, "results", data)
    }

    #[test]
    fn items_are_numbered_on() {
        let mut count = OutletCount::new(7);
        let item = next(&mut count, &"a").unwrap();
        assert_eq!((item.no, item.at_ms), (8, 5));
        assert_eq!(&item.data[..], br#""a""#);
        assert_eq!(next(&mut count, &1).unwrap().no, 9);
    }

    #[test]
    fn an_item_that_cannot_be_sent_takes_no_number() {
        let mut count = OutletCount::new(0);
        let topic = count.next(5, None, "a b", &1).unwrap_err();
        assert!(topic.to_string().contains("\"a b\""), "{topic}");
        let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
        let data = next(&mut count, &keys).unwrap_err();
        assert!(matches!(data, OutletError::Data(_)), "{data}");
        let big = next(&mut count, &"x".repeat(ITEM_BYTES)).unwrap_err();
        assert_eq!(Reject::from(big).code, "not_sent");
        assert_eq!(next(&mut count, &1).unwrap().no, 1);
    }

    #[test]
    fn d26_the_items_of_an_event_are_bounded() {
        let mut count = OutletCount::new(0);
        for _ in 0..EVENT_ITEMS {
            next(&mut count, &1).unwrap();
        }
        assert!(matches!(next(&mut count, &1), Err(OutletError::TooMuch)));
        let mut count = OutletCount::new(0);
        let big = "x".repeat(ITEM_BYTES - 2);
        for _ in 0..4 {
            next(&mut count, &big).unwrap();
        }
        assert!(matches!(next(&mut count, &1), Err(OutletError::TooMuch)));
    }
}

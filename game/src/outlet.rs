//! Items that a game sends out of its room.

use std::time::Duration;

use bytes::Bytes;
use grandstand_types::id::{IdError, RoomId, Topic};
use serde::{Deserialize, Serialize};

use crate::call::MAX_OPEN;
use crate::reject::Reject;

/// The most bytes of an item's data, as JSON.
const ITEM_BYTES: usize = 64 * 1024;
/// The longest timeout of a call.
const LONGEST_CALL: Duration = Duration::from_secs(3600);
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
    /// The name of the endpoint is not valid.
    #[error("the endpoint {endpoint:?} {why}; use A-Z, a-z, 0-9, _ and -")]
    Endpoint {
        /// The name.
        endpoint: String,
        /// The reason.
        why: IdError,
    },
    /// The timeout of a call is 0, or too long.
    #[error("the timeout of a call is 1 ms to 1 h, not {timeout:?}")]
    Timeout {
        /// The timeout.
        timeout: Duration,
    },
    /// The room has too many open calls.
    #[error("a room may have {MAX_OPEN} calls open at once")]
    TooManyCalls,
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
    /// The topic; the endpoint of a call.
    pub topic: Topic,
    /// The time at which a call is over, by the log's clock, Unix milliseconds; `None` for other items.
    pub due_ms: Option<u64>,
    /// The data, as JSON.
    pub data: Bytes,
}

/// The destination of an item.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// The stream of what games emit.
    Stream,
    /// Another room.
    Room(&'a RoomId),
    /// An endpoint that answers.
    Endpoint {
        /// The time for the answer.
        timeout: Duration,
    },
}

/// The items that an instance has sent out before an event.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutletStart {
    /// The number of the last item.
    pub last: u64,
    /// The number of calls that are open.
    pub open_calls: usize,
}

/// The items of an event so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutletCount {
    last: u64,
    open_calls: usize,
    items: usize,
    bytes: usize,
}

impl OutletCount {
    pub(crate) fn new(start: OutletStart) -> Self {
        Self {
            last: start.last,
            open_calls: start.open_calls,
            items: 0,
            bytes: 0,
        }
    }

    /// Makes the next item of an event at `at_ms`.
    pub(crate) fn next(
        &mut self,
        at_ms: u64,
        to: Destination<'_>,
        topic: &str,
        data: &impl Serialize,
    ) -> Result<Outgoing, OutletError> {
        let is_call = matches!(to, Destination::Endpoint { .. });
        let name = topic.parse::<Topic>().map_err(|why| {
            let name = topic.to_owned();
            if is_call {
                OutletError::Endpoint {
                    endpoint: name,
                    why,
                }
            } else {
                OutletError::Topic { topic: name, why }
            }
        })?;
        let (room, due_ms) = match to {
            Destination::Stream => (None, None),
            Destination::Room(room) => (Some(room.clone()), None),
            Destination::Endpoint { timeout } => {
                let due_ms = at_ms.saturating_add(timeout_ms(timeout)?);
                (None, Some(due_ms))
            }
        };
        if is_call && self.open_calls >= MAX_OPEN {
            return Err(OutletError::TooManyCalls);
        }
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
        self.open_calls += usize::from(is_call);
        self.last += 1;
        Ok(Outgoing {
            no: self.last,
            at_ms,
            to: room,
            topic: name,
            due_ms,
            data: data.into(),
        })
    }
}

/// A call's timeout in milliseconds.
fn timeout_ms(timeout: Duration) -> Result<u64, OutletError> {
    let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 || timeout > LONGEST_CALL {
        return Err(OutletError::Timeout { timeout });
    }
    Ok(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(count: &mut OutletCount, data: &impl Serialize) -> Result<Outgoing, OutletError> {
        count.next(5, Destination::Stream, "results", data)
    }

    #[test]
    fn items_are_numbered_on() {
        let mut count = OutletCount::new(OutletStart {
            last: 7,
            open_calls: 0,
        });
        let item = next(&mut count, &"a").unwrap();
        assert_eq!((item.no, item.at_ms), (8, 5));
        assert_eq!(&item.data[..], br#""a""#);
        assert_eq!(next(&mut count, &1).unwrap().no, 9);
    }

    #[test]
    fn an_item_that_cannot_be_sent_takes_no_number() {
        let mut count = OutletCount::new(OutletStart::default());
        let topic = count.next(5, Destination::Stream, "a b", &1).unwrap_err();
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
        let mut count = OutletCount::new(OutletStart::default());
        for _ in 0..EVENT_ITEMS {
            next(&mut count, &1).unwrap();
        }
        assert!(matches!(next(&mut count, &1), Err(OutletError::TooMuch)));
        let mut count = OutletCount::new(OutletStart::default());
        let big = "x".repeat(ITEM_BYTES - 2);
        for _ in 0..4 {
            next(&mut count, &big).unwrap();
        }
        assert!(matches!(next(&mut count, &1), Err(OutletError::TooMuch)));
    }

    #[test]
    fn d26_the_open_calls_of_a_room_are_bounded_and_so_are_their_timeouts() {
        let mut count = OutletCount::new(OutletStart {
            last: 0,
            open_calls: MAX_OPEN - 1,
        });
        let call = |count: &mut OutletCount, endpoint, timeout| {
            count.next(5, Destination::Endpoint { timeout }, endpoint, &1)
        };
        let second = Duration::from_secs(1);
        for timeout in [Duration::ZERO, 3_601 * second] {
            let refused = call(&mut count, "bank", timeout).unwrap_err();
            assert!(matches!(refused, OutletError::Timeout { .. }), "{refused}");
        }
        let refused = call(&mut count, "a.b", second).unwrap_err();
        assert!(refused.to_string().contains("endpoint"), "{refused}");
        let item = call(&mut count, "bank", second).unwrap();
        assert_eq!((item.no, item.due_ms), (1, Some(1_005)));
        let refused = call(&mut count, "bank", second).unwrap_err();
        assert!(matches!(refused, OutletError::TooManyCalls), "{refused}");
    }
}

//! Calls of programs outside, and their answers.

use std::ops::Bound;

use grandstand_types::data::Data;
use serde::{Deserialize, Serialize};

/// The most calls of a room that are open at once.
pub(crate) const MAX_OPEN: usize = 256;
/// The prefix of the timers that end calls. The number of the call follows.
const TIMER: &str = "=call.";
/// The first text behind all that begin with `TIMER`.
const BEHIND_TIMERS: &str = "=call/";

/// The number of a call among the items that its room's instance has sent out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub u64);

/// The answer to a call of [`Effects::call`](crate::Effects::call). Each call gets one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer<'a> {
    /// The call.
    pub call: CallId,
    /// The answer of the endpoint as JSON, or the reason why there is none.
    pub result: Result<&'a Data, CallError>,
}

/// The reason why a call has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No answer came in time. The endpoint may have done what the call asked for.
    #[error("no answer came in time")]
    Timeout,
    /// The endpoint refused the call, or failed each time, with this status of HTTP.
    #[error("the endpoint answered with status {0}")]
    Status(u16),
    /// No endpoint of this name is configured.
    #[error("no endpoint of this name is configured")]
    NoEndpoint,
    /// The endpoint could not be reached, has failed so often that it is not called for a while, or has too many calls
    /// waiting.
    #[error("the endpoint is unavailable")]
    Unavailable,
    /// The endpoint's answer is not JSON, too big, or a redirect that is not followed.
    #[error("the endpoint's answer cannot be used")]
    BadAnswer,
}

/// The timer that ends a call if no answer comes.
pub(crate) fn timer(call: CallId) -> String {
    format!("{TIMER}{}", call.0)
}

/// The names between which those of the timers of all calls are.
pub(crate) fn timers() -> (Bound<&'static str>, Bound<&'static str>) {
    (Bound::Included(TIMER), Bound::Excluded(BEHIND_TIMERS))
}

/// The call that a timer ends; `None` for other timers.
pub(crate) fn of_timer(name: &str) -> Option<CallId> {
    name.strip_prefix(TIMER)?.parse().ok().map(CallId)
}

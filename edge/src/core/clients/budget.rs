//! The budget of messages and bytes that a client may send per second.

use std::time::Duration;

use grandstand_common::envelope::ClientKind;

use crate::core::clients::config::ClientConfig;
use crate::limits::Limit;
use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::{Charge, Rate, TokenBucket};

/// The time for which a client may send more bytes than its rate, seconds.
const BYTES_BURST_S: f32 = 4.0;

/// The messages that a `join` or an `auth` counts as. The first is answered with a snapshot and appended to the log, the
/// second verifies a signature.
const COSTLY: u32 = 10;

/// The cost of something that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    messages: u32,
    bytes: u32,
}

impl Cost {
    /// The cost of a message of `bytes` bytes that is known before it is decoded.
    pub(crate) fn of_message(bytes: usize) -> Self {
        Self {
            messages: 1,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        }
    }

    /// The cost of frames that are not messages: pings, pongs and fragments.
    pub(crate) fn of_frames(count: u32) -> Self {
        Self {
            messages: count,
            bytes: 0,
        }
    }

    /// The cost of a message beyond that, once it is decoded.
    pub(crate) fn further(kind: &ClientKind) -> Option<Self> {
        let is_costly = matches!(kind, ClientKind::Join(_) | ClientKind::Auth { .. });
        is_costly.then_some(Self {
            messages: COSTLY - 1,
            bytes: 0,
        })
    }
}

/// The budgets of one client, in 16 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    messages: TokenBucket,
    bytes: TokenBucket,
}

impl Budget {
    /// Full budgets.
    pub(super) fn new(config: &ClientConfig, now: CoarseInstant) -> Self {
        let [messages, bytes] = rates(config);
        Self {
            messages: TokenBucket::new(messages.burst, now),
            bytes: TokenBucket::new(bytes.burst, now),
        }
    }

    /// Charges the client.
    pub(super) fn charge(
        &mut self,
        cost: Cost,
        config: &ClientConfig,
        now: CoarseInstant,
    ) -> Charged {
        let [messages, bytes] = rates(config);
        let by_messages = self.messages.charge(cost.messages, messages, now);
        let by_bytes = self.bytes.charge(cost.bytes, bytes, now);
        let charge = by_messages.max(by_bytes);
        if charge == Charge::Allowed {
            return Charged {
                charge,
                wait: Duration::ZERO,
                limit: None,
            };
        }
        Charged {
            charge,
            wait: self.messages.wait(messages).max(self.bytes.wait(bytes)),
            limit: Some(if by_messages == charge {
                Limit::MessagesPerS
            } else {
                Limit::BytesPerS
            }),
        }
    }
}

/// The answer of both budgets to a charge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charged {
    /// The harsher of both answers.
    pub(super) charge: Charge,
    /// The wait after which both have recovered.
    pub(super) wait: Duration,
    /// The limit that refuses it.
    pub(super) limit: Option<Limit>,
}

fn rates(config: &ClientConfig) -> [Rate; 2] {
    let bytes = config.bytes_per_s as f32;
    [
        Rate::new(config.messages_per_s, config.message_burst),
        Rate {
            per_s: bytes,
            burst: bytes * BYTES_BURST_S,
        },
    ]
}

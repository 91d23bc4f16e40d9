//! Charges clients for what they send, and refuses those that send too much.

use std::time::{Duration, Instant};

use grandstand_common::envelope::MessageContext;
use grandstand_common::error::ErrorKind;

use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::core::clients::{Clients, Cost};
use crate::core::effects::Effects;
use crate::core::reply::{self, ErrorReply};
use crate::limits::Refused;
use crate::time::token_bucket::Charge;

/// The answer to a message over the limit.
const TOO_MANY: &str = "too many messages or bytes; slow down, or the connection is closed (4029)";

/// Charges a client for a message, or for more of it. If it is over its limit, the message is refused, or the connection is
/// closed. Returns whether the message may be handled.
pub(super) fn charge(
    clients: &mut Clients,
    effects: &mut Effects,
    conn: ConnKey,
    cost: Cost,
    now: Instant,
    about: impl FnOnce() -> MessageContext,
) -> bool {
    let (charge, wait) = clients.charge(conn, cost, now);
    match charge {
        Charge::Allowed => true,
        Charge::Refused => {
            let about = about();
            let error = ErrorReply::naming(ErrorKind::RateLimited, TOO_MANY, &about);
            let error = error.retry_after(whole_ms(wait));
            reply::error(clients, effects, conn, &error);
            false
        }
        Charge::Exhausted => {
            reply::close_flooding(clients, effects, conn, TOO_MANY, whole_ms(wait));
            false
        }
    }
}

/// Charges a client for frames that are not messages. Nothing answers them, so they are refused only by a close.
pub(super) fn charge_frames(
    clients: &mut Clients,
    effects: &mut Effects,
    conn: ConnKey,
    count: u32,
    now: Instant,
) {
    let (charge, wait) = clients.charge(conn, Cost::of_frames(count), now);
    if charge == Charge::Exhausted {
        let message = "too many pings, pongs or fragments; send fewer";
        reply::close_flooding(clients, effects, conn, message, whole_ms(wait));
    }
}

/// Closes the connection of a player who has too many.
pub(super) fn refuse_player(
    effects: &mut Effects,
    conn: ConnKey,
    format: WireFormat,
    refused: &Refused,
) {
    let message = "this player has too many connections; close one first";
    let error = ErrorReply::closing(ErrorKind::RateLimited, message, refused.retry_after_ms());
    reply::close(effects, conn, format, &error);
}

fn whole_ms(wait: Duration) -> u64 {
    (wait.as_millis() as u64).max(1)
}

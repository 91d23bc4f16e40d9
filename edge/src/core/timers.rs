//! Timers that have expired.

use grandstand_common::clock::Now;

use super::effects::{Effects, Timer};
use super::state::State;
use super::{egress, ingress, linger, roomless, unanswered};

/// Handles up to `limit` timers that have expired.
pub(super) fn handle_expired(state: &mut State, effects: &mut Effects, limit: usize, now: Now) {
    for _ in 0..limit {
        let Some(timer) = effects.poll_expired(now.at) else {
            break;
        };
        let hub = &mut state.hub;
        match timer {
            Timer::Chain(room, session) => {
                egress::on_chain_timer(state, effects, room, session, now);
            }
            Timer::Partition(partition) => state.owners.on_partition_timer(partition, now),
            Timer::Spectators => state.owners.on_spectators_timer(),
            Timer::Linger(room) => linger::on_timer(hub, effects, room, now),
            Timer::Links => egress::on_links_timer(state, effects),
            Timer::Join(conn, room) => unanswered::on_timer(hub, effects, conn, room, now),
            Timer::Roomless(conn) => roomless::on_timer(hub, effects, conn, now),
            Timer::Token(conn) => ingress::on_token_timer(hub, effects, conn, now),
            Timer::Health => {
                state.health.on_timer();
                egress::notify_health(state, effects, now);
            }
        }
    }
}

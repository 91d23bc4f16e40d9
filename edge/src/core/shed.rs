//! Closes clients because the edge is short of memory.

use grandstand_common::error::ErrorKind;
use grandstand_common::id::Lane as LaneId;
use rand::RngExt;

use super::clients::Client;
use super::effects::Effects;
use super::reply::{self, ErrorReply};
use super::state::State;

/// The part of the clients that is closed in one call.
const PART: usize = 50;

/// The least clients that are closed in one call, if there are as many.
const MIN: usize = 16;

/// The wait after which closed clients may come again, milliseconds; up to twice as long, so that they do not come
/// together.
const RETRY_MS: u64 = 5_000;

/// Closes one in fifty clients, those first that are no players; players only if `with_players`.
pub(super) fn shed(state: &mut State, effects: &mut Effects, with_players: bool) {
    let clients = &state.hub.clients;
    let most = (clients.len() / PART).max(MIN);
    let others = clients.iter().filter(|(_, client)| !is_player(client));
    let mut chosen: Vec<_> = others.take(most).collect();
    if with_players && chosen.len() < most {
        let players = clients.iter().filter(|(_, client)| is_player(client));
        chosen.extend(players.take(most - chosen.len()));
    }
    for (conn, client) in chosen {
        let wait = state.rng.random_range(RETRY_MS..=2 * RETRY_MS);
        let message = "the edge is short of memory; connect again later";
        let error = ErrorReply::closing(ErrorKind::Overloaded, message, wait);
        reply::close(effects, conn, client.format(), &error);
    }
}

fn is_player(client: &Client) -> bool {
    let mut memberships = client.memberships().iter();
    memberships.any(|membership| membership.lane == LaneId::Players)
}

//! Stores what lobbies show of rooms.

use grandstand_common::bus::Bucket;
use grandstand_common::id::RoomId;
use grandstand_common::listing::Listing;
use grandstand_common::record::RoomListing;
use grandstand_common::subject;
use grandstand_game::host::Panicked;

use super::faults;
use super::lobby::{KEPT_FOR, LobbyStep};
use super::state::PartitionState;
use crate::command::{Command, Outcome};
use crate::context::Context;
use crate::current_call::EntryId;
use crate::requests::Purpose;

/// The most looks at rooms in a turn.
const LOOKS: usize = 32;

/// Takes a look at the rooms that are due, as far as the turn and the writes in flight allow.
pub(super) fn drive(state: &mut PartitionState, cx: &mut Context) {
    for _ in 0..LOOKS {
        if !cx.requests.can_list() {
            return state.lobby.hold(true);
        }
        let Some(id) = state.lobby.pop_due(cx.now.at) else {
            break;
        };
        look(state, cx, &id);
    }
    state.lobby.hold(false);
}

fn look(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let shown = shown(state, cx, id);
    let Some(step) = state.lobby.look(id, shown, cx.now.at) else {
        return;
    };
    let purpose = match step {
        LobbyStep::Read => Purpose::ReadListing(id.clone()),
        LobbyStep::Put(..) | LobbyStep::Delete(_) => Purpose::WriteListing(id.clone()),
    };
    let token = cx.request(state.tenure.id, purpose);
    let (bucket, key) = (Bucket::Listings, subject::listing_key(id));
    let command = match step {
        LobbyStep::Read => Command::Get { bucket, key, token },
        LobbyStep::Put(expected, listing) => {
            cx.counts.listings_stored += 1;
            Command::PutExpiring {
                bucket,
                key,
                // Numbers and texts are always JSON.
                value: serde_json::to_vec(&listing).unwrap_or_default().into(),
                ttl: KEPT_FOR,
                expected,
                token,
            }
        }
        LobbyStep::Delete(expected) => Command::DeleteIf {
            bucket,
            key,
            expected,
            token,
        },
    };
    cx.commands.push_back(command);
}

/// The entry that a room is to have in lobbies.
fn shown(state: &mut PartitionState, cx: &mut Context, id: &RoomId) -> Option<RoomListing> {
    let listing = ask(state, cx, id)?;
    let room = state.rooms.get(id)?;
    Some(RoomListing {
        epoch: state.tenure.epoch,
        instance: room.instance(),
        players: u32::try_from(room.connected_players()).unwrap_or(u32::MAX),
        spectators: state.audiences.viewers(id).unwrap_or(0),
        listing,
    })
}

/// Asks the game. A panic costs the room nothing, because the state is only read.
fn ask(state: &mut PartitionState, cx: &mut Context, id: &RoomId) -> Option<Listing> {
    let room = state.rooms.get(id)?;
    let listing = cx.call(id, EntryId::OUTSIDE, || room.game().listing());
    let fault = match &listing {
        Ok(listing) => listing
            .as_ref()
            .and_then(|listing| listing.check().err())
            .map(|why| why.to_string()),
        Err(panicked @ Panicked) => Some(panicked.to_string()),
    };
    if let Some(fault) = &fault
        && state.lobby.set_refused(id, true)
    {
        cx.counts.listing_faults += 1;
        tracing::error!(room = %id, fault, "lobbies do not show a room");
        if cx.is_stuck_at(id, EntryId::OUTSIDE) {
            faults::on_panic(state, cx, id);
        }
    }
    if fault.is_some() {
        return None;
    }
    state.lobby.set_refused(id, false);
    listing.ok().flatten()
}

/// Handles the outcome of a write.
pub(super) fn on_written(state: &mut PartitionState, cx: &Context, id: &RoomId, outcome: &Outcome) {
    let revision = match outcome {
        Outcome::Stored(revision) => Some(*revision),
        _ => None,
    };
    state.lobby.on_written(id, revision, cx.now.at);
}

/// Handles the outcome of the read that follows a failed write.
pub(super) fn on_read(state: &mut PartitionState, cx: &Context, id: &RoomId, outcome: &Outcome) {
    let revision = match outcome {
        Outcome::Value(entry) => Some(entry.as_ref().map_or(0, |entry| entry.revision)),
        _ => None,
    };
    state.lobby.on_read(id, revision, cx.now.at);
}

//! Requests to workers: the edge's interest in rooms, and requests about missing batches.

use grandstand_common::clock::Now;
use grandstand_common::id::WorkerId;
use grandstand_common::subject;
use grandstand_common::wire::{Interest, LinkRequest, RoomInterest};
use prost::Message;

use super::command::{Command, InterestTag};
use super::effects::{Effects, OwnerNote};
use super::owners::partition::OwnerRequest;
use super::state::State;

/// Passes an event's notes to [`Owners`](super::owners::Owners), and sends the requests that are due.
pub(super) fn tell_owners(state: &mut State, effects: &mut Effects, now: Now) {
    while let Some((key, note)) = effects.pop_owner_note() {
        if let Some(room) = state.hub.rooms.get(key) {
            let partition = room.partition();
            if note == OwnerNote::Unwatched && room.is_idle() && !room.is_described() {
                // The owner has sent nothing about it. The next digest tells it that the room is not watched.
                state.hub.rooms.remove(key, effects);
                state.owners.forget(partition, key);
                continue;
            }
            state.owners.note(partition, key, note, now, effects);
        }
    }
    let bus_up = state.health.is_up();
    while let Some(request) = state.owners.poll_request(bus_up, now, effects) {
        send_request(state, effects, &request);
    }
}

fn send_request(state: &State, effects: &mut Effects, request: &OwnerRequest) {
    let rooms = &state.hub.rooms;
    let known = request.rooms.iter();
    let known = known.filter_map(|&(key, sync)| Some(rooms.get(key)?.interest(sync)));
    // A room that a client has joined since then is described as it is now.
    let unknown = request.unknown_rooms.iter();
    let unknown = unknown.map(|id| {
        let room = rooms.find(id.as_str()).and_then(|key| rooms.get(key));
        room.map_or_else(
            || RoomInterest {
                room: id.as_str().to_owned(),
                ..RoomInterest::default()
            },
            |room| room.interest(false),
        )
    });
    let interest = Interest {
        edge: state.edge.as_str().to_owned(),
        digest: request.digest,
        rooms: known.chain(unknown).collect(),
    };
    effects.command(Command::Interest {
        subject: subject::ctl(request.partition),
        payload: interest.encode_to_vec().into(),
        tag: InterestTag {
            partition: request.partition,
            epoch: request.epoch,
        },
    });
}

/// Asks workers which rooms were in the gaps in their numbers.
pub(super) fn ask_for_gaps(state: &mut State, effects: &mut Effects) {
    while let Some((worker, from, to)) = state.owners.links().poll_request() {
        effects.counts().gaps += 1;
        let request = LinkRequest {
            edge: state.edge.as_str().to_owned(),
            from,
            to,
        };
        let Ok(id) = worker.parse::<WorkerId>() else {
            state.owners.links().give_up(&worker);
            continue;
        };
        effects.command(Command::Link {
            subject: subject::worker_link(&id),
            payload: request.encode_to_vec().into(),
            worker,
            to,
        });
    }
}

//! Moves the worlds of rooms in real time, shows them to clients, and appends their commits.

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::id::{Lane, PlayerId, RoomId, SessionId};
use grandstand_common::subject;
use grandstand_common::wire::{self, Body, Entry, ItemKind};
use grandstand_game::host::{Panicked, StoredWorld, TickOutput, World};
use prost::Message;

use super::room_world::WorldStep;
use super::send::{publish_hot, send};
use super::state::PartitionState;
use super::{faults, world_storage};
use crate::command::{Command, Outcome};
use crate::context::{Context, TenureState};
use crate::current_call::EntryId;
use crate::requests::Purpose;
use crate::room::Room;
use crate::stored::quarantine::QuarantineReason;

/// The most bytes of the changes of one tick, with those that wait.
const MAX_CHANGES_BYTES: usize = 256 * 1024;

/// Does what is due with all worlds.
pub(super) fn drive(state: &mut PartitionState, cx: &mut Context) -> TenureState {
    for id in state.worlds.take_due(cx.now.at) {
        while let Some(step) = state.worlds.next(&id, cx.now.at) {
            if let TenureState::Lost(later) = take_step(state, cx, &id, step) {
                return TenureState::Lost(later);
            }
        }
    }
    TenureState::Held
}

fn take_step(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    step: WorldStep,
) -> TenureState {
    match step {
        WorldStep::Read => world_storage::read(state, cx, id),
        WorldStep::AppendBegan => return append_began(state, cx, id),
        WorldStep::Begin => begin(state, cx, id),
        WorldStep::Tick(skipped) => tick(state, cx, id, skipped),
        WorldStep::Commit => commit(state, cx, id),
        WorldStep::Repeat => repeat(state, cx, id),
        WorldStep::Store => world_storage::store(state, cx, id),
    }
    TenureState::Held
}

/// Appends that this owner begins, unless the log says so already.
fn append_began(state: &mut PartitionState, cx: &mut Context, id: &RoomId) -> TenureState {
    let epoch = state.tenure.epoch;
    let now = cx.now.at;
    let realtime = state.rooms.get(id).and_then(Room::realtime);
    let no = match realtime {
        Some(known) if known.epoch > epoch && known.epoch.is_plausible(cx.now.log_ms) => {
            return TenureState::Lost(known.epoch);
        }
        Some(known) if known.epoch == epoch => Some(known.no),
        _ => None,
    };
    if let Some(no) = no {
        state
            .worlds
            .change(id, now, |world| world.on_applied(Some(no), now));
    } else {
        let entry: Entry = Body::Began(wire::Began { epoch: epoch.0 }).into();
        cx.append(state.tenure.id, id, &entry);
        state
            .worlds
            .change(id, now, |world| world.on_began_appended(now));
    }
    TenureState::Held
}

/// Begins a world from the newer of the stored world and that of the last commit.
fn begin(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let now = cx.now.at;
    let found = state
        .worlds
        .get_mut(id)
        .and_then(|world| world.take_found());
    let Some(room) = state.rooms.get(id) else {
        return state.worlds.forget(id);
    };
    let realtime = room.realtime();
    let committed = realtime.and_then(|known| known.world.as_ref());
    let newest = match (found.as_ref(), committed) {
        (Some(found), Some(committed)) if committed.is_after(found) => Some(committed),
        (found, committed) => found.or(committed),
    };
    let stored = newest.map(|world| StoredWorld {
        version: world.version,
        tick: world.tick,
        text: world.text.0.get(),
    });
    let no = realtime.map_or(0, |known| known.no);
    let begun = cx.call(id, EntryId::OUTSIDE, || room.game().begin_world(stored));
    match begun {
        Ok(Some((world, unusable))) => {
            if let Some(why) = unusable {
                tracing::error!(room = %id, why, "a stored world cannot be used; the room begins another one");
                cx.counts.worlds_made_anew += 1;
            }
            state
                .worlds
                .change(id, now, |known| known.begin(world, no, now));
        }
        Ok(None) => state.worlds.forget(id),
        Err(Panicked) => faults::fail_world(state, cx, id, QuarantineReason::Unavailable),
    }
}

fn tick(state: &mut PartitionState, cx: &mut Context, id: &RoomId, skipped: u64) {
    let (Some(room), Some(known)) = (state.rooms.get(id), state.worlds.get_mut(id)) else {
        return state.worlds.forget(id);
    };
    if room.instance_state().finished {
        return known.set_active(false, cx.now.at);
    }
    let Some(world) = known.world_mut() else {
        return;
    };
    let moved = cx.call(id, EntryId::OUTSIDE, || room.game().tick(world, skipped));
    cx.counts.ticks += 1;
    cx.counts.ticks_skipped += skipped;
    let Ok(output) = moved else {
        return faults::fail_world(state, cx, id, QuarantineReason::Unavailable);
    };
    let TickOutput {
        frames,
        commits,
        faults,
    } = output;
    for fault in faults {
        cx.counts.game_faults += 1;
        tracing::debug!(room = %id, fault, "a game has a fault");
    }
    let changes = commits.iter().map(|change| change.bytes().clone());
    known.on_tick(skipped, changes.collect());
    if known.waiting_bytes() > MAX_CHANGES_BYTES {
        tracing::error!(room = %id, bytes = known.waiting_bytes(), "the commits of a tick exceed their limit");
        return faults::fail_world(state, cx, id, QuarantineReason::TooBig);
    }
    for (lane, data) in frames {
        send_frame(state, cx, id, lane, data);
    }
}

/// Sends a frame to the edges that watch one of its lanes.
fn send_frame(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    lane: Option<Lane>,
    data: Data,
) {
    if !state.audiences.is_watched(id) {
        return;
    }
    let frame = wire::LiveOut {
        players: lane != Some(Lane::Spectators),
        spectators: lane != Some(Lane::Players),
        frame: true,
        data: Some(data),
        ..wire::LiveOut::default()
    };
    let lanes = [frame.players, frame.spectators];
    let edges = state.audiences.direct_edges(id, lanes);
    publish_hot(state, cx, id, || ItemKind::LiveOut(frame.clone()));
    for (edge, _) in edges {
        send(state, cx, id, &edge, ItemKind::LiveOut(frame.clone()));
    }
}

/// Keeps the newest control of a player. Returns whether the room is one in real time, so that its game gets no lossy
/// messages.
pub(super) fn on_control(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    from: (&PlayerId, SessionId),
    data: &Data,
) -> bool {
    let kind = cx.games.get(id.game()).and_then(|kind| kind.realtime());
    if kind.is_none() {
        return false;
    }
    let (player, session) = from;
    let room = state.rooms.get(id);
    let is_current = room
        .and_then(|room| room.reach(player))
        .is_some_and(|(_, current)| current == session);
    let world = state.worlds.get_mut(id).and_then(|known| known.world_mut());
    let Some(world) = world.filter(|_| is_current) else {
        return true;
    };
    let kept = cx.call(id, EntryId::OUTSIDE, || {
        grandstand_game::host::guard(|| world.control(player, data))
    });
    match kept {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            cx.counts.bad_controls += 1;
            tracing::debug!(room = %id, %player, error, "a control cannot be read");
        }
        Err(Panicked) => faults::fail_world(state, cx, id, QuarantineReason::Unavailable),
    }
    true
}

/// Appends the changes that wait, with the world after them.
fn commit(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let kind = cx.games.get(id.game()).and_then(|kind| kind.realtime());
    let is_stored = kind.is_some_and(|kind| kind.most_lost().is_some());
    let after = if is_stored {
        world_storage::stamped(state, cx, id)
    } else {
        None
    };
    if is_stored && after.is_none() {
        return;
    }
    let Some(known) = state.worlds.get_mut(id) else {
        return;
    };
    let (no, changes) = known.take_waiting();
    let commit = wire::Commit {
        epoch: state.tenure.epoch.0,
        no,
        tick: known.world().map_or(0, World::number),
        changes,
        version: cx.games.version(id.game()),
        world: after.map_or_else(Bytes::new, |world| {
            String::from(Box::<str>::from(world.text.0)).into()
        }),
    };
    let entry: Bytes = Entry::from(Body::Commit(commit)).encode_to_vec().into();
    known.on_commit(entry.clone(), cx.now.at);
    append_commit(state, cx, id, no, entry);
}

fn append_commit(state: &PartitionState, cx: &mut Context, id: &RoomId, no: u64, payload: Bytes) {
    let partition = state.tenure.id;
    let token = cx.request(partition, Purpose::AppendCommit(id.clone(), no));
    cx.commands.push_back(Command::Append {
        subject: subject::log(partition, id),
        payload,
        token,
    });
}

/// Appends the unread commits again, in order.
fn repeat(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let Some(known) = state.worlds.get_mut(id) else {
        return;
    };
    for (no, entry) in known.repeat(cx.now.at) {
        append_commit(state, cx, id, no, entry);
    }
}

/// Handles the outcome of the append of a commit. The log shows whether it counts.
pub(super) fn on_appended(
    state: &mut PartitionState,
    cx: &Context,
    id: &RoomId,
    no: u64,
    outcome: &Outcome,
) {
    if let Outcome::Appended(_) = outcome {
        let now = cx.now.at;
        state.worlds.change(id, now, |known| known.on_appended(no));
    }
}

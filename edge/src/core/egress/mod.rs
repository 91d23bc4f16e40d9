//! Events from owners: batches, replies to requests, and leases.

mod departures;

mod hot;

mod items;

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::AppendFailure;
use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, Partition, RoomId};
use grandstand_common::layout::Layout;
use grandstand_common::record::Lease;
use grandstand_common::wire::{
    Batch, InterestReply, Item, ItemKind, LinkReply, Processed, Refused, RoomBatch,
};
use prost::Message;

use super::command::{AppendTag, Command, InterestTag};
use super::delivery;
use super::effects::{Effects, OwnerNote, Timer};
use super::ids::RoomKey;
use super::interest;
use super::reply;
use super::rooms::event::LaneEvent;
use super::state::State;

pub(super) use hot::on_hot;

/// The wait before a worker that did not reply about a gap is asked again.
const RETRY: Duration = Duration::from_millis(100);

/// Handles a worker's message on `edge.{edge}`.
pub(super) fn on_batch(state: &mut State, effects: &mut Effects, payload: Bytes, now: Now) {
    let batch = match Batch::decode(payload) {
        Ok(batch) => batch,
        Err(error) => {
            effects.counts().unreadable += 1;
            tracing::warn!(%error, "cannot decode a batch from a worker: it is dropped");
            return;
        }
    };
    let links = state.owners.links();
    if batch.beat {
        links.handle_ordered_claim(&batch.worker, batch.number);
    } else if links.handle_batch(&batch.worker, batch.number) {
        let has_gap = links.has_gap(&batch.worker);
        let gap_of = has_gap.then_some(batch.worker.as_str());
        for room in batch.rooms {
            on_room(state, effects, room, gap_of, now);
        }
    }
    interest::ask_for_gaps(state, effects);
}

/// Handles a batch's items of one room. `gap_of` is the worker if its numbers have a gap.
fn on_room(
    state: &mut State,
    effects: &mut Effects,
    batch: RoomBatch,
    gap_of: Option<&str>,
    now: Now,
) {
    let hub = &mut state.hub;
    let Some(key) = hub.rooms.find(batch.room.as_str()) else {
        let kinds = || batch.items.iter().filter_map(|item| item.kind.as_ref());
        if kinds().any(|kind| matches!(kind, ItemKind::Processed(p) if is_connected(p))) {
            disown(state, &batch.room);
        }
        return;
    };
    let epoch = Epoch(batch.epoch);
    let instance = Instance(batch.instance);
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    if epoch < room.epoch() {
        effects.counts().old_epochs += 1;
        // If the leases were rolled back, the rightful owner has a lower epoch until it learns this one (D23).
        effects.tell_owner(key, OwnerNote::Changed);
        return;
    }
    let partition = room.partition();
    let begins = epoch > room.epoch() || instance != room.instance();
    if begins {
        room.begin(epoch, instance);
        state.owners.links().release(key);
        for lane in LaneId::ALL {
            let begin = LaneEvent::Begin(epoch, instance);
            delivery::deliver(hub, effects, key.lane(lane), begin, now);
        }
    }
    // A room that begins again needs a sync anyway, and its request is sent after the gap.
    if let (Some(worker), Some(room)) = (gap_of.filter(|_| !begins), hub.rooms.get_mut(key)) {
        let sessions = room.sessions_mut();
        if !sessions.sync().is_held() {
            // Frames for single players wait until the worker has said whether the gap is about this room.
            sessions.sync_mut().set_held(true);
            state.owners.links().hold(key, worker);
        }
    }
    let lacks_updates = hot::lacks_items(hub, effects, key, batch.stream, batch.first);
    let mut has_report = false;
    for Item { kind } in batch.items {
        has_report |= kind.as_ref().is_some_and(is_report);
        match kind {
            // The answer to an earlier request, of an owner that does not number them.
            Some(ItemKind::Synced(_)) if lacks_updates => {}
            Some(ItemKind::Hot(hot)) => hot::on_change(hub, effects, key, &hot, now),
            Some(kind) => items::apply(hub, effects, key, kind, now),
            None => {}
        }
    }
    if let Some(room) = hub.rooms.get_mut(key) {
        let sessions = room.sessions_mut();
        if sessions.sync().is_pending() && !sessions.sync().is_held() {
            effects.tell_owner(key, OwnerNote::Resync);
        }
        effects.counts().add_acks(room.queue_due());
    }
    for lane in LaneId::ALL {
        delivery::mark_dirty(hub, effects, key.lane(lane));
    }
    if has_report && state.health.on_reported(partition) {
        notify_health(state, effects, now);
    }
}

/// Whether an item reports entries of the log.
fn is_report(kind: &ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::Processed(_) | ItemKind::Refused(_) | ItemKind::Gone(_) | ItemKind::Closed(_)
    )
}

/// Whether the owner considers the player of a report connected.
fn is_connected(processed: &Processed) -> bool {
    !processed.ended && !processed.lost
}

/// Schedules a message to the owner that this edge has no clients in a room.
fn disown(state: &mut State, room: &str) {
    if let Ok(id) = room.parse::<RoomId>() {
        let partition = state.config.layout.partition_of(&id);
        state.owners.disown(partition, id);
    }
}

/// Handles a worker's reply about the gap in its numbers up to `to`; `None` if it did not reply.
pub(super) fn on_link_reply(
    state: &mut State,
    effects: &mut Effects,
    worker: &str,
    to: u64,
    reply: Option<Bytes>,
    now: Now,
) {
    let Some(reply) = reply.and_then(|r| LinkReply::decode(r).ok()) else {
        if state.owners.is_owner(worker) {
            state.owners.links().unanswered(worker);
            effects.at(now.at + RETRY, Timer::Links);
        } else {
            state.owners.links().give_up(worker);
            for key in state.owners.links().take_released(worker) {
                on_lost_batch(state, effects, key);
            }
        }
        return;
    };
    state.owners.links().answered(worker, to);
    let mut affected = Vec::new();
    if reply.all {
        affected = state.owners.rooms_of(worker);
    } else {
        for id in &reply.rooms {
            match state.hub.rooms.find(id) {
                Some(key) => affected.push(key),
                None => disown(state, id),
            }
        }
    }
    for key in affected {
        state.owners.links().release(key);
        on_lost_batch(state, effects, key);
    }
    for key in state.owners.links().take_released(worker) {
        if let Some(room) = state.hub.rooms.get_mut(key) {
            room.sessions_mut().sync_mut().set_held(false);
            effects.counts().add_acks(room.queue_due());
        }
        delivery::mark_dirty(&mut state.hub, effects, key.lane(LaneId::Players));
    }
    interest::ask_for_gaps(state, effects);
}

/// Asks for what a room lacks because of a batch that is, or may be, lost.
fn on_lost_batch(state: &mut State, effects: &mut Effects, key: RoomKey) {
    if let Some(room) = state.hub.rooms.get_mut(key) {
        room.sessions_mut().sync_mut().set_held(false);
    }
    items::ask_for_lost(&mut state.hub, effects, key);
}

/// Handles the links' timer: claimed numbers that have not arrived are missing now, and gaps are due for requests.
pub(super) fn on_links_timer(state: &mut State, effects: &mut Effects) {
    state.owners.links().settle();
    interest::ask_for_gaps(state, effects);
}

/// Handles an owner's reply to a request; `None` if it did not reply.
pub(super) fn on_interest_reply(
    state: &mut State,
    effects: &mut Effects,
    tag: InterestTag,
    reply: Option<Bytes>,
    now: Now,
) {
    let reply = reply.and_then(|reply| InterestReply::decode(reply).ok());
    for key in state.owners.on_reply(tag, reply, now, effects) {
        let room = state.hub.rooms.get(key);
        if room.is_some_and(|room| !room.is_watched() && room.is_idle()) {
            state.hub.rooms.remove(key, effects);
            state.owners.forget(tag.partition, key);
        }
    }
}

/// Handles a partition's record in KV `leases`.
pub(super) fn on_lease(
    state: &mut State,
    effects: &mut Effects,
    partition: Partition,
    lease: &Lease,
    now: Now,
) {
    if !state.owners.on_lease(partition, lease) || !state.health.is_up() {
        return;
    }
    for key in state.owners.rooms(partition) {
        if let Some(room) = state.hub.rooms.get_mut(key) {
            let (address, sessions) = room.addressed_sessions();
            sessions.repeat_joins(address, now, effects);
        }
    }
}

/// Handles the loss (`false`) or the return of the connection to the bus. Batches sent in between are lost, and
/// requests may be.
pub(super) fn on_bus(state: &mut State, effects: &mut Effects, up: bool, now: Now) {
    if !state.health.set_up(up, now.at) {
        return;
    }
    if state.health.is_up() {
        resume(state, effects, now);
    } else {
        effects.repeat(None, now);
    }
    notify_health(state, effects, now);
}

/// Handles the layout of the cluster, and whether rooms are being moved to another one. Entries are held meanwhile, and
/// appended again to the logs of the new layout (D33). Returns whether the layout is another one than before.
pub(super) fn on_layout(
    state: &mut State,
    effects: &mut Effects,
    layout: Layout,
    moving: bool,
    now: Now,
) -> bool {
    let was_up = state.health.is_up();
    let is_other = layout != state.config.layout;
    if is_other {
        state.config.layout = layout;
        state.hub.rooms.set_layout(layout);
        let rooms = state.hub.rooms.iter();
        let rooms = rooms.map(|room| (room.partition(), room.address().key));
        state.owners.set_layout(layout, rooms);
    }
    state.health.set_moving(moving);
    if !state.health.is_up() {
        effects.repeat(None, now);
    } else if is_other || !was_up {
        resume(state, effects, now);
    }
    notify_health(state, effects, now);
    is_other
}

/// Asks owners for what was missed, and appends all windows again.
fn resume(state: &mut State, effects: &mut Effects, now: Now) {
    state.owners.resync();
    for room in state.hub.rooms.iter_mut() {
        room.reset_hot();
    }
    let rooms = state.hub.rooms.iter();
    let unprocessed = rooms.filter(|room| room.sessions().has_unprocessed());
    effects.repeat(unprocessed.map(|room| room.address().key), now);
}

/// Returns the next command for the bus. Appends the windows of rooms' sessions again (D3) when no other command waits.
pub(super) fn poll_command(state: &mut State, effects: &mut Effects) -> Option<Command> {
    loop {
        if let Some(command) = effects.poll_command() {
            return Some(command);
        }
        // `now` is the time at which the bus came back.
        let (key, now) = effects.pop_repeat()?;
        if let Some(room) = state.hub.rooms.get_mut(key) {
            let (address, sessions) = room.addressed_sessions();
            sessions.restart(address, now, effects);
        }
    }
}

/// Handles the result of an append: the entry's sequence in the log, or why the entry may not be stored.
pub(super) fn on_appended(
    state: &mut State,
    effects: &mut Effects,
    tag: AppendTag,
    stored: Result<u64, AppendFailure>,
    now: Now,
) {
    effects.counts().appends_failed += u64::from(stored.is_err());
    let Some(room) = state.hub.rooms.get_mut(tag.room) else {
        return;
    };
    let partition = room.partition();
    let (address, sessions) = room.addressed_sessions();
    sessions.on_appended(address, tag, stored, now, effects);
    if stored == Err(AppendFailure::TooBig) {
        on_too_big(state, effects, tag, now);
        return;
    }
    state
        .health
        .on_append(partition, stored.map(|_| ()), now.at);
    notify_health(state, effects, now);
}

/// Handles an entry that exceeds a size limit of the log, which concerns its sender only (D27). The game does not get an
/// input that is too big; a `Joined` that is too big ends the session.
fn on_too_big(state: &mut State, effects: &mut Effects, tag: AppendTag, now: Now) {
    let Some(room) = state.hub.rooms.get_mut(tag.room) else {
        return;
    };
    if tag.n == 0 {
        let refused = Refused {
            session: tag.session,
            code: ErrorKind::TooBig.code().to_owned(),
            message: "the parameters and options of a join must be smaller".to_owned(),
        };
        departures::on_refused(&mut state.hub, effects, tag.room, &refused, now);
        return;
    }
    let (address, sessions) = room.addressed_sessions();
    sessions.refuse(address, tag, ErrorKind::TooBig, now, effects);
    reply::update_reading(&mut state.hub, effects, tag.room, tag.session);
}

/// Repeats the overdue entries of a session.
pub(super) fn on_chain_timer(
    state: &mut State,
    effects: &mut Effects,
    key: RoomKey,
    session: u64,
    now: Now,
) {
    let bus_up = state.health.is_up();
    let Some(room) = state.hub.rooms.get_mut(key) else {
        return;
    };
    let partition = room.partition();
    let (address, sessions) = room.addressed_sessions();
    if sessions.on_timer(address, session, bus_up, now, effects) {
        state.health.on_unreported(partition, now.at);
        notify_health(state, effects, now);
    }
}

/// Notifies all clients when the bus becomes degraded, and when it has recovered.
pub(super) fn notify_health(state: &mut State, effects: &mut Effects, now: Now) {
    if let Some(code) = state.health.poll_notice(now.at) {
        state.hub.announcements.announce(code);
    }
    state.health.arm(effects);
}

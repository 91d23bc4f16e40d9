//! Answers operators: shows rooms, runs those in quarantine again, and deletes those that do not run.

use grandstand_common::id::{Instance, RoomId};
use grandstand_common::wire::{ListPage, OperatorReply, OperatorWant};

use super::listing::{self, ListedRoom, Page};
use super::residence::{Residence, Stored};
use super::room_reads::WaitingEvent;
use super::state::PartitionState;
use super::{idle_loading, writing};
use crate::context::Context;
use crate::loads::Urgency;

/// The most rooms of a page.
const MAX_PAGE: usize = 1_000;
/// The slots that are looked at for a page.
const SLOTS: usize = 4_096;

/// Does what an operator wants, or says why not.
pub(super) fn handle(
    state: &mut PartitionState,
    cx: &mut Context,
    want: &OperatorWant,
) -> OperatorReply {
    if !state.takeover.is_ready() || !state.takeover.is_read() {
        return OperatorReply::refused(
            "not_ready",
            "its owner is still reading the rooms; try again",
        );
    }
    let (name, act): (_, Option<Act>) = match want {
        OperatorWant::List(page) => return list(state, *page),
        OperatorWant::Show(name) => (name, None),
        OperatorWant::Retry(name) => (name, Some(retry)),
        OperatorWant::Drop(name) => (name, Some(drop_room)),
    };
    let id = match name.parse::<RoomId>() {
        Ok(id) => id,
        Err(error) => return OperatorReply::refused("bad_room", format!("the room id {error}")),
    };
    let Some(room) = listing::show(state, &id) else {
        return OperatorReply::refused("no_such_room", "there is no such room");
    };
    match act.map(|act| act(state, cx, &id)) {
        None => reply([room], None),
        Some(Ok(())) => OperatorReply::default(),
        Some(Err((code, message))) => OperatorReply::refused(code, message),
    }
}

type Refusal = (&'static str, &'static str);
type Act = fn(&mut PartitionState, &mut Context, &RoomId) -> Result<(), Refusal>;

fn list(state: &PartitionState, page: ListPage) -> OperatorReply {
    let limit = (page.limit as usize).clamp(1, MAX_PAGE);
    let mut found = Page::new(limit, SLOTS);
    let from = usize::try_from(page.from).unwrap_or(usize::MAX);
    let next = listing::list(state, from, &mut found);
    reply(found.into_items(), next)
}

fn reply(rooms: impl IntoIterator<Item = ListedRoom>, next: Option<usize>) -> OperatorReply {
    let texts = rooms.into_iter().map(|room| serde_json::to_vec(&room));
    OperatorReply {
        rooms: texts.filter_map(Result::ok).map(Into::into).collect(),
        next: next.unwrap_or(0) as u64,
        ..OperatorReply::default()
    }
}

/// Runs a room in quarantine again: it is loaded from its snapshot, and gets its entries from the log. If its game fails
/// again, it is back in quarantine.
fn retry(state: &mut PartitionState, cx: &mut Context, id: &RoomId) -> Result<(), Refusal> {
    if !matches!(residence(state, id), Some(Residence::Quarantined(_))) {
        return Err((
            "not_quarantined",
            "only a room in quarantine can be tried again",
        ));
    }
    let is_stored = state.coverage.is_clean(id) && state.rooms.known().whole(id).is_none();
    let record = state
        .quarantine_records
        .retry_stored(id)
        .filter(|_| is_stored);
    let Some(seq) = record else {
        return Err(("busy", "its record is still being stored; try again"));
    };
    tracing::info!(room = %id, seq, "an operator runs a room in quarantine again");
    let stored = Residence::Stored(Stored::new(Instance(0), None));
    state.rooms.known_mut().set_residence(id, stored);
    state.outlets.hold_all(id, seq, state.log.reached());
    let retried = WaitingEvent::Retried(state.tenure.epoch, seq);
    state.room_reads.wait(id, retried, Urgency::Now);
    // Once it is loaded, its entries are read.
    idle_loading::begin_reads(state, cx);
    Ok(())
}

/// Deletes a room that does not run, and its record.
fn drop_room(state: &mut PartitionState, cx: &mut Context, id: &RoomId) -> Result<(), Refusal> {
    if !matches!(
        residence(state, id),
        Some(Residence::Quarantined(_) | Residence::TooNew(_))
    ) {
        return Err((
            "runs",
            "only a room that does not run can be dropped; close this one",
        ));
    }
    if state.coverage.is_in_flight(id) || !state.quarantine_records.clear(id) {
        return Err(("busy", "its record is still being stored; try again"));
    }
    let seq = state.log.reached();
    tracing::warn!(room = %id, seq, "an operator deletes a room that does not run");
    let known = state.rooms.known_mut();
    known.set_whole(id, None);
    known.set_residence(id, Residence::Deleted(seq));
    if let Some(room) = known.get_mut(id) {
        room.set_covered(seq);
    }
    state.outlets.end_hold(id);
    state.coverage.clear(id);
    state.coverage.mark(id, seq, (0, 0), cx.now.at);
    state.coverage.set_urgent(id, true, cx.now.at);
    writing::write_room(state, cx, id);
    Ok(())
}

fn residence<'a>(state: &'a PartitionState, id: &RoomId) -> Option<&'a Residence> {
    Some(state.rooms.known().get(id)?.residence())
}

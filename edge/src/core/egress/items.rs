//! Application of one item of a batch to its room.

use std::sync::Arc;

use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::id::Lane as LaneId;
use grandstand_common::wire::{Empty, ItemKind, LiveOut, Processed, Snapshot, Update};

use super::departures;
use crate::codec::{self, SentKind};
use crate::core::answer;
use crate::core::crowd;
use crate::core::delivery;
use crate::core::effects::{Effects, OwnerNote};
use crate::core::ids::RoomKey;
use crate::core::linger;
use crate::core::reply;
use crate::core::rooms::delay::DeliveryPolicy;
use crate::core::rooms::event::{LaneEvent, LaneView, UpdateOutcome};
use crate::core::rooms::sessions::{Reject, SessionChange};
use crate::core::state::Hub;

/// Applies one item to its room. Ignores `Hot` items, which the hot stream handles.
pub(super) fn apply(hub: &mut Hub, effects: &mut Effects, key: RoomKey, item: ItemKind, now: Now) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    match item {
        ItemKind::Snapshot(snapshot) => on_snapshot(hub, effects, key, snapshot, now),
        ItemKind::Update(update) => on_update(hub, effects, key, &update, now),
        ItemKind::Direct(direct) => {
            if let Some(data) = &direct.data {
                let (address, sessions) = room.addressed_sessions();
                let recipient = sessions.recipient(direct.session);
                let frames = recipient.and_then(|to| to.on_direct(&address.id, data));
                if let Some(frames) = frames {
                    room.queue_private(frames);
                    effects.counts().sent.add(SentKind::Direct, 1);
                }
            }
        }
        ItemKind::Rejected(rejected) => {
            let reject = Reject {
                seq: rejected.seq,
                code: rejected.code,
                message: rejected.message,
            };
            let (address, sessions) = room.addressed_sessions();
            let recipient = sessions.recipient(rejected.session);
            let frames = recipient.and_then(|to| to.on_rejected(&address.id, reject));
            if let Some(frames) = frames {
                room.queue_private(frames);
                effects.counts().sent.add(SentKind::Reject, 1);
            }
        }
        ItemKind::Processed(report) => on_processed(hub, effects, key, &report, now),
        ItemKind::Refused(refused) => departures::on_refused(hub, effects, key, &refused, now),
        ItemKind::Gone(gone) => departures::on_gone(hub, effects, key, &gone, now),
        ItemKind::LiveOut(live) => on_live_out(hub, effects, key, &live, now),
        ItemKind::Presence(presence) => {
            let presence = Arc::new(presence);
            for lane in LaneId::ALL {
                let event = LaneEvent::Presence(Arc::clone(&presence));
                delivery::deliver(hub, effects, key.lane(lane), event, now);
            }
        }
        ItemKind::Absent(Empty {}) => {
            room.set_missing();
            for lane in LaneId::ALL {
                crowd::release_waiting(hub, effects, key.lane(lane));
            }
        }
        ItemKind::Closed(closed) => departures::on_closed(hub, effects, key, &closed.code, now),
        ItemKind::Synced(synced) => room.sessions_mut().sync_mut().on_answer(synced.number),
        ItemKind::Hot(_) => {}
    }
}

/// Asks the owner for messages about a room that are lost. Frames for single players wait for them (D31).
pub(super) fn ask_for_lost(hub: &mut Hub, effects: &mut Effects, key: RoomKey) {
    if let Some(room) = hub.rooms.get_mut(key) {
        room.sessions_mut().sync_mut().need();
        effects.tell_owner(key, OwnerNote::Resync);
    }
}

fn on_snapshot(hub: &mut Hub, effects: &mut Effects, key: RoomKey, snapshot: Snapshot, now: Now) {
    let lane = LaneId::from_index(snapshot.lane as usize);
    let (Some(lane), Some(data)) = (lane, snapshot.data) else {
        return;
    };
    let policy = DeliveryPolicy::new(snapshot.max_rate_hz, snapshot.delay_ms);
    delivery::set_policy(hub, key.lane(lane), policy);
    let event = LaneEvent::Snapshot {
        version: snapshot.version,
        view: LaneView {
            data: data.detach(),
            is_patched: snapshot.is_patched,
        },
        whole: true,
    };
    delivery::deliver(hub, effects, key.lane(lane), event, now);
}

fn on_update(hub: &mut Hub, effects: &mut Effects, key: RoomKey, update: &Update, now: Now) {
    let Some(data) = &update.data else {
        return;
    };
    let data = data.detach();
    let mut gap = false;
    let versions = [update.players, update.spectators];
    for (lane, version) in LaneId::ALL.into_iter().zip(versions) {
        if version > 0 {
            let event = LaneEvent::Update {
                version,
                key: update.key.clone(),
                data: data.clone(),
                arrived_us: update.arrival.as_ref().map_or(0, |arrival| arrival.at_us),
            };
            gap |=
                delivery::deliver(hub, effects, key.lane(lane), event, now) == UpdateOutcome::Gap;
        }
    }
    if gap {
        ask_for_lost(hub, effects, key);
    }
}

fn on_live_out(hub: &mut Hub, effects: &mut Effects, key: RoomKey, live: &LiveOut, now: Now) {
    let Some(data) = &live.data else { return };
    if live.frame {
        return on_frame(hub, effects, key, live, now);
    }
    let Some((room, encoder)) = hub.rooms.get_with_encoder(key) else {
        return;
    };
    let (id, players, sessions) = room.parts(LaneId::Players);
    let conn_of = |session: u64| sessions.get(session).and_then(|player| player.conn());
    let only = conn_of(live.session);
    let except = conn_of(live.except);
    if live.players {
        let except = except.map(|(conn, _)| conn);
        players.clients_mut().queue_live(id, data, except, encoder);
    }
    if let Some((conn, encoding)) = only {
        let message = ServerMessage::Live {
            room: id,
            data,
            n: None,
        };
        let frames = codec::message(encoding, &message);
        effects.counts().sent.add(SentKind::Live, 1);
        players.clients_mut().private_mut().push(conn, &frames);
    }
    if live.spectators {
        let event = LaneEvent::Live(data.detach());
        delivery::deliver(hub, effects, key.lane(LaneId::Spectators), event, now);
    }
}

/// Shows a frame to the lanes that it is for.
fn on_frame(hub: &mut Hub, effects: &mut Effects, key: RoomKey, live: &LiveOut, now: Now) {
    let Some(data) = &live.data else { return };
    let data = data.detach();
    for (lane, is_wanted) in LaneId::ALL.into_iter().zip([live.players, live.spectators]) {
        if is_wanted {
            let event = LaneEvent::Frame(data.clone());
            delivery::deliver(hub, effects, key.lane(lane), event, now);
        }
    }
}

/// Handles an owner's report of how far a session is processed.
fn on_processed(hub: &mut Hub, effects: &mut Effects, key: RoomKey, report: &Processed, now: Now) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let incarnation = (room.epoch(), room.instance());
    let (address, sessions) = room.addressed_sessions();
    let change = sessions.on_processed(address, incarnation, report, now, effects);
    match change {
        // The owner considers the player connected, so it is told the room's sessions.
        SessionChange::Unknown if !report.ended && !report.lost => {
            effects.tell_owner(key, OwnerNote::Changed);
        }
        SessionChange::Unknown => {}
        SessionChange::Ended(departed) => {
            if let Some(departed) = departed {
                hub.clients.uncount_departing(departed);
            }
            linger::begin(hub, effects, key, now);
        }
        SessionChange::RolledBack(player) => {
            departures::on_rolled_back(hub, effects, key, &player, report.last_seq, now);
        }
        SessionChange::Continues => reply::update_reading(hub, effects, key, report.session),
        SessionChange::Joined(conn) => {
            let lane = LaneId::Players;
            if room.lane(lane).version().is_none() {
                effects.tell_owner(key, OwnerNote::Resync);
            }
            reply::update_reading(hub, effects, key, report.session);
            answer::send(hub, effects, conn, key.lane(lane));
        }
    }
}

//! The part of a snapshot that describes the room around the game's own state.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use grandstand_common::id::{Instance, PlayerId};
use grandstand_game::host::{Armed, InstanceState};
use serde::{Deserialize, Serialize};

use super::head::{StoredHead, first_version};
use crate::room::{
    Bots, Player, Presence, RealtimeState, RefusedSession, Room, RoomState, SeenMessages,
};

/// A room's state as stored. The order of the fields is part of the format, because the stored hash covers the text.
#[derive(Serialize, Deserialize)]
pub(super) struct RoomRecord<'a> {
    instance: Instance,
    seed: [u8; 32],
    events: u64,
    last_event_ms: u64,
    finished: bool,
    versions: [u64; 2],
    armings: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    outs: u64,
    timers: Cow<'a, BTreeMap<String, Armed>>,
    players: Cow<'a, BTreeMap<PlayerId, Player>>,
    refused: Cow<'a, VecDeque<RefusedSession>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    seen: Cow<'a, SeenMessages>,
    #[serde(default, skip_serializing_if = "has_none")]
    bots: Cow<'a, Bots>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    realtime: Option<Cow<'a, RealtimeState>>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_empty(seen: &SeenMessages) -> bool {
    seen.is_empty()
}

fn has_none(bots: &Bots) -> bool {
    bots.is_empty()
}

impl<'a> RoomRecord<'a> {
    pub(super) fn new(room: &'a Room) -> Self {
        let game = room.instance_state();
        let state = room.state();
        Self {
            instance: state.instance,
            seed: game.seed,
            events: game.events,
            last_event_ms: game.last_event_ms,
            finished: game.finished,
            versions: game.versions,
            armings: game.armings,
            outs: game.outs,
            timers: Cow::Borrowed(&game.timers),
            players: Cow::Borrowed(&state.players),
            refused: Cow::Borrowed(&state.refused),
            seen: Cow::Borrowed(&state.seen),
            bots: Cow::Borrowed(&state.bots),
            realtime: state.realtime.as_ref().map(Cow::Borrowed),
        }
    }

    /// Returns the head of the snapshot, for those that earlier builds stored without one. They had no versions.
    pub(super) fn head(&self) -> StoredHead {
        let players = self.players.values();
        let connected = players.filter(|player| player.presence == Presence::Connected);
        let edges: BTreeSet<_> = connected.map(|player| player.edge.clone()).collect();
        StoredHead {
            instance: self.instance,
            version: first_version(),
            due_ms: self.timers.values().map(|armed| armed.due_ms).min(),
            edges: edges.into_iter().collect(),
            has_items: false,
        }
    }

    pub(super) fn into_states(self) -> (InstanceState, RoomState) {
        let game = InstanceState {
            seed: self.seed,
            events: self.events,
            last_event_ms: self.last_event_ms,
            finished: self.finished,
            versions: self.versions,
            armings: self.armings,
            outs: self.outs,
            timers: self.timers.into_owned(),
        };
        let players = self.players.into_owned();
        let refused = self.refused.into_owned();
        let seen = self.seen.into_owned();
        let bots = self.bots.into_owned();
        let realtime = self.realtime.map(Cow::into_owned);
        let state = RoomState::restore(self.instance, players, refused, seen, bots, realtime);
        (game, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A room as builds before this one stored it.
    const STORED: &str = concat!(
        r#"{"instance":7,"seed":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31],"#,
        r#""events":3,"last_event_ms":1767225600000,"finished":false,"versions":[2,3],"armings":4,"#,
        r#""timers":{"turn":{"arming":4,"due_ms":1767225620000}},"#,
        r#""players":{"alice":{"session":10,"edge":"edge-1","presence":"connected","ended":false,"n":1,"last_seq":1,"#,
        r#""client":"","attempt":0,"sessions":[9],"rejects":[{"seq":1,"code":"paused","message":"no"}],"left_at":0}},"#,
        r#""refused":[{"session":11,"code":"room_full","message":"full"}]}"#,
    );

    #[test]
    fn the_stored_text_of_a_room_stays_the_same() {
        let record: RoomRecord<'_> = serde_json::from_str(STORED).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), STORED);
    }

    /// Earlier builds kept the texts of the last 64 rejects, of any length, and no map of them.
    #[test]
    fn d26_rejects_that_an_earlier_build_stored_are_brought_into_bounds() {
        let mut stored: serde_json::Value = serde_json::from_str(STORED).unwrap();
        let long = "é".repeat(1_000);
        let rejects = (20..=80)
            .step_by(2)
            .map(|seq| serde_json::json!({"seq": seq, "code": "paused", "message": long}));
        stored["players"]["alice"]["rejects"] = rejects.collect();
        stored["players"]["alice"]["last_seq"] = 99.into();
        stored["refused"][0]["message"] = long.into();
        let record: RoomRecord<'_> = serde_json::from_value(stored).unwrap();
        let (_, state) = record.into_states();
        let answers = state.players.values().next().unwrap().all_rejected();
        let answers: Vec<_> = answers.map(|r| (r.seq, r.code, r.message.len())).collect();
        let wanted = (36..=80).step_by(2).map(|seq| match seq {
            66.. => (seq, "paused".to_owned(), 122),
            _ => (seq, "rejected".to_owned(), 0),
        });
        assert_eq!(answers, wanted.collect::<Vec<_>>());
        assert_eq!(state.refused[0].message.len(), 118);
    }
}

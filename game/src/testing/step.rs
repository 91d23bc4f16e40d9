//! The effects of a step, and what a test expects of them.

use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId, RoomId};
use serde_json::Value;

use super::describe::value;
use crate::call::CallId;
use crate::effects::Invitation;
use crate::outlet::Outgoing;
use crate::reject::Reject;

/// The effects of a step of a [`TestRoom`](super::TestRoom).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    reject: Option<Reject>,
    /// The updates of each lane, by [`Lane::index`].
    updates: [Vec<Value>; 2],
    directs: Vec<(PlayerId, Value)>,
    kicks: Vec<(PlayerId, String)>,
    invitations: Vec<Invitation>,
    outs: Vec<SentItem>,
    seat_changes: Vec<SeatChange>,
    calls: Vec<TestCall>,
}

/// A change of a player's place by the game.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SeatChange {
    Kick(PlayerId),
    Bot(PlayerId, Duration),
}

/// An item that a game has sent out of its room.
#[derive(Debug, Clone, PartialEq)]
pub struct SentItem {
    /// The room that gets it; `None` if it was emitted.
    pub to: Option<RoomId>,
    /// The topic.
    pub topic: String,
    /// The data.
    pub data: Value,
}

/// A call that a game has made.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCall {
    /// The number of the call.
    pub id: CallId,
    /// The endpoint.
    pub endpoint: String,
    /// The data.
    pub data: Value,
    /// The time at which the call is over, Unix milliseconds.
    pub due_ms: u64,
}

impl Step {
    pub(super) fn refused(reject: Reject) -> Self {
        Self {
            reject: Some(reject),
            ..Self::default()
        }
    }

    pub(super) fn push_update(&mut self, lane: Lane, update: Value) {
        self.updates[lane.index()].push(update);
    }

    pub(super) fn push_direct(&mut self, player: PlayerId, message: Value) {
        self.directs.push((player, message));
    }

    pub(super) fn push_kick(&mut self, player: PlayerId, code: String) {
        self.seat_changes.push(SeatChange::Kick(player.clone()));
        self.kicks.push((player, code));
    }

    pub(super) fn push_bot(&mut self, player: PlayerId, think: Duration) {
        self.seat_changes.push(SeatChange::Bot(player, think));
    }

    /// The changes of players' places, in order.
    pub(super) fn seat_changes(&self) -> &[SeatChange] {
        &self.seat_changes
    }

    pub(super) fn push_invitation(&mut self, invitation: Invitation) {
        self.invitations.push(invitation);
    }

    /// Adds an item. Returns the call, if it is one.
    pub(super) fn push_out(&mut self, item: Outgoing) -> Option<TestCall> {
        let topic = item.topic.to_string();
        let data = value(&Data::Json(item.data));
        let Some(due_ms) = item.due_ms else {
            self.outs.push(SentItem {
                to: item.to,
                topic,
                data,
            });
            return None;
        };
        let call = TestCall {
            id: CallId(item.no),
            endpoint: topic,
            data,
            due_ms,
        };
        self.calls.push(call.clone());
        Some(call)
    }

    /// Adds the effects of a later step.
    pub(super) fn add(&mut self, later: Self) {
        for (all, updates) in self.updates.iter_mut().zip(later.updates) {
            all.extend(updates);
        }
        self.directs.extend(later.directs);
        self.kicks.extend(later.kicks);
        self.invitations.extend(later.invitations);
        self.outs.extend(later.outs);
        self.seat_changes.extend(later.seat_changes);
        self.calls.extend(later.calls);
        self.reject = later.reject.or_else(|| self.reject.take());
    }

    /// The reject, if the game rejected the step.
    pub fn reject(&self) -> Option<&Reject> {
        self.reject.as_ref()
    }

    /// The updates that a lane was sent. A snapshot that was sent in place of an update is not among them.
    pub fn lane(&self, lane: Lane) -> &[Value] {
        &self.updates[lane.index()]
    }

    /// The invitations to other rooms.
    pub fn invitations(&self) -> &[Invitation] {
        &self.invitations
    }

    /// The messages that single players were sent.
    pub fn directs(&self) -> &[(PlayerId, Value)] {
        &self.directs
    }

    /// The players whom the game took out of the room, with the codes.
    pub fn kicks(&self) -> &[(PlayerId, String)] {
        &self.kicks
    }

    /// Expects that the game took a player out of the room with `code`.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn kicked(self, player: &str, code: &str) -> Self {
        let is_wanted = |(id, with): &(PlayerId, String)| id.as_str() == player && with == code;
        let kicks = &self.kicks;
        assert!(kicks.iter().any(is_wanted), "the kicks are {kicks:?}");
        self
    }

    /// The calls that the game made.
    pub fn calls(&self) -> &[TestCall] {
        &self.calls
    }

    /// Expects that the game called an endpoint once, and no other one. The test answers with
    /// [`TestRoom::answer`](super::TestRoom::answer).
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn called(self, endpoint: &str, data: &Value) -> CallId {
        match self.calls.as_slice() {
            [call] if call.endpoint == endpoint && call.data == *data => call.id,
            calls => panic!("the calls are {calls:?}"),
        }
    }

    /// The items that the game emitted, or sent to other rooms.
    pub fn outs(&self) -> &[SentItem] {
        &self.outs
    }

    /// Expects that the game emitted these items with the topic, in this order, and no others.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn emits(self, topic: &str, expected: &[Value]) -> Self {
        let emitted = self.sent(None, topic);
        assert_eq!(emitted, expected.iter().collect::<Vec<_>>(), "{topic:?}");
        self
    }

    /// Expects that the game sent these messages with the topic to a room, in this order, and no others.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn sends(self, room: &str, topic: &str, expected: &[Value]) -> Self {
        let sent = self.sent(Some(room), topic);
        let expected: Vec<_> = expected.iter().collect();
        assert_eq!(sent, expected, "{topic:?} to {room}");
        self
    }

    fn sent(&self, to: Option<&str>, topic: &str) -> Vec<&Value> {
        let is_to =
            |item: &&SentItem| item.to.as_ref().map(RoomId::as_str) == to && item.topic == topic;
        self.outs
            .iter()
            .filter(is_to)
            .map(|item| &item.data)
            .collect()
    }

    /// Expects that the game accepted the step.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn accepted(self) -> Self {
        if let Some(reject) = &self.reject {
            panic!("rejected with {}: {}", reject.code, reject.message);
        }
        self
    }

    /// Expects that the game rejected the step with `code`.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn rejected(self, code: &str) -> Self {
        match &self.reject {
            Some(reject) => assert_eq!(reject.code, code, "{}", reject.message),
            None => panic!("accepted instead of rejected with {code}"),
        }
        self
    }

    /// Expects that a lane was sent these updates.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn updates(self, lane: Lane, expected: &[Value]) -> Self {
        assert_eq!(self.lane(lane), expected, "the updates of {lane:?}");
        self
    }

    /// Expects that a player was sent this message, and no other.
    ///
    /// # Panics
    /// If the player was not.
    #[track_caller]
    pub fn direct(self, player: &str, expected: &Value) -> Self {
        let messages = self.directs.iter();
        let messages = messages.filter(|(to, _)| to.as_str() == player);
        let messages: Vec<_> = messages.map(|(_, message)| message).collect();
        assert_eq!(messages, [expected], "the messages to {player}");
        self
    }
}

//! The effects of a step, and what a test expects of them.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId, RoomId};
use serde_json::Value;

use super::describe::value;
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
        self.kicks.push((player, code));
    }

    pub(super) fn push_invitation(&mut self, invitation: Invitation) {
        self.invitations.push(invitation);
    }

    pub(super) fn push_out(&mut self, item: Outgoing) {
        self.outs.push(SentItem {
            to: item.to,
            topic: item.topic.to_string(),
            data: value(&Data::Json(item.data)),
        });
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

    /// The items that the game sent out of the room.
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

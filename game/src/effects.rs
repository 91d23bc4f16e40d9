//! Effects of an event: updates, private messages, timers, items for the world outside, the end of the room.

use std::marker::PhantomData;
use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId, RoomId};
use rand_chacha::ChaCha8Rng as Rng;
use serde::Serialize;
use serde_json::Value;

use crate::call::CallId;
use crate::outlet::{Destination, EmitId, Outgoing, OutletCount, OutletError, OutletStart};
use crate::update::{OwnUpdate, View};

/// The least and the most time for which a bot thinks.
const MIN_THINK: Duration = Duration::from_millis(100);
const MAX_THINK: Duration = Duration::from_secs(3_600);

/// Collects the effects of an event of a game whose updates are of type `U`.
#[derive(Debug)]
pub struct Effects<U> {
    now_ms: u64,
    rng: Rng,
    list: Vec<Effect>,
    outlet: OutletCount,
    updates: PhantomData<fn(U)>,
}

/// An invitation of a player to another room.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    /// The player.
    pub player: PlayerId,
    /// The room.
    pub room: RoomId,
    /// The options that the room's game receives with the player's join.
    pub options: Value,
    /// The parameters with which the player creates the room, if it is the first; those of its client if `None`.
    pub params: Option<Value>,
}

/// One effect of an event.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A change of one lane's view, or (`None`) of both.
    Update {
        lane: Option<Lane>,
        /// The key of the update, if it has one: of updates with the same key only the latest matters.
        key: Option<String>,
        data: Result<Data, serde_json::Error>,
    },
    /// A message for one player only.
    Direct { player: PlayerId, view: View },
    /// Arms a timer, in place of any of the same name.
    SetTimer { name: String, due_ms: u64 },
    /// Disarms a timer.
    ClearTimer { name: String },
    /// Takes a player out of the room.
    Kick { player: PlayerId, code: String },
    /// Lets the game play a player itself.
    Bot { player: PlayerId, think: Duration },
    /// Invites a player to another room.
    Invite(Invitation),
    /// Sends an item out of the room.
    Out(Outgoing),
    /// Ends the room.
    Finish,
    /// Reports a fault of an author's code, which has no other effect.
    Fault(String),
}

impl<U> Effects<U> {
    /// Effects of an event at `now_ms`, with random numbers from `rng`. `outlet` is what the instance has sent out before.
    pub(crate) fn new(now_ms: u64, rng: Rng, outlet: OutletStart) -> Self {
        Self {
            now_ms,
            rng,
            list: Vec::new(),
            outlet: OutletCount::new(outlet),
            updates: PhantomData,
        }
    }

    /// Sends a message to one player only: the value that [`Game::private`](crate::game::Game::private) would return
    /// now.
    pub fn direct(&mut self, player: &PlayerId, view: View) {
        self.list.push(Effect::Direct {
            player: player.clone(),
            view,
        });
    }

    /// Arms the timer `name` to fire after a time, in milliseconds of the log's clock. A timer of this name that is
    /// armed already is replaced.
    pub fn set_timer(&mut self, name: &str, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.list.push(Effect::SetTimer {
            name: name.to_owned(),
            due_ms: self.now_ms.saturating_add(after_ms),
        });
    }

    /// Disarms the timer `name`, if it is armed.
    pub fn clear_timer(&mut self, name: &str) {
        self.list.push(Effect::ClearTimer {
            name: name.to_owned(),
        });
    }

    /// Takes a player out of the room, after the other effects of the event. The player's client gets `left` with the
    /// code, `[a-z][a-z0-9_]*` and at most 32 bytes. The game gets no [`left`](crate::Game::left). Nothing happens if the
    /// player is not in the room. The player may join again, unless [`joined`](crate::Game::joined) rejects it.
    pub fn kick(&mut self, player: &PlayerId, code: &'static str) {
        self.list.push(Effect::Kick {
            player: player.clone(),
            code: code.to_owned(),
        });
    }

    /// Lets [`Game::bot`](crate::Game::bot) play as `player`, from the end of the event on. It is asked whenever it can move,
    /// and its input is applied about `think` later; a time below 100 ms counts as that, and one above an hour too. A bot
    /// that is added again gets the other time. The game gets no [`joined`](crate::Game::joined).
    ///
    /// A bot may play for a player who has left, or whose connection has dropped; it ends when the player is back. It ends
    /// as well by [`kick`](Self::kick), when an operator kicks it, and with the room. Nothing happens, but a fault is
    /// counted, if the player is connected or the room has 32 bots.
    pub fn add_bot(&mut self, player: &PlayerId, think: Duration) {
        self.list.push(Effect::Bot {
            player: player.clone(),
            think: think.clamp(MIN_THINK, MAX_THINK),
        });
    }

    /// Invites a player to another room. The client gets a `direct` with `{"invite": {"room": …, "params": …, "token": …,
    /// "expires_s": …}}`, and joins with it. The token allows the player to play in that room, whatever its own token
    /// says, and its game gets `options`. It is lost if the player is not connected: invite again when it
    /// [returns](crate::Game::returned).
    pub fn invite(&mut self, player: &PlayerId, room: &RoomId, options: Value) {
        self.invite_to_create(Invitation {
            player: player.clone(),
            room: room.clone(),
            options,
            params: None,
        });
    }

    /// Like [`invite`](Self::invite), to a room that the player may have to create.
    pub fn invite_to_create(&mut self, invitation: Invitation) {
        self.list.push(Effect::Invite(invitation));
    }

    /// Sends data as JSON to programs outside, which read the stream `out.{topic}`, at least once. The item goes out after
    /// the event is stored, also if the worker dies meanwhile. A topic has the characters `[A-Za-z0-9_-]` and at most 64
    /// of them.
    ///
    /// # Errors
    /// If the topic or the data is invalid, the data has more than 64 KiB, or the event sends more than 256 items or
    /// 256 KiB. A `?` in a handler turns the error into a reject with the code `not_sent`.
    pub fn emit(&mut self, topic: &str, data: &impl Serialize) -> Result<EmitId, OutletError> {
        self.push_out(Destination::Stream, topic, data)
    }

    /// Sends data as JSON to another room, whose game gets it once, as a [`message`](crate::Game::message). Messages to a
    /// room come in the order in which they were sent. One to a room that does not exist is dropped.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send(
        &mut self,
        room: &RoomId,
        topic: &str,
        data: &impl Serialize,
    ) -> Result<(), OutletError> {
        self.push_out(Destination::Room(room), topic, data)
            .map(drop)
    }

    /// Calls an endpoint, which the operators of the cluster have given this name, with data as JSON. The game gets its
    /// answer, or the reason why there is none, once, as [`answer`](crate::Game::answer). After `timeout`, 1 ms to 1 hour by
    /// the log's clock, that is [`CallError::Timeout`](crate::CallError::Timeout). The call goes out after the event is
    /// stored, also if the worker dies meanwhile. The endpoint may get it more than once, always with the same id. A name has
    /// the characters `[A-Za-z0-9_-]` and at most 64 of them.
    ///
    /// # Errors
    /// As [`emit`](Self::emit). Also if the timeout is invalid, or the room has 256 open calls.
    pub fn call(
        &mut self,
        endpoint: &str,
        data: &impl Serialize,
        timeout: Duration,
    ) -> Result<CallId, OutletError> {
        let to = Destination::Endpoint { timeout };
        let id = self.push_out(to, endpoint, data)?;
        Ok(CallId(id.0))
    }

    fn push_out(
        &mut self,
        to: Destination<'_>,
        topic: &str,
        data: &impl Serialize,
    ) -> Result<EmitId, OutletError> {
        let item = self.outlet.next(self.now_ms, to, topic, data)?;
        let id = EmitId(item.no);
        self.list.push(Effect::Out(item));
        Ok(id)
    }

    /// Ends the room: it accepts no further inputs. Clients can read it for another minute, then it is deleted.
    pub fn finish(&mut self) {
        self.list.push(Effect::Finish);
    }

    /// Random numbers, the same in every replay.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The event's time by the log's clock, Unix milliseconds. It never precedes that of the previous event, nor the
    /// due time of the timer.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Reports a fault of an author's code, which has no other effect.
    pub(crate) fn fault(&mut self, why: String) {
        self.list.push(Effect::Fault(why));
    }

    pub(crate) fn into_list(self) -> Vec<Effect> {
        self.list
    }
}

/// The updates of games that make their own. One that cannot be serialized becomes a new snapshot of its lanes.
impl<U: OwnUpdate> Effects<U> {
    /// Sends a change to both lanes.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an author writes the update in the call"
    )]
    pub fn update(&mut self, change: U) {
        self.push_update(None, None, &change);
    }

    /// Sends a change to one lane or (`None`) both.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an author writes the update in the call"
    )]
    pub fn update_lane(&mut self, lane: impl Into<Option<Lane>>, change: U) {
        self.push_update(lane.into(), None, &change);
    }

    /// Sends a change to one lane or (`None`) both. Of the changes with the same `key` only the latest matters: a client
    /// that misses the earlier ones ends with the same view, whatever other changes came between them.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an author writes the update in the call"
    )]
    pub fn update_keyed(&mut self, lane: impl Into<Option<Lane>>, key: &str, change: U) {
        self.push_update(lane.into(), Some(key.to_owned()), &change);
    }

    fn push_update(&mut self, lane: Option<Lane>, key: Option<String>, change: &U) {
        let data = change.write();
        self.list.push(Effect::Update { lane, key, data });
    }
}

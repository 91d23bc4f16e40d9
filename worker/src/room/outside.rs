//! Entries that come from outside of the room: kicks, messages, its end.

use grandstand_common::data::Data;
use grandstand_common::id::{PlayerId, RoomId};
use grandstand_common::wire::{self, CallFailure, ItemKind, RoomMessage};
use grandstand_game::host::Panicked;
use grandstand_game::{Answer, CallError, CallId, Event, Leave, Message, Origin};

use super::bot::SeatChange;
use super::emit::{Emit, Invited};
use super::machine::Room;
use super::players::Presence;

/// The code of a kick whose own is not valid.
const KICKED: &str = "kicked";

impl Room {
    /// Handles the kick of a player by an operator or a service.
    pub(super) fn on_kick(
        &mut self,
        time_ms: u64,
        kick: &wire::Kick,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let Ok(player) = kick.player.parse::<PlayerId>() else {
            return Ok(());
        };
        let was_bot = self.state.bots.remove(&player).is_some();
        if self.end_session(&player, &kick.code, emits) || was_bot {
            let left = Event::Left {
                player: &player,
                how: Leave::Kicked,
            };
            self.apply(time_ms, left, None, emits)?;
            self.state.forget_left();
        }
        Ok(())
    }

    /// Sends the invitations of the entry, after the welcome of a player who has joined by it.
    pub(super) fn send_invitations(&mut self, emits: &mut Vec<Emit>) {
        let now_ms = self.game.state().last_event_ms;
        for invitation in std::mem::take(&mut self.invited) {
            if let Some((edge, session)) = self.state.reach(&invitation.player) {
                let edge = edge.clone();
                emits.push(Emit::Invited(Box::new(Invited {
                    edge,
                    session,
                    invitation,
                    now_ms,
                })));
            }
        }
    }

    /// Takes the players out of the room whom its game has kicked, and adds its bots.
    pub(super) fn change_seats(&mut self, emits: &mut Vec<Emit>) {
        for change in std::mem::take(&mut self.seat_changes) {
            match change {
                SeatChange::Kick(player, code) => {
                    self.state.bots.remove(&player);
                    if self.end_session(&player, &code, emits) {
                        self.state.forget_left();
                    }
                }
                SeatChange::Bot(player, think) => self.seat_bot(player, think, emits),
            }
        }
    }

    /// Makes a player leave, and tells the edge of the session. Returns whether the player was in the room.
    fn end_session(&mut self, id: &PlayerId, code: &str, emits: &mut Vec<Emit>) -> bool {
        let before = self.connected_on(id);
        let left_at = self.game.state().events;
        let players = &mut self.state.players;
        let Some(player) = players.get_mut(id).filter(|player| !player.is_left()) else {
            return false;
        };
        let code = if wire::is_code(code) { code } else { KICKED };
        if player.is_reachable() {
            let gone = wire::Gone {
                session: player.session.0,
                code: code.to_owned(),
                ..wire::Gone::default()
            };
            emits.push(Emit::ToEdge(player.edge.clone(), ItemKind::Gone(gone)));
        }
        player.presence = Presence::Left;
        player.ended = true;
        player.kicked = code.to_owned();
        player.left_at = left_at;
        self.state.reject_bytes -= player.drop_texts();
        self.connected.count(before, None);
        emits.push(Emit::Presence);
        true
    }

    /// Passes a message to the game, unless it is a repeat.
    pub(super) fn on_message(
        &mut self,
        time_ms: u64,
        message: &RoomMessage,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let room: RoomId;
        let from = match (message.room.as_str(), message.service.as_str()) {
            ("", "") => Origin::Admin,
            ("", service) => Origin::Service(service),
            (name, _) => match name.parse() {
                Ok(id) => {
                    room = id;
                    Origin::Room(&room)
                }
                Err(_) => return Ok(()),
            },
        };
        if !self.state.seen.note(message) {
            return Ok(());
        }
        let none = Data::Json(bytes::Bytes::from_static(b"null"));
        let event = Event::Message(Message {
            from,
            topic: &message.topic,
            data: message.data.as_ref().unwrap_or(&none),
        });
        let applied = self.apply(time_ms, event, None, emits)?;
        if let Some(reject) = applied.reject {
            tracing::debug!(room = %self.id, topic = message.topic, code = %reject.code, "the game rejected a message");
        }
        Ok(())
    }

    /// Passes the answer to a call to the game, unless the call has one, or is one of an earlier instance.
    pub(super) fn on_answer(
        &mut self,
        time_ms: u64,
        answer: &wire::Answer,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let instance = self.state.instance.to_string();
        let no = answer.call.strip_prefix(&instance);
        let no = no.and_then(|no| no.strip_prefix('.')?.parse().ok());
        let Some(call) = no.map(CallId) else {
            return Ok(());
        };
        if !self.game.take_call(call) {
            return Ok(());
        }
        let result = call_result(answer);
        let event = Event::Answer(Answer { call, result });
        self.apply(time_ms, event, None, emits)?;
        Ok(())
    }

    /// Ends the room at an operator's request.
    pub(super) fn on_close(&mut self, time_ms: u64) {
        if !self.game.state().finished {
            self.game.finish();
            self.delete_after(time_ms);
        }
    }
}

/// The result that an answer has for the game.
fn call_result(answer: &wire::Answer) -> Result<&Data, CallError> {
    const TIMEOUT: u32 = CallFailure::Timeout as u32;
    const NO_ENDPOINT: u32 = CallFailure::NoEndpoint as u32;
    const BAD_ANSWER: u32 = CallFailure::BadAnswer as u32;
    if let Some(status) = u16::try_from(answer.status).ok().filter(|&s| s != 0) {
        return Err(CallError::Status(status));
    }
    match (answer.failure, &answer.data) {
        (0, Some(data)) => Ok(data),
        (0 | BAD_ANSWER, _) => Err(CallError::BadAnswer),
        (TIMEOUT, _) => Err(CallError::Timeout),
        (NO_ENDPOINT, _) => Err(CallError::NoEndpoint),
        _ => Err(CallError::Unavailable),
    }
}

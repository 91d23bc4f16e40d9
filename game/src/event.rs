//! Events, which a game receives from its room's log.

use grandstand_types::data::Data;
use grandstand_types::id::{PlayerId, RoomId};
use serde_json::Value;

use crate::call::{self, Answer, CallError};

/// An event from the log, with inputs of type `I`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event<'a, I> {
    /// A player joined: one who is new to the room, or had left it.
    Joined {
        /// The player.
        player: &'a PlayerId,
        /// The options for this room in the player's token; `null` if it has none.
        options: &'a Value,
    },
    /// A player left for good.
    Left {
        /// The player.
        player: &'a PlayerId,
        /// The way in which the player left.
        how: Leave,
    },
    /// A player's connection dropped.
    Lost {
        /// The player.
        player: &'a PlayerId,
    },
    /// A player whose connection had dropped is back.
    Returned {
        /// The player.
        player: &'a PlayerId,
    },
    /// A player sent an input.
    Input {
        /// The sender.
        player: &'a PlayerId,
        /// The input.
        input: I,
    },
    /// A timer of [`Effects::set_timer`](crate::Effects::set_timer) fired.
    Timer {
        /// Its name.
        name: &'a str,
    },
    /// A message from outside arrived.
    Message(Message<'a>),
    /// A call of [`Effects::call`](crate::Effects::call) is answered, or its time is over.
    Answer(Answer<'a>),
}

/// A message from another room, a service or an operator. Each arrives once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// The sender.
    pub from: Origin<'a>,
    /// The topic, chosen by the sender.
    pub topic: &'a str,
    /// The content.
    pub data: &'a Data,
}

/// The sender of a [`Message`]. It is checked: players cannot send messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin<'a> {
    /// Another room, of any game.
    Room(&'a RoomId),
    /// A program with a token of the role `service`; the name is that of its token.
    Service(&'a str),
    /// An operator, by `grandstand rooms send`.
    Admin,
}

/// The way in which a player left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leave {
    /// The player left by a `leave`.
    Left,
    /// An operator or a service took the player out of the room. A game that does so itself, by
    /// [`Effects::kick`](crate::Effects::kick), is not told.
    Kicked,
}

impl<'a, I> Event<'a, I> {
    /// The event of a timer that is due: the end of the time of a call, or a timer of the game.
    pub fn of_timer(name: &'a str) -> Self {
        match call::of_timer(name) {
            Some(call) => Self::Answer(Answer {
                call,
                result: Err(CallError::Timeout),
            }),
            None => Self::Timer { name },
        }
    }

    /// The event with its input, if it is one, converted by `convert`.
    ///
    /// # Errors
    /// Those of `convert`.
    pub(crate) fn try_map<T, E>(
        self,
        convert: impl FnOnce(I) -> Result<T, E>,
    ) -> Result<Event<'a, T>, E> {
        Ok(match self {
            Self::Joined { player, options } => Event::Joined { player, options },
            Self::Left { player, how } => Event::Left { player, how },
            Self::Lost { player } => Event::Lost { player },
            Self::Returned { player } => Event::Returned { player },
            Self::Input { player, input } => Event::Input {
                player,
                input: convert(input)?,
            },
            Self::Timer { name } => Event::Timer { name },
            Self::Message(message) => Event::Message(message),
            Self::Answer(answer) => Event::Answer(answer),
        })
    }

    /// Whether a game may reject the event.
    pub(crate) fn is_rejectable(&self) -> bool {
        matches!(
            self,
            Self::Joined { .. } | Self::Input { .. } | Self::Message(_)
        )
    }
}

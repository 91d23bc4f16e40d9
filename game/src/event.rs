//! Events, which a game receives from its room's log.

use grandstand_types::id::PlayerId;
use serde_json::Value;

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
}

/// The way in which a player left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leave {
    /// The player left by a `leave`.
    Left,
}

impl<'a, I> Event<'a, I> {
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
        })
    }

    /// Whether a reject of the event is sent to a player.
    pub(crate) fn is_rejectable(&self) -> bool {
        matches!(self, Self::Joined { .. } | Self::Input { .. })
    }
}

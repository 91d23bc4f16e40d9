//! The outputs of an instance.

use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};

use crate::effects::{Effect, Invitation};
use crate::outlet::Outgoing;
use crate::serving::Spectating;

/// The effects of an accepted event, in their order.
#[derive(Debug, Default)]
pub struct EffectList(pub(crate) Vec<Effect>);

/// One output of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A change of views.
    Update {
        /// The new version of each lane by [`Lane::index`]; 0 for a lane that does not change.
        versions: [u64; 2],
        /// The key of the update, if it has one: of updates with the same key only the latest matters.
        key: Option<String>,
        /// The change.
        data: Data,
    },
    /// A change of a lane's view that is sent as a snapshot to all who watch the lane.
    Snapshot(Lane),
    /// A message for one player only.
    Direct {
        /// The recipient.
        player: PlayerId,
        /// The message.
        data: Data,
    },
    /// A player is taken out of the room.
    Kick {
        /// The player.
        player: PlayerId,
        /// The code of the `left` that the client receives.
        code: String,
    },
    /// The game plays a player itself from now on.
    Bot {
        /// The player.
        player: PlayerId,
        /// The time for which the bot thinks.
        think: Duration,
    },
    /// A player is invited to another room.
    Invite(Box<Invitation>),
    /// An item goes out of the room.
    Out(Outgoing),
    /// A fault of the game, which has no further effect.
    Fault(Fault),
}

/// A fault of a game in one of its effects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The game used a timer whose name begins with `=`. It is ignored, because these names are reserved for the host.
    #[error("the timer {0:?} is ignored, because names that begin with '=' are reserved")]
    ReservedTimer(String),
    /// An update cannot be serialized. A snapshot is sent instead.
    #[error("an update cannot be serialized, and a snapshot is sent instead: {0}")]
    Update(String),
    /// A message to a player cannot be serialized. It is not sent.
    #[error("a message to {0} cannot be serialized, and is not sent: {1}")]
    Direct(PlayerId, String),
    /// A match that a queue's rule proposes cannot be made. It is dropped.
    #[error("a proposed match is dropped: {0}")]
    Proposal(String),
    /// A bot is not added.
    #[error("{0} is no bot, because {1}")]
    Bot(PlayerId, &'static str),
    /// A bot's input cannot be logged.
    #[error("the input of the bot {0} has {1} bytes, more than {MAX_BOT_INPUT}")]
    BotInput(PlayerId, usize),
}

/// The most bytes of a bot's input.
pub const MAX_BOT_INPUT: usize = 64 * 1024;

/// The view of a lane, and how it is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedView {
    /// The view.
    pub data: Data,
    /// The rate and delay of the updates that follow.
    pub spectating: Spectating,
    /// Whether the updates that follow are merge patches.
    pub is_patched: bool,
}

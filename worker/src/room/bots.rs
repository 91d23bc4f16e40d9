//! Players whom the game plays itself.
//!
//! The owner asks the game for a bot's input outside of the log. Its entry counts if the bot still has its seat and the
//! number is the next, so that an input counts once, whichever owner has appended it.

use std::time::Duration;

use grandstand_common::data::Data;
use grandstand_common::id::PlayerId;
use grandstand_common::wire;
use grandstand_game::Event;
use grandstand_game::host::{Fault, Panicked};

use super::bot::{Bot, Bots};
use super::emit::Emit;
use super::machine::Room;

/// The most bots of a room.
const MAX_BOTS: usize = 32;

impl Room {
    /// The bots by name.
    pub(crate) fn bots(&self) -> &Bots {
        &self.state.bots
    }

    /// Makes a player a bot.
    pub(super) fn seat_bot(&mut self, player: PlayerId, think: Duration, emits: &mut Vec<Emit>) {
        let is_connected = self.is_connected(&player);
        let bots = &mut self.state.bots;
        let refusal = match bots.get(&player) {
            _ if is_connected => Some("the player is connected"),
            None if bots.len() >= MAX_BOTS => Some("the room has 32 bots"),
            _ => None,
        };
        if let Some(why) = refusal {
            let fault = Fault::Bot(player, why);
            tracing::warn!(room = %self.id, %fault, "a game has a fault");
            emits.push(Emit::Fault);
            return;
        }
        let bot = bots.entry(player).or_insert(Bot {
            seat: self.game.state().events,
            no: 0,
            think_ms: 0,
            rejected: 0,
        });
        bot.think_ms = u64::try_from(think.as_millis()).unwrap_or(u64::MAX);
    }

    /// Applies the input of a bot, if it is the next one of its seat.
    pub(super) fn on_bot_input(
        &mut self,
        time_ms: u64,
        input: &wire::BotInput,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let Ok(player) = input.player.parse::<PlayerId>() else {
            return Ok(());
        };
        if self.game.state().finished || self.state.instance.0 != input.instance {
            return Ok(());
        }
        let bot = self.state.bots.get_mut(&player);
        let Some(bot) = bot.filter(|bot| bot.seat == input.seat && bot.no + 1 == input.no) else {
            return Ok(());
        };
        bot.no = input.no;
        let none = Data::Json(bytes::Bytes::from_static(b"null"));
        let event = Event::Input {
            player: &player,
            input: input.data.as_ref().unwrap_or(&none),
        };
        let reject = self.apply(time_ms, event, None, emits)?.reject;
        if let Some(bot) = self.state.bots.get_mut(&player) {
            bot.rejected = match reject {
                Some(_) => bot.rejected.saturating_add(1),
                None => 0,
            };
        }
        if let Some(reject) = reject {
            tracing::debug!(room = %self.id, bot = %player, code = %reject.code, "the game rejected the input of its own bot");
            emits.push(Emit::BotRejected(player, reject));
        }
        Ok(())
    }
}

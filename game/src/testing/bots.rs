//! The bots of a test room, and its time.

use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::PlayerId;

use super::checks::{Check, Failure, shown};
use super::describe::value;
use super::replicas::Replicas;
use super::room::TestRoom;
use super::step::{SeatChange, Step};
use super::test_bot::TestBot;
use super::timers_at_once::TimersAtOnce;
use crate::event::Event;
use crate::game::Game;
use crate::host::output::{Fault, MAX_BOT_INPUT};

/// The most bots of a room, as a worker allows.
const MAX_BOTS: usize = 32;

impl<G: Game> TestRoom<G> {
    /// The players whom the game plays itself.
    pub fn bots(&self) -> impl Iterator<Item = &PlayerId> {
        self.bots.keys()
    }

    /// Does what follows a step: players are out, others are bots, and all bots are asked.
    pub(super) fn settle(&mut self, step: &Step) -> Result<(), Failure> {
        for change in step.seat_changes() {
            match change {
                SeatChange::Kick(player) => {
                    self.players.remove(player);
                    self.bots.remove(player);
                }
                SeatChange::Bot(player, think) => self.seat_bot(player, *think)?,
            }
        }
        let is_idle = self.connected().next().is_none();
        self.replicas.set_idle(is_idle)?;
        self.ask_bots()
    }

    fn seat_bot(&mut self, player: &PlayerId, think: Duration) -> Result<(), Failure> {
        let refusal = match self.bots.get(player) {
            _ if self.players.get(player) == Some(&true) => Some("the player is connected"),
            None if self.bots.len() >= MAX_BOTS => Some("the room has 32 bots"),
            _ => None,
        };
        if let Some(why) = refusal {
            let fault = Fault::Bot(player.clone(), why);
            return Err(Check::Effects.fails("`add_bot`", fault.to_string()));
        }
        let think_ms = u64::try_from(think.as_millis()).unwrap_or(u64::MAX);
        let bots = self.bots.entry(player.clone());
        bots.or_insert_with(|| TestBot::new(think_ms)).think_ms = think_ms;
        Ok(())
    }

    /// Asks all bots whether they can move. They rest while no player is connected.
    pub(super) fn ask_bots(&mut self) -> Result<(), Failure> {
        let is_played = self.connected().next().is_some() && !self.is_finished();
        for (player, bot) in &mut self.bots {
            let input = if is_played {
                choose(&self.replicas, player)?
            } else {
                None
            };
            let begun = self.now_ms.saturating_add(bot.think_ms);
            let at = bot.next.take().map_or(begun, |(at, _)| at);
            bot.next = input.map(|input| (at, input));
        }
        Ok(())
    }

    /// Lets time pass: timers fire, and bots play.
    pub(super) fn try_pass(&mut self, ms: u64) -> Result<Step, Failure> {
        let until_ms = self.now_ms.saturating_add(ms);
        let mut all = Step::default();
        let mut at_once = TimersAtOnce::default();
        loop {
            let timer = self.replicas.next_timer();
            let timer = timer.filter(|(_, due_ms)| *due_ms <= until_ms);
            let bots = self.bots.iter();
            let bots = bots.filter_map(|(player, bot)| Some((bot.next.as_ref()?.0, player)));
            let bot = bots.min().filter(|(at, _)| *at <= until_ms);
            let bot = bot.map(|(at, player)| (at, player.clone()));
            match (timer, bot) {
                (None, None) => break,
                (Some((name, due_ms)), bot) if bot.as_ref().is_none_or(|(at, _)| due_ms <= *at) => {
                    at_once.count(&name, due_ms)?;
                    self.now_ms = self.now_ms.max(due_ms);
                    if self.replicas.take_timer(&name) {
                        self.replicas.finish();
                        self.ask_bots()?;
                    } else {
                        all.add(self.apply(Event::of_timer(&name))?);
                    }
                }
                (_, Some((at, player))) => {
                    self.now_ms = self.now_ms.max(at);
                    all.add(self.play_bot(&player)?);
                }
                (Some(_), None) => {}
            }
        }
        self.now_ms = until_ms;
        Ok(all)
    }

    /// A bot makes the input that the game has chosen for it.
    fn play_bot(&mut self, player: &PlayerId) -> Result<Step, Failure> {
        let next = self.bots.get_mut(player).and_then(|bot| bot.next.take());
        let Some((_, input)) = next else {
            return Ok(Step::default());
        };
        let step = self.apply(Event::Input {
            player,
            input: &input,
        })?;
        if let Some(reject) = step.reject() {
            let message = format!(
                "the game rejects it with {}: {}",
                reject.code, reject.message
            );
            let at = format!("input of the bot {player}: {}", shown(&value(&input)));
            return Err(Check::Bots.fails(&at, message));
        }
        Ok(step)
    }
}

/// The input that all replicas choose for a bot; `None` if it has nothing to do.
fn choose(replicas: &Replicas, player: &PlayerId) -> Result<Option<Data>, Failure> {
    let step = format!("`bot` for {player}");
    let mut first = None;
    for (replica, name) in replicas.named() {
        let chosen = replica
            .bot(player)
            .map_err(|panicked| Check::Panics.fails(&step, panicked.to_string()))?;
        if *first.get_or_insert_with(|| chosen.clone()) != chosen {
            let message = format!("{name} chooses another input than the first replica");
            return Err(Check::Replicas.fails(&step, message));
        }
    }
    let chosen = first.flatten();
    let bytes = chosen.as_ref().map_or(0, Data::len);
    if bytes > MAX_BOT_INPUT {
        let fault = Fault::BotInput(player.clone(), bytes);
        return Err(Check::Sizes.fails(&step, fault.to_string()));
    }
    Ok(chosen)
}

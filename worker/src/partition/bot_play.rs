//! Asks games for the inputs of their bots, and appends these to the log.

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::id::{PlayerId, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::{Body, BotInput, Entry};
use grandstand_game::host::{Fault, MAX_BOT_INPUT, Panicked};
use prost::Message as _;

use super::bots::{BotAnswer, BotStep};
use super::faults;
use super::state::PartitionState;
use crate::command::Command;
use crate::context::Context;
use crate::current_call::EntryId;
use crate::requests::Purpose;
use crate::room::{Bot, Bots};

/// Does what is due with the bots, as far as the turn of the loop allows. A room whose entries are held back has none,
/// because their inputs would wait as well.
pub(super) fn drive(state: &mut PartitionState, cx: &mut Context) {
    while cx.bot_steps > 0
        && let Some(id) = state.bots.pop_due(cx.now.at)
    {
        let bots = state.rooms.get(&id).map(|room| room.bots().clone());
        match bots {
            Some(bots) if !state.outlets.is_held(&id) => play(state, cx, &id, &bots),
            Some(_) => {}
            None => state.bots.forget(&id),
        }
    }
}

/// Does what is due with the bots of a room.
fn play(state: &mut PartitionState, cx: &mut Context, id: &RoomId, bots: &Bots) {
    state.bots.set_bots(id, bots);
    let mut next = None;
    for bot in bots {
        let at = loop {
            let Some(last) = state.rooms.get(id).map(|room| room.last()) else {
                return;
            };
            let step = state.bots.look(id, bot, last, cx.now.at);
            cx.bot_steps = cx.bot_steps.saturating_sub(step.is_ok().into());
            match step {
                Ok(BotStep::Ask) => {
                    let answer = ask(state, cx, id, bot.0);
                    state.bots.on_answer(id, bot, last, answer, cx.now.at);
                }
                Ok(BotStep::Append(input)) => append(state, cx, id, bot, input),
                Err(at) => break at,
            }
        };
        next = next.into_iter().chain(at).min();
    }
    state.bots.schedule(id, next);
}

/// Asks the game for the next input of a bot. A panic costs the room nothing, because the state is only read.
fn ask(state: &mut PartitionState, cx: &mut Context, id: &RoomId, player: &PlayerId) -> BotAnswer {
    let Some(room) = state.rooms.get(id) else {
        return BotAnswer::Nothing;
    };
    let fault = match cx.call(id, EntryId::OUTSIDE, || room.game().bot(player)) {
        Ok(None) => return BotAnswer::Nothing,
        Ok(Some(input)) if input.len() <= MAX_BOT_INPUT => return BotAnswer::Input(input),
        Ok(Some(input)) => Fault::BotInput(player.clone(), input.len()).to_string(),
        Err(panicked @ Panicked) => panicked.to_string(),
    };
    cx.counts.bot_faults += 1;
    tracing::error!(room = %id, bot = %player, fault, "a bot cannot play now");
    if cx.is_stuck_at(id, EntryId::OUTSIDE) {
        faults::on_panic(state, cx, id);
    }
    BotAnswer::Failed
}

fn append(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    bot: (&PlayerId, &Bot),
    input: Data,
) {
    let no = state.bots.begin_append(id, bot, cx.now.at);
    let (player, bot) = bot;
    let entry = Entry::from(Body::BotInput(BotInput {
        player: player.to_string(),
        seat: bot.seat,
        no,
        instance: state.rooms.instance(id).0,
        data: Some(input),
    }));
    cx.counts.bot_inputs += 1;
    let partition = state.tenure.id;
    let token = cx.request(partition, Purpose::AppendBot);
    let payload: Bytes = entry.encode_to_vec().into();
    cx.commands.push_back(Command::Append {
        subject: subject::log(partition, id),
        payload,
        token,
    });
}

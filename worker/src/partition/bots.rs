//! The bots of rooms that somebody sees: when each is asked for its next input.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::data::Data;
use grandstand_common::id::{PlayerId, RoomId};

use crate::deadlines::Deadlines;
use crate::room::{Bot, Bots};

/// The time after which an input counts as lost that the log has not shown. It doubles with each repeat up to 32 s.
const APPEND_AGAIN: Duration = Duration::from_secs(1);
/// The most time from one rejected input of a bot to the next, unless it thinks longer. It doubles up to that.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// The time for which a bot is not asked after its game has failed.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// The appends of inputs in flight from which on no further ones begin.
const MAX_IN_FLIGHT: usize = 64;

/// The bots of a partition. Rooms without bots, and rooms that nobody sees, cost nothing.
#[derive(Debug, Default)]
pub(super) struct BotTurns {
    rooms: BTreeMap<RoomId, BTreeMap<PlayerId, Turn>>,
    due: Deadlines<RoomId>,
    in_flight: usize,
}

/// A bot, as far as it is not stored.
#[derive(Debug)]
struct Turn {
    seat: u64,
    state: TurnState,
    /// The number of its last input that was appended here; 0 if there is none.
    sent: u64,
    /// The number of times that this input was appended again.
    repeats: u32,
    /// Whether its time to think is over.
    is_ready: bool,
}

#[derive(Debug)]
enum TurnState {
    /// The game is asked now.
    Asks,
    /// The game had nothing to do for it, or failed, after entry `last`. It is not asked before `until`.
    Rests { last: u64, until: Instant },
    /// The game has chosen its input after entry `last`. It is asked again at `until` if there are further entries by then.
    Thinks {
        last: u64,
        until: Instant,
        input: Data,
    },
    /// Its input is on its way through the log. It counts as lost at `until`.
    Logged { until: Instant },
}

/// A thing to do for a bot.
#[derive(Debug, PartialEq)]
pub(super) enum BotStep {
    /// The game is asked for an input.
    Ask,
    /// This input is appended.
    Append(Data),
}

/// The answer of a game for a bot.
#[derive(Debug)]
pub(super) enum BotAnswer {
    Input(Data),
    Nothing,
    Failed,
}

impl BotTurns {
    /// Makes a room due, because something has happened in it. It has bots that somebody sees.
    pub(super) fn touch(&mut self, id: &RoomId, now: Instant) {
        self.rooms.entry(id.clone()).or_default();
        self.due.set(id, Some(now));
    }

    /// Forgets the bots of a room. Inputs that are on their way count all the same.
    pub(super) fn forget(&mut self, id: &RoomId) {
        if self.rooms.remove(id).is_some() {
            self.due.set(id, None);
        }
    }

    /// Returns a room that needs a look. [`look`](Self::look) at its bots, then [`schedule`](Self::schedule) it. There is
    /// none while many appends are in flight.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<RoomId> {
        if self.is_full() {
            None
        } else {
            self.due.pop_due(now)
        }
    }

    /// Begins the look at a room that has these bots.
    pub(super) fn set_bots(&mut self, id: &RoomId, bots: &Bots) {
        let Some(turns) = self.rooms.get_mut(id) else {
            return;
        };
        turns.retain(|player, turn| bots.get(player).is_some_and(|bot| bot.seat == turn.seat));
        for (player, bot) in bots {
            if !turns.contains_key(player) {
                turns.insert(player.clone(), Turn::new(bot));
            }
        }
    }

    /// Returns what is to be done for a bot of a room whose last entry is `last`, or when there may be something.
    pub(super) fn look(
        &mut self,
        id: &RoomId,
        (player, bot): (&PlayerId, &Bot),
        last: u64,
        now: Instant,
    ) -> Result<BotStep, Option<Instant>> {
        let Some(turn) = self.turn(id, player) else {
            return Err(None);
        };
        match &turn.state {
            TurnState::Asks => {}
            TurnState::Rests { last: asked, .. } if *asked == last => return Err(None),
            TurnState::Logged { .. } if bot.no >= turn.sent => turn.is_ready = false,
            TurnState::Rests { until, .. }
            | TurnState::Thinks { until, .. }
            | TurnState::Logged { until }
                if *until > now =>
            {
                return Err(Some(*until));
            }
            TurnState::Rests { .. } => {}
            TurnState::Thinks {
                last: asked, input, ..
            } if *asked == last => {
                return Ok(BotStep::Append(input.clone()));
            }
            TurnState::Thinks { .. } | TurnState::Logged { .. } => turn.is_ready = true,
        }
        turn.state = TurnState::Asks;
        Ok(BotStep::Ask)
    }

    /// Notes the answer of the game for a bot, after entry `last`.
    pub(super) fn on_answer(
        &mut self,
        id: &RoomId,
        (player, bot): (&PlayerId, &Bot),
        last: u64,
        answer: BotAnswer,
        now: Instant,
    ) {
        let Some(turn) = self.turn(id, player) else {
            return;
        };
        let until = if turn.is_ready {
            now
        } else {
            now + thinking_time(player, bot, last)
        };
        turn.is_ready &= matches!(answer, BotAnswer::Input(_));
        turn.state = match answer {
            BotAnswer::Input(input) => TurnState::Thinks { last, until, input },
            BotAnswer::Nothing => TurnState::Rests { last, until: now },
            BotAnswer::Failed => TurnState::Rests {
                last,
                until: now + FAILED_FOR,
            },
        };
    }

    /// Begins the append of a bot's next input. Returns its number.
    pub(super) fn begin_append(
        &mut self,
        id: &RoomId,
        (player, bot): (&PlayerId, &Bot),
        now: Instant,
    ) -> u64 {
        self.in_flight += 1;
        let no = bot.no + 1;
        if let Some(turn) = self.turn(id, player) {
            turn.repeats = if turn.sent == no { turn.repeats + 1 } else { 0 };
            turn.sent = no;
            turn.is_ready = false;
            let until = now + APPEND_AGAIN * (1 << turn.repeats.min(5));
            turn.state = TurnState::Logged { until };
        }
        no
    }

    /// Notes the end of an append. The log shows whether the input counts.
    pub(super) fn end_append(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Sets when a room needs another look.
    pub(super) fn schedule(&mut self, id: &RoomId, at: Option<Instant>) {
        if self.rooms.contains_key(id) {
            self.due.set(id, at);
        }
    }

    /// The next time at which a room needs a look; `None` until an append [ends](Self::end_append), if many are in flight.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next().filter(|_| !self.is_full())
    }

    fn is_full(&self) -> bool {
        self.in_flight >= MAX_IN_FLIGHT
    }

    fn turn(&mut self, id: &RoomId, player: &PlayerId) -> Option<&mut Turn> {
        self.rooms.get_mut(id)?.get_mut(player)
    }
}

impl Turn {
    fn new(bot: &Bot) -> Self {
        Self {
            seat: bot.seat,
            state: TurnState::Asks,
            sent: 0,
            repeats: 0,
            is_ready: false,
        }
    }
}

/// The time for which a bot thinks after entry `last`: between three and five quarters of its own, so that the bots of
/// many rooms do not move at once. It doubles with each rejected input in a row.
fn thinking_time(player: &PlayerId, bot: &Bot, last: u64) -> Duration {
    let think = Duration::from_millis(bot.think_ms);
    let backoff = think.saturating_mul(1 << bot.rejected.min(16));
    let time = backoff.min(MAX_BACKOFF).max(think);
    let sum = player.as_str().bytes().map(u64::from).sum::<u64>();
    let mixed = (last ^ (sum << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    let per_mille = 750 + u32::try_from(mixed).unwrap_or(0) * 500 / 256;
    time.saturating_mul(per_mille) / 1_000
}

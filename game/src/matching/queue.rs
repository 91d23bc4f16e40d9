//! A queue: the game of a room in which players wait for another room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId, RoomId};
use rand_chacha::rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::matches::Matches;
use super::messages::{QueueInput, QueueUpdate, Seats};
use super::rule::{Backfill, MatchRule, Proposal};
use super::tickets::Tickets;
use crate::effects::Effects;
use crate::event::{Leave, Message, Origin};
use crate::game::Game;
use crate::input::NoParams;
use crate::reject::{Reject, Verdict};
use crate::setup::Setup;
use crate::update::View;
use crate::version::Outdated;

/// The timer of the next look at those who wait.
const LOOK: &str = "look";

/// The most players with a ticket. Further ones take another queue of the same rule. A room has fewer players on a worker,
/// because their sessions are stored too.
const MOST_WAITING: usize = 1024;

/// The most bytes of tickets and options, about half of what a room's state may have.
const MOST_BYTES: usize = 384 * 1024;

/// The most rooms that take further players. Further ones are refused.
const MOST_OPEN: usize = 512;

/// The most players of a party.
const MOST_OF_PARTY: usize = 16;

/// The time for which a lost player keeps the ticket.
const LOST_FOR: Duration = Duration::from_secs(30);

/// The time for which a room that takes further players is offered after its last message.
const OPEN_FOR: Duration = Duration::from_secs(120);

/// A queue with the rule `R`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "R: MatchRule")]
pub struct Queue<R: MatchRule> {
    rule: R,
    tickets: Tickets<R::Ticket>,
    /// The options of the players in the room, if they have some.
    options: BTreeMap<PlayerId, Value>,
    /// The bytes of the options.
    options_bytes: usize,
    matches: Matches,
    /// The rooms that take further players.
    open: Vec<Backfill>,
    /// The view, as of the last look.
    shown: QueueUpdate,
    /// Whether the timer of the next look is armed.
    is_looking: bool,
}

type Fx = Effects<QueueUpdate>;

impl<R: MatchRule> Game for Queue<R> {
    const NAME: &'static str = {
        assert!(is_queue(R::QUEUE), "a queue's name is `queue-` and a name");
        R::QUEUE
    };
    const VERSION: u32 = R::VERSION;
    type Params = NoParams;
    type Input = QueueInput<R::Ticket>;
    type Update = QueueUpdate;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self {
            rule: R::default(),
            tickets: Tickets::default(),
            options: BTreeMap::new(),
            options_bytes: 0,
            matches: Matches::default(),
            open: Vec::new(),
            shown: QueueUpdate::default(),
            is_looking: false,
        })
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.shown)
    }

    fn private(&self, player: &PlayerId) -> Option<View> {
        if let Some(matched) = self.matches.of(player) {
            return Some(matched.view());
        }
        let (since_ms, asked) = self.tickets.of(player)?;
        Some(View::of(
            &json!({"waiting": {"since_ms": since_ms, "asked": asked}}),
        ))
    }

    fn joined(&mut self, player: &PlayerId, options: &Value, fx: &mut Fx) -> Verdict {
        let bytes = size(player, options);
        require(self.bytes() + bytes <= MOST_BYTES, "queue_full", || {
            self.full()
        })?;
        self.forget_options(player);
        if !options.is_null() {
            self.options_bytes += bytes;
            self.options.insert(player.clone(), options.clone());
        }
        self.welcome(player, fx);
        Ok(())
    }

    fn input(&mut self, player: &PlayerId, input: Self::Input, fx: &mut Fx) -> Verdict {
        match input {
            QueueInput::Enter { ticket, with } => self.enter(player, ticket, with, fx)?,
            QueueInput::Accept { of } => {
                require(!self.tickets.has(player), "already_waiting", || {
                    "withdraw first".to_owned()
                })?;
                let accepted = self.tickets.accept(player, &of);
                require(accepted, "not_asked", || {
                    format!("{of} has not asked for you")
                })?;
                self.matches.forget(player);
                self.tell(player, fx);
                self.tell(&of, fx);
            }
            QueueInput::Withdraw {} => {
                require(self.tickets.has(player), "not_waiting", || {
                    "you do not wait".to_owned()
                })?;
                self.withdraw(player, fx);
            }
        }
        self.look_soon(fx);
        Ok(())
    }

    fn left(&mut self, player: &PlayerId, _: Leave, fx: &mut Fx) {
        self.withdraw(player, fx);
        self.forget_options(player);
        self.matches.forget(player);
    }

    fn lost(&mut self, player: &PlayerId, fx: &mut Fx) {
        let now_ms = fx.now_ms();
        self.tickets.lose(player, Some(now_ms));
    }

    fn returned(&mut self, player: &PlayerId, fx: &mut Fx) {
        self.tickets.lose(player, None);
        self.welcome(player, fx);
    }

    fn message(&mut self, message: Message<'_>, fx: &mut Fx) -> Verdict {
        let Origin::Room(room) = message.from else {
            return Err(Reject::new("unexpected", "a queue hears of rooms alone"));
        };
        require(message.topic == "backfill", "unexpected", || {
            "the topic is `backfill`".to_owned()
        })?;
        let seats: Seats = match message.data {
            Data::Json(text) => serde_json::from_slice(text)
                .map_err(|error| Reject::new("bad_backfill", error.to_string()))?,
            Data::Binary(_) => return Err(Reject::new("bad_backfill", "the data must be JSON")),
        };
        self.open.retain(|open| open.room != *room);
        if seats.seats > 0 {
            require(self.open.len() < MOST_OPEN, "queue_full", || {
                "too many rooms take players".to_owned()
            })?;
            self.open.push(Backfill {
                room: room.clone(),
                seats: seats.seats,
                labels: seats.labels,
                told_ms: fx.now_ms(),
            });
        }
        self.look_soon(fx);
        Ok(())
    }

    fn timer(&mut self, name: &str, fx: &mut Fx) {
        if name == LOOK {
            self.look(fx);
        }
    }

    fn migrate(from: u32, state: Value) -> Result<Self, Outdated> {
        Ok(serde_json::from_value(R::migrate(from, state)?)?)
    }
}

impl<R: MatchRule> Queue<R> {
    fn enter(
        &mut self,
        player: &PlayerId,
        ticket: R::Ticket,
        with: BTreeSet<PlayerId>,
        fx: &mut Fx,
    ) -> Verdict {
        require(!self.tickets.has(player), "already_waiting", || {
            "withdraw first".to_owned()
        })?;
        let is_party = with.len() < MOST_OF_PARTY && !with.contains(player);
        require(is_party, "bad_party", || "name up to 15 others".to_owned())?;
        let options = self.options.get(player).unwrap_or(&Value::Null);
        let ticket = self.rule.admit(player, options, ticket)?;
        let names: usize = with.iter().map(|name| name.as_str().len()).sum();
        let bytes = size(player, &ticket) + 2 * names;
        let fits = self.bytes() + bytes <= MOST_BYTES
            && self.tickets.players() + with.len() < MOST_WAITING;
        require(fits, "queue_full", || self.full())?;
        self.matches.forget(player);
        let asked = with.clone();
        self.tickets.enter(player, ticket, with, bytes, fx.now_ms());
        self.tell(player, fx);
        for other in &asked {
            fx.direct(other, View::of(&json!({"asked": {"of": player}})));
        }
        Ok(())
    }

    /// The message for a player who does not fit in.
    fn full(&self) -> String {
        let waiting = self.tickets.players();
        format!(
            "{waiting} players wait here; take another queue of this kind, for example {}-2",
            R::QUEUE
        )
    }

    /// The bytes of tickets and options.
    fn bytes(&self) -> usize {
        self.tickets.bytes() + self.options_bytes
    }

    fn forget_options(&mut self, player: &PlayerId) {
        if let Some(options) = self.options.remove(player) {
            self.options_bytes -= size(player, &options);
        }
    }

    /// Tells a player who comes, or comes back, what it may know.
    fn welcome(&self, player: &PlayerId, fx: &mut Fx) {
        if let Some(view) = self.private(player) {
            fx.direct(player, view);
        }
        if let Some(matched) = self.matches.of(player) {
            fx.invite_to_create(matched.invitation(player));
        }
    }

    /// Sends a player what it may know.
    fn tell(&self, player: &PlayerId, fx: &mut Fx) {
        let view = self.private(player);
        fx.direct(player, view.unwrap_or_else(|| View::of(&json!({}))));
    }

    fn withdraw(&mut self, player: &PlayerId, fx: &mut Fx) {
        for other in self.tickets.withdraw(player) {
            fx.direct(&other, View::of(&json!({"withdrawn": {"by": player}})));
        }
    }

    /// Arms the timer of the next look, unless it is armed: frequent inputs would otherwise postpone it without end.
    fn look_soon(&mut self, fx: &mut Fx) {
        if !self.is_looking {
            self.is_looking = true;
            fx.set_timer(LOOK, R::EVERY);
        }
    }

    fn look(&mut self, fx: &mut Fx) {
        self.is_looking = false;
        let now_ms = fx.now_ms();
        let before = |time: Duration| now_ms.saturating_sub(time.as_millis() as u64);
        for player in self.tickets.expire(before(R::EXPIRES), before(LOST_FOR)) {
            fx.direct(&player, View::of(&json!({"expired": {}})));
        }
        self.matches.expire(now_ms);
        self.open.retain(|open| open.told_ms >= before(OPEN_FOR));
        let proposals = self.rule.propose(self.tickets.ready(), &self.open, now_ms);
        for proposal in proposals {
            self.carry_out(proposal, fx);
        }
        self.tickets.sweep();
        let now = QueueUpdate {
            waiting: self.tickets.players(),
            matches: self.matches.count(),
        };
        if self.shown != now {
            self.shown = now;
            fx.update_keyed(None, "queue", now);
        }
        if !self.tickets.is_empty() || !self.matches.is_empty() || !self.open.is_empty() {
            self.look_soon(fx);
        }
    }

    fn carry_out(&mut self, proposal: Proposal, fx: &mut Fx) {
        let (players, room, params) = match proposal {
            Proposal::New {
                players,
                game,
                params,
            } => {
                let room = format!("{game}-{:016x}", fx.rng().next_u64()).parse();
                let room = room.map_err(|error| format!("the game {game:?}: {error}"));
                (players, room, params)
            }
            Proposal::Join { players, room } => {
                let open = self.open.iter_mut().find(|open| open.room == room);
                let seats = open.filter(|open| open.seats as usize >= players.len());
                let taken = match seats {
                    Some(open) if self.tickets.are_free(&players) => {
                        open.seats -= players.len() as u32;
                        Ok(room)
                    }
                    _ => Err(format!("{room} has no seats for {}", players.len())),
                };
                (players, taken, Value::Null)
            }
        };
        let room: RoomId = match room {
            Ok(room) if self.tickets.take(&players) => room,
            Ok(_) => return fx.fault(format!("{players:?} do not wait, or are not whole parties")),
            Err(why) => return fx.fault(why),
        };
        let matched = self.matches.add(players, room, params, fx.now_ms());
        for player in matched.players() {
            fx.direct(player, matched.view());
            fx.invite_to_create(matched.invitation(player));
        }
    }
}

/// Rejects unless a condition holds.
fn require(holds: bool, code: &'static str, message: impl FnOnce() -> String) -> Verdict {
    match holds {
        true => Ok(()),
        false => Err(Reject::new(code, message())),
    }
}

/// The bytes that a player's ticket or options take in the stored state, roughly.
fn size(player: &PlayerId, value: &impl Serialize) -> usize {
    /// The names of the members.
    const REST: usize = 48;
    let text = serde_json::to_vec(value);
    text.map_or(0, |text| text.len()) + player.as_str().len() + REST
}

/// Whether a name is `queue-` and lower-case letters, digits or `_`.
const fn is_queue(name: &str) -> bool {
    let (name, prefix) = (name.as_bytes(), b"queue-");
    let mut at = 0;
    while at < name.len() {
        let fits = if at < prefix.len() {
            name[at] == prefix[at]
        } else {
            matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'_')
        };
        if !fits {
            return false;
        }
        at += 1;
    }
    name.len() > prefix.len()
}

//! A queue: the game of a room in which players wait for another room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grandstand_types::id::{Lane, PlayerId, RoomId};
use rand_chacha::rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::matches::Matches;
use super::messages::{QueueInput, QueueUpdate, Seats, ShardReport, is_queue, read, require, size};
use super::moved::{Moved, send_on, unpack};
use super::open_rooms::OpenRooms;
use super::present::Present;
use super::rule::{MatchRule, Proposal};
use super::shards::{MOST_PLAYERS, Shards};
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
    matches: Matches,
    /// The rooms that take further players.
    open: OpenRooms,
    #[serde(default)]
    present: Present,
    /// The other rooms of the queue.
    #[serde(default)]
    shards: Shards,
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

    fn create(_: NoParams, setup: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self {
            rule: R::default(),
            tickets: Tickets::default(),
            matches: Matches::default(),
            open: OpenRooms::default(),
            present: Present::default(),
            shards: Shards::new(setup.room),
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
        let (options, moved) = unpack::<R::Ticket>(options);
        let bytes = size(player, &options);
        let fits = self.present.len() < MOST_PLAYERS && self.bytes() + bytes <= MOST_BYTES;
        if !fits && !self.present.has(player) {
            let next = self.shards.next(R::SHARDS);
            let next = next.ok_or_else(|| Reject::new("queue_full", self.full()))?;
            send_on(player, &next, &options, &moved, fx);
            return Ok(());
        }
        self.present.add(player, options);
        if let Some((ticket, since_ms)) = moved.ticket(fx.now_ms())
            && !self.tickets.has(player)
        {
            let bytes = size(player, &ticket);
            let alone = BTreeSet::new();
            self.tickets.enter(player, ticket, alone, bytes, since_ms);
        }
        self.welcome(player, fx);
        self.look_soon(fx);
        Ok(())
    }

    fn input(&mut self, player: &PlayerId, input: Self::Input, fx: &mut Fx) -> Verdict {
        match input {
            QueueInput::Enter { resume, .. } if resume && self.private(player).is_some() => {
                self.welcome(player, fx);
            }
            QueueInput::Enter { ticket, with, .. } => self.enter(player, ticket, with, fx)?,
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
        self.forget(player);
        self.look_soon(fx);
    }

    fn lost(&mut self, player: &PlayerId, fx: &mut Fx) {
        let now_ms = fx.now_ms();
        self.tickets.lose(player, Some(now_ms));
        self.present.lose(player, Some(now_ms));
        self.look_soon(fx);
    }

    fn returned(&mut self, player: &PlayerId, fx: &mut Fx) {
        self.tickets.lose(player, None);
        self.present.lose(player, None);
        self.welcome(player, fx);
    }

    fn message(&mut self, message: Message<'_>, fx: &mut Fx) -> Verdict {
        let Origin::Room(room) = message.from else {
            return Err(Reject::new("unexpected", "a queue hears of rooms alone"));
        };
        match message.topic {
            "backfill" => {
                let seats: Seats = read(message.data)?;
                self.open.tell(room, seats, fx.now_ms())?;
                self.look_soon(fx);
            }
            "shard" => return self.take_report(room, read(message.data)?, fx),
            "come_back" if self.shards.first().as_ref() == Some(room) => self.send_back(fx),
            _ => return Err(Reject::new("unexpected", "the topic is `backfill`")),
        }
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
        let options = self.present.options(player);
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
        format!("{waiting} players wait here, and all rooms of the queue are full; try again later")
    }

    /// The bytes of tickets and options.
    fn bytes(&self) -> usize {
        self.tickets.bytes() + self.present.bytes()
    }

    /// Forgets a player who is in the room no longer.
    fn forget(&mut self, player: &PlayerId) {
        self.matches.forget(player);
        self.present.remove(player);
    }

    /// Takes the report of a shard, and calls its players back if they are few.
    fn take_report(&mut self, from: &RoomId, report: ShardReport, fx: &mut Fx) -> Verdict {
        let players = self.present.len();
        match self.shards.take_report(from, report, players, fx.now_ms()) {
            None => Err(Reject::new(
                "unexpected",
                "only shards of this queue report",
            )),
            Some(false) => Ok(()),
            Some(true) => Ok(fx.send(from, "come_back", &json!({}))?),
        }
    }

    /// Sends the players who are connected back to the first room, but no parties.
    fn send_back(&mut self, fx: &mut Fx) {
        let Some(first) = self.shards.first() else {
            return;
        };
        let now_ms = fx.now_ms();
        let mut tickets = BTreeMap::new();
        for waiting in self.tickets.take_singles() {
            let moved = Moved::waiting(waiting.ticket, waiting.since_ms, now_ms);
            if let Some(player) = waiting.players.into_iter().next() {
                tickets.insert(player, moved);
            }
        }
        // Parties, and those who may still read their match, stay.
        let connected = self.present.connected();
        let players = connected.filter(|player| self.private(player).is_none());
        for player in players.cloned().collect::<Vec<_>>() {
            let moved = tickets.remove(&player).unwrap_or_else(Moved::idle);
            let options = self.present.options(&player);
            send_on(&player, &first, options, &moved, fx);
            self.forget(&player);
        }
        self.look_soon(fx);
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
        self.let_go(before(LOST_FOR), fx);
        if let Some((first, report)) = self.shards.report(self.present.len(), now_ms)
            && let Err(error) = fx.send(&first, "shard", &report)
        {
            fx.fault(error.to_string());
        }
        self.open.expire(before(OPEN_FOR));
        let proposals = self
            .rule
            .propose(self.tickets.ready(), self.open.rooms(), now_ms);
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
        let is_shard = self.shards.first().is_some() && !self.present.is_empty();
        let is_used = !self.tickets.is_empty() || !self.matches.is_empty() || !self.open.is_empty();
        if is_used || is_shard || self.present.has_lost() {
            self.look_soon(fx);
        }
    }

    /// Takes out the players who were lost before a time, Unix milliseconds, and have no ticket and no match to come back
    /// to. Their sessions would take the place of others.
    fn let_go(&mut self, before_ms: u64, fx: &mut Fx) {
        let lost = self.present.lost_before(before_ms);
        let gone = lost.filter(|player| self.private(player).is_none());
        let gone: Vec<_> = gone.cloned().collect();
        for player in gone {
            self.forget(&player);
            fx.kick(&player, "lost");
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
                let seats = players.len();
                let is_taken = self.tickets.are_free(&players) && self.open.take(&room, seats);
                let why = || format!("{room} has no seats for {seats}");
                let taken = is_taken.then_some(&room).cloned().ok_or_else(why);
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

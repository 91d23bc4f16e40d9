//! Rooms with bots.

use std::cell::Cell;
use std::time::Duration;

use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, Interest, ItemKind, Kick};
use grandstand_game::{
    Auto, Effects, Game, NoParams, PlayerId, Reject, Rng, Setup, Verdict, View, ensure,
};
use grandstand_game::{Lane, Leave};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// Players and bots count in turn. The first player gets a bot as opponent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Duel {
    count: u64,
    last: Option<PlayerId>,
    left: Vec<PlayerId>,
}

thread_local! {
    /// Whether bots choose inputs that are rejected.
    static IS_STUPID: Cell<bool> = const { Cell::new(false) };
    /// The number of calls of `bot` that still panic.
    static BOT_PANICS: Cell<u32> = const { Cell::new(0) };
    /// The calls of `bot`.
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

impl Game for Duel {
    const NAME: &'static str = "duel";
    type Params = NoParams;
    type Input = u64;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn joined(&mut self, player: &PlayerId, _: &Value, fx: &mut Effects<Auto>) -> Verdict {
        if player.as_str() == "alice" {
            fx.add_bot(&id("robot"), Duration::from_secs(1));
        }
        if player.as_str() == "crowd" {
            (0..40).for_each(|n| fx.add_bot(&id(&format!("robot-{n}")), Duration::from_secs(1)));
        }
        Ok(())
    }

    fn left(&mut self, player: &PlayerId, _: Leave, fx: &mut Effects<Auto>) {
        self.left.push(player.clone());
        if player.as_str() == "bob" {
            fx.add_bot(player, Duration::from_secs(1));
        }
    }

    fn input(&mut self, player: &PlayerId, next: u64, _: &mut Effects<Auto>) -> Verdict {
        ensure!(next == self.count + 1, "not_next", "{next}");
        ensure!(self.last.as_ref() != Some(player), "not_your_turn", "wait");
        (self.count, self.last) = (next, Some(player.clone()));
        Ok(())
    }

    fn bot(&self, player: &PlayerId, _: &mut Rng) -> Option<Value> {
        ASKED.set(ASKED.get() + 1);
        if BOT_PANICS.get() > 0 {
            BOT_PANICS.set(BOT_PANICS.get() - 1);
            panic!("as ordered");
        }
        if IS_STUPID.get() {
            return Some(json!(0));
        }
        let can_move = self.last.is_some() && self.last.as_ref() != Some(player);
        can_move.then(|| json!(self.count + 1))
    }

    fn view(&self, _: Lane) -> View {
        View::of(&(&self.count, &self.last, &self.left))
    }
}

const ROOM: &str = "duel-1";
const ALICE: (&str, u64) = ("alice", 10);

fn id(name: &str) -> PlayerId {
    name.parse().unwrap()
}

/// A room in which Alice plays against a bot.
fn rig() -> Rig {
    let mut rig = Rig::started();
    rig.join(ROOM, ALICE.0, ALICE.1);
    rig
}

/// The request of Alice's edge to another owner, which says that Alice is there.
fn back() -> Interest {
    let mut asks = interest("e1", &[ROOM], true);
    asks.rooms[0].sessions = vec![ALICE.1];
    asks
}

/// The inputs of bots in the log.
fn inputs(rig: &Rig) -> usize {
    let entries = rig.log.iter();
    let entries = entries.map(|stored| Entry::decode(stored.payload.clone()).unwrap());
    entries
        .filter(|entry| matches!(entry.body, Some(Body::BotInput(_))))
        .count()
}

/// The count, and the player who counted last.
fn state(rig: &mut Rig, room: &str) -> (u64, String) {
    rig.send_interest(interest("e9", &[room], true));
    let items = rig.items("e9", room);
    let view = items.iter().rev().find_map(|item| match item {
        ItemKind::Snapshot(snapshot) => {
            let data = snapshot.data.as_ref().unwrap();
            Some(serde_json::from_slice::<Value>(data.bytes()).unwrap())
        }
        _ => None,
    });
    let view = view.unwrap();
    let none = Interest {
        edge: "e9".into(),
        digest: true,
        rooms: Vec::new(),
    };
    rig.send_interest(none);
    let last = view[1].as_str().unwrap_or_default().to_owned();
    (view[0].as_u64().unwrap(), last)
}

#[test]
fn a_bot_plays_after_its_time_to_think() {
    let mut rig = rig();
    rig.advance(5_000);
    assert_eq!(inputs(&rig), 0);
    rig.input(ROOM, ALICE, 1, "1");
    rig.advance(740);
    assert_eq!(inputs(&rig), 0);
    rig.advance(520);
    assert_eq!(state(&mut rig, ROOM), (2, "robot".to_owned()));
    rig.advance(10_000);
    assert_eq!(inputs(&rig), 1);
    rig.input(ROOM, ALICE, 2, "3");
    rig.advance(1_260);
    assert_eq!(state(&mut rig, ROOM), (4, "robot".to_owned()));
    assert_eq!(rig.owner.counts().bot_inputs, 2);
}

#[test]
fn d37_an_input_of_a_bot_counts_once_whichever_owner_appends_it() {
    let mut rig = rig();
    rig.input(ROOM, ALICE, 1, "1");
    rig.hold_appends = true;
    rig.advance(1_300);
    assert_eq!(rig.held_appends.len(), 1);
    rig.advance(500);
    assert_eq!(rig.held_appends.len(), 1, "only one is under way");
    rig.advance(1_000);
    assert_eq!(rig.held_appends.len(), 2, "a lost one is repeated");
    rig.restart();
    rig.send_interest(back());
    rig.advance(1_300);
    assert_eq!(rig.held_appends.len(), 3, "the successor asks again");
    rig.release_appends();
    assert_eq!(inputs(&rig), 3);
    assert_eq!(state(&mut rig, ROOM), (2, "robot".to_owned()));
    assert_eq!(rig.owner.counts().bot_rejects, 0);
}

#[test]
fn d37_bots_survive_their_worker() {
    for waits in [0, 60_000] {
        let mut rig = rig();
        // The room is stored, or only in the log.
        rig.advance(waits);
        rig.restart();
        rig.input(ROOM, ALICE, 1, "1");
        rig.advance(1_300);
        assert_eq!(state(&mut rig, ROOM), (2, "robot".to_owned()));
    }
}

#[test]
fn bots_rest_while_nobody_is_there() {
    let mut rig = rig();
    rig.input(ROOM, ALICE, 1, "1");
    rig.append(ROOM, lost(ALICE, 2));
    let none = Interest {
        edge: "e1".into(),
        digest: true,
        rooms: Vec::new(),
    };
    rig.send_interest(none);
    rig.advance(60_000);
    assert_eq!(inputs(&rig), 0);
    // A spectator comes.
    rig.send_interest(interest("e2", &[ROOM], true));
    rig.advance(1_300);
    assert_eq!(inputs(&rig), 1);
}

#[test]
fn a_player_takes_the_place_of_a_bot_of_the_same_name() {
    let mut rig = rig();
    rig.join(ROOM, "robot", 20);
    rig.input(ROOM, ALICE, 1, "1");
    rig.advance(5_000);
    assert_eq!(inputs(&rig), 0);
    rig.input(ROOM, ("robot", 20), 1, "2");
    assert_eq!(state(&mut rig, ROOM), (2, "robot".to_owned()));
}

#[test]
fn a_bot_may_play_for_a_player_who_has_left_until_the_player_is_back() {
    let mut rig = rig();
    rig.append(ROOM, kick("robot"));
    rig.join(ROOM, "bob", 20);
    rig.append(ROOM, left(("bob", 20), 1));
    rig.input(ROOM, ALICE, 1, "1");
    rig.advance(1_300);
    assert_eq!(state(&mut rig, ROOM), (2, "bob".to_owned()));
    rig.join(ROOM, "bob", 21);
    rig.input(ROOM, ALICE, 2, "3");
    rig.advance(5_000);
    assert_eq!(inputs(&rig), 1);
}

#[test]
fn an_operator_kicks_a_bot_like_a_player() {
    let mut rig = rig();
    rig.append(ROOM, kick("robot"));
    rig.input(ROOM, ALICE, 1, "1");
    rig.advance(5_000);
    assert_eq!(inputs(&rig), 0);
    let snapshot = rig.snapshot(ROOM).unwrap();
    assert_eq!(snapshot["game"]["left"], json!(["robot"]));
    assert!(snapshot["room"].get("bots").is_none());
}

fn kick(player: &str) -> Entry {
    let (player, code) = (player.to_owned(), "afk".to_owned());
    Body::Kick(Kick { player, code }).into()
}

#[test]
fn a_bot_whose_inputs_are_rejected_plays_less_and_less_often() {
    IS_STUPID.set(true);
    let mut rig = rig();
    for _ in 0..60 {
        rig.advance(1_000);
    }
    assert!((4..=6).contains(&inputs(&rig)), "{}", inputs(&rig));
    assert_eq!(rig.owner.counts().bot_rejects, inputs(&rig) as u64);
    // Not even a successor begins quickly again.
    rig.restart();
    rig.send_interest(back());
    let before = inputs(&rig);
    rig.advance(20_000);
    assert_eq!(inputs(&rig), before);
    IS_STUPID.set(false);
    rig.input(ROOM, ALICE, 1, "1");
    rig.advance(80_000);
    assert_eq!(state(&mut rig, ROOM), (2, "robot".to_owned()));
}

#[test]
fn a_bot_that_panics_costs_its_room_nothing() {
    let mut rig = rig();
    BOT_PANICS.set(5);
    for n in 1..=5 {
        rig.input(ROOM, ALICE, n, "1");
    }
    assert_eq!(rig.owner.counts().bot_faults, 1, "it is asked later again");
    assert_eq!(rig.owner.counts().panics, 0);
    BOT_PANICS.set(0);
    rig.advance(10_000);
    rig.advance(1_300);
    assert_eq!(state(&mut rig, ROOM), (2, "robot".to_owned()));
}

#[test]
fn a_room_has_at_most_32_bots() {
    let mut rig = Rig::started();
    rig.join(ROOM, "crowd", 10);
    assert_eq!(rig.owner.counts().game_faults, 8);
    rig.input(ROOM, ("crowd", 10), 1, "1");
    rig.advance(1_300);
    assert!(inputs(&rig) > 0);
}

#[test]
fn entries_do_not_wait_for_hundreds_of_bots() {
    let mut rig = Rig::started();
    for n in 0..300 {
        let room = format!("duel-{n}");
        rig.join(&room, ALICE.0, 10);
        rig.input(&room, ALICE, 1, "1");
    }
    rig.now.at += Duration::from_secs(2);
    rig.now.log_ms += 2_000;
    let before = rig.owner.counts();
    let entry = input(ALICE, 2, 2, "5").encode_to_vec();
    for n in 0..40 {
        let room = room_id(&format!("duel-{n}"));
        rig.store(subject::log(P, &room), entry.clone().into());
    }
    rig.deliver();
    ASKED.set(0);
    rig.owner.flush(rig.now);
    let busy = rig.owner.counts();
    assert_eq!(busy.inputs, before.inputs + 40);
    let steps = |after: crate::counts::Counts| u64::from(ASKED.get()) + after.bot_inputs;
    assert!(steps(busy) <= 2, "the turn is busy: {}", steps(busy));
    ASKED.set(0);
    rig.owner.flush(rig.now);
    let idle = rig.owner.counts();
    let steps = steps(idle) - busy.bot_inputs;
    assert!((16..=17).contains(&steps), "{steps}");
    (0..100).for_each(|_| rig.advance(1));
    assert_eq!(inputs(&rig), 300);
    assert_eq!(rig.owner.counts().bot_rejects, 0);
}

//! Queues that are spread over several rooms.

#![allow(clippy::unwrap_used)]

use grandstand_game::host::{GameInstance, Output};
use grandstand_game::matching::{Backfill, MatchRule, Proposal, Waiting};
use grandstand_game::{
    Data, Event, Games, Invitation, Leave, Message, Origin, PlayerId, Reject, RoomId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Nobody meets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Duel;

#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    rating: f64,
}

impl MatchRule for Duel {
    const QUEUE: &'static str = "queue-duel";
    type Ticket = Ticket;

    fn admit(&mut self, _: &PlayerId, options: &Value, ticket: Ticket) -> Result<Ticket, Reject> {
        let rating = options["rating"].as_f64().unwrap_or(ticket.rating);
        Ok(Ticket { rating })
    }

    fn propose(&mut self, _: &[Waiting<Ticket>], _: &[Backfill], _: u64) -> Vec<Proposal> {
        Vec::new()
    }
}

fn enter(rating: f64) -> Value {
    json!({"op": "enter", "ticket": {"rating": rating}})
}

/// A room of a queue as its host sees it.
struct Hosted {
    instance: GameInstance,
    at_ms: u64,
}

impl Hosted {
    fn new(name: &str) -> Self {
        let mut games = Games::new();
        games.add_queue::<Duel>();
        let kind = games.get("queue-duel").unwrap();
        let room: RoomId = name.parse().unwrap();
        let instance = GameInstance::create(kind, &room, &json!({}), [0; 32], 0);
        Self {
            instance: instance.unwrap().unwrap(),
            at_ms: 0,
        }
    }

    fn apply(&mut self, event: Event<'_, &Data>) -> Result<Vec<Output>, Reject> {
        let mut outputs = Vec::new();
        let rejected = self
            .instance
            .apply(self.at_ms, event, &[], |output| outputs.push(output));
        match rejected.unwrap() {
            None => Ok(outputs),
            Some(reject) => Err(reject),
        }
    }

    fn join(&mut self, player: &str, options: &Value) -> Result<Option<Invitation>, Reject> {
        let player = player.parse().unwrap();
        let outputs = self.apply(Event::Joined {
            player: &player,
            options,
        })?;
        Ok(moved(outputs).pop())
    }

    fn enter(&mut self, player: &str, rating: f64) -> Result<Vec<Output>, Reject> {
        let player = player.parse().unwrap();
        let input = Data::Json(enter(rating).to_string().into());
        self.apply(Event::Input {
            player: &player,
            input: &input,
        })
    }

    fn look(&mut self) -> Vec<Output> {
        self.apply(Event::Timer { name: "look" }).unwrap()
    }

    fn hear(&mut self, from: &str, topic: &str, data: &Value) -> Result<Vec<Output>, Reject> {
        let from = from.parse().unwrap();
        let data = Data::Json(data.to_string().into());
        self.apply(Event::Message(Message {
            from: Origin::Room(&from),
            topic,
            data: &data,
        }))
    }

    fn private(&mut self, player: &str) -> Option<Value> {
        let player = player.parse().unwrap();
        match self.instance.private(&player).unwrap()? {
            Data::Json(text) => serde_json::from_slice(&text).ok(),
            Data::Binary(_) => None,
        }
    }

    /// The players who wait.
    fn waiting(&mut self, players: &[&str]) -> usize {
        let waits = |private: Option<Value>| private.is_some_and(|p| !p["waiting"].is_null());
        players.iter().filter(|p| waits(self.private(p))).count()
    }
}

/// The invitations of those who are sent to another room.
fn moved(outputs: Vec<Output>) -> Vec<Invitation> {
    let mut kicked = Vec::new();
    let mut invited = Vec::new();
    for output in outputs {
        match output {
            Output::Kick { player, code } if code == "moved" => kicked.push(player),
            Output::Invite(invitation) => invited.push(*invitation),
            _ => {}
        }
    }
    let players: Vec<_> = invited
        .iter()
        .map(|invited| invited.player.clone())
        .collect();
    assert_eq!(players, kicked);
    invited
}

#[test]
fn a_queue_that_is_full_sends_players_on_and_calls_them_back() {
    let mut first = Hosted::new("queue-duel");
    for n in 0..300 {
        let player = format!("player-{n}");
        assert_eq!(first.join(&player, &json!({})), Ok(None));
        // Nobody is near enough.
        first.enter(&player, 10_000.0 * f64::from(n)).unwrap();
    }
    let rated = json!({"rating": 1500.0});
    let invitation = first.join("alice", &rated).unwrap().unwrap();
    assert_eq!(invitation.room.as_str(), "queue-duel-shard2");
    let mut second = Hosted::new("queue-duel-shard2");
    assert_eq!(second.join("alice", &invitation.options), Ok(None));
    assert_eq!(second.join("bob", &json!({})), Ok(None));
    second.enter("alice", 0.0).unwrap();
    second.enter("bob", 90_000.0).unwrap();
    assert_eq!(second.waiting(&["alice", "bob"]), 2);

    // The shard reports. Its players are called back only when they fit in.
    let reported = |outputs: &[Output]| {
        let outputs = outputs.iter();
        outputs.filter(|o| matches!(o, Output::Out(_))).count()
    };
    second.at_ms += 1_000;
    assert_eq!(reported(&second.look()), 1);
    let report = json!({"shard": 2, "players": 2});
    let from = "queue-duel-shard2";
    first.at_ms = 10_000;
    assert_eq!(reported(&first.hear(from, "shard", &report).unwrap()), 0);
    for n in 0..100 {
        let player = format!("player-{n}").parse().unwrap();
        let how = Leave::Left;
        first
            .apply(Event::Left {
                player: &player,
                how,
            })
            .unwrap();
    }
    assert_eq!(reported(&first.hear(from, "shard", &report).unwrap()), 1);
    let unknown = first.hear("queue-duel-shard3", "shard", &report);
    assert_eq!(unknown.unwrap_err().code, "unexpected");
    let nobody = second.hear("queue-other", "come_back", &json!({}));
    assert_eq!(nobody.unwrap_err().code, "unexpected");
    second.at_ms = 5_000;
    let back = second.hear("queue-duel", "come_back", &json!({})).unwrap();
    let back = moved(back);
    assert_eq!(second.waiting(&["alice", "bob"]), 0);
    assert_eq!(back.len(), 2);

    // Tickets come with their players, and with the time that they have waited. They count for a while.
    for invitation in &back {
        assert_eq!(invitation.room.as_str(), "queue-duel");
    }
    let mut late = Hosted::new("queue-duel");
    late.at_ms = 60_000;
    assert_eq!(late.join("alice", &back[0].options), Ok(None));
    assert_eq!(late.waiting(&["alice"]), 0);
    first.at_ms = 12_000;
    assert_eq!(first.join("alice", &back[0].options), Ok(None));
    assert_eq!(
        first.private("alice").unwrap(),
        json!({"waiting": {"since_ms": 0, "asked": []}})
    );
    // The rating of the token is still known.
    assert_eq!(back[0].options["options"], rated);
    assert_eq!(back[0].options["moved"]["ticket"]["rating"], 1500.0);
}

#[test]
fn the_last_shard_refuses_players() {
    let mut last = Hosted::new("queue-duel-shard40");
    for n in 0..300 {
        assert_eq!(last.join(&format!("player-{n}"), &json!({})), Ok(None));
    }
    let refused = last.join("alice", &json!({})).unwrap_err();
    assert_eq!(refused.code, "queue_full");
    let mut one = Hosted::new("queue-duel-shard7");
    for n in 0..300 {
        assert_eq!(one.join(&format!("player-{n}"), &json!({})), Ok(None));
    }
    let invitation = one.join("alice", &json!({})).unwrap().unwrap();
    assert_eq!(invitation.room.as_str(), "queue-duel-shard8");
}

/// 10,000 players come at once, and each goes where it is sent.
#[test]
fn ten_thousand_players_wait_in_one_queue() {
    let mut rooms = std::collections::BTreeMap::new();
    let mut sent = 0;
    for n in 0..10_000 {
        let player = format!("player-{n}");
        let (mut room, mut options) = ("queue-duel".to_owned(), json!({}));
        loop {
            let hosted = rooms
                .entry(room.clone())
                .or_insert_with(|| Hosted::new(&room));
            match hosted.join(&player, &options).unwrap() {
                None => break,
                Some(invitation) => {
                    sent += 1;
                    room = invitation.room.to_string();
                    options = invitation.options;
                }
            }
        }
        let hosted = rooms.get_mut(&room).unwrap();
        hosted.enter(&player, 10_000.0 * f64::from(n)).unwrap();
    }
    assert_eq!(rooms.len(), 34);
    // Each is sent once.
    assert_eq!(sent, 10_000 - 300);
    for (room, hosted) in &mut rooms {
        hosted.at_ms = 1_000;
        hosted.look();
        let bytes = hosted.instance.game_state().unwrap().unwrap().get().len();
        assert!(bytes < 768 * 1024, "{room}: {bytes} bytes");
    }
}

#[test]
fn lost_players_without_a_ticket_are_let_go() {
    let mut room = Hosted::new("queue-duel");
    for player in ["alice", "bob"] {
        assert_eq!(room.join(player, &json!({})), Ok(None));
        let player = player.parse().unwrap();
        room.apply(Event::Lost { player: &player }).unwrap();
    }
    let bob = "bob".parse().unwrap();
    room.apply(Event::Returned { player: &bob }).unwrap();
    room.at_ms = 31_000;
    let mut kicked = room.look();
    kicked.retain(|output| matches!(output, Output::Kick { .. }));
    let lost = Output::Kick {
        player: "alice".parse().unwrap(),
        code: "lost".to_owned(),
    };
    assert_eq!(kicked, [lost]);
}

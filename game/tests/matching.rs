//! Queues: who meets whom, and what a queue keeps when its worker is lost.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use grandstand_game::matching::{
    Backfill, MatchRule, Outcome, Proposal, Queue, Range, Rating, Waiting, by_rating,
};
use grandstand_game::testing::{RandomPlay, TestRoom};
use grandstand_game::{Lane, Origin, PlayerId, Reject, RoomId};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const RANGE: Range = Range {
    start: 50.0,
    per_second: 10.0,
    most: 300.0,
};

/// Groups of two; of those who wait for a room of `near`, into that room.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Duel;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    rating: f64,
    #[serde(default)]
    near: String,
}

impl MatchRule for Duel {
    const QUEUE: &'static str = "queue-duel";
    type Ticket = Ticket;

    fn admit(&mut self, _: &PlayerId, options: &Value, ticket: Ticket) -> Result<Ticket, Reject> {
        if ticket.rating < 0.0 {
            return Err(Reject::new("bad_rating", "a rating is 0 or more"));
        }
        let rating = options["rating"].as_f64().unwrap_or(ticket.rating);
        Ok(Ticket { rating, ..ticket })
    }

    fn propose(
        &mut self,
        waiting: &[Waiting<Ticket>],
        open: &[Backfill],
        now_ms: u64,
    ) -> Vec<Proposal> {
        if waiting.iter().any(|waiting| waiting.ticket.rating == 666.0) {
            let players = vec!["nobody".parse().unwrap()];
            let game = "memory".to_owned();
            let params = json!({});
            return vec![Proposal::New {
                players,
                game,
                params,
            }];
        }
        let near = waiting.iter().find_map(|waiting| {
            let mut rooms = open.iter();
            let near = rooms.find(|open| open.labels.get("near") == Some(&waiting.ticket.near))?;
            Some(Proposal::Join {
                players: waiting.players.clone(),
                room: near.room.clone(),
            })
        });
        if let Some(near) = near {
            return vec![near];
        }
        let groups = by_rating(waiting, 2, |ticket| ticket.rating, RANGE, now_ms);
        let new = |players| Proposal::New {
            players,
            game: "memory".to_owned(),
            params: json!({"rows": 4, "cols": 4}),
        };
        groups.into_iter().map(new).collect()
    }
}

/// A queue in which these players are.
fn queue(players: &[&str]) -> TestRoom<Queue<Duel>> {
    let mut room = TestRoom::<Queue<Duel>>::new(json!({}));
    room.reducer(|view, update| view.clone_from(update));
    for player in players {
        room.join(player).accepted();
    }
    room
}

fn enter(rating: f64) -> Value {
    json!({"op": "enter", "ticket": {"rating": rating}})
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// The room in which a player is matched.
fn matched(room: &TestRoom<Queue<Duel>>, player: &str) -> Option<String> {
    let private = room.private(player)?;
    private["match"]["room"].as_str().map(str::to_owned)
}

#[test]
fn players_of_a_similar_rating_meet_and_others_later() {
    let mut room = queue(&["alice", "bob", "carol"]);
    for (player, rating) in [("alice", 1500.0), ("bob", 1800.0), ("carol", 1540.0)] {
        room.input(player, enter(rating)).accepted();
    }
    assert_eq!(matched(&room, "alice"), None);
    room.pass(second())
        .updates(Lane::Players, &[json!({"waiting": 1, "matches": 1})]);
    let place = matched(&room, "alice").unwrap();
    assert!(place.starts_with("memory-"), "{place}");
    assert_eq!(matched(&room, "carol").unwrap(), place);
    assert_eq!(matched(&room, "bob"), None);

    // 300 apart: in range once both tickets have waited for 25 s.
    room.join("dave");
    room.input("dave", enter(1500.0)).accepted();
    room.pass(Duration::from_secs(24));
    assert_eq!(matched(&room, "bob"), None);
    room.pass(second() * 2);
    assert_eq!(matched(&room, "bob"), matched(&room, "dave"));
    assert!(matched(&room, "dave").is_some_and(|other| other != place));
}

#[test]
fn a_crash_loses_no_ticket_and_makes_no_match_twice() {
    let mut room = queue(&["alice", "bob"]);
    room.input("alice", enter(1500.0)).accepted();
    room.crash();
    room.input("alice", enter(1500.0))
        .rejected("already_waiting");
    room.input("bob", enter(1500.0)).accepted();
    room.crash();
    let step = room.pass(second());
    assert_eq!(step.directs().len(), 2);
    let place = matched(&room, "alice");
    assert!(place.is_some());
    room.crash();
    let step = room.pass(second() * 5);
    assert_eq!(step.directs(), []);
    assert_eq!(matched(&room, "alice"), place);
    assert_eq!(room.view(Lane::Spectators)["matches"], 1);
    // A player who comes back gets the match again, for two minutes.
    room.lose("bob");
    room.join("bob");
    assert_eq!(matched(&room, "bob"), place);
    room.pass(Duration::from_secs(120));
    assert_eq!(room.private("alice"), None);
}

#[test]
fn a_party_stays_together() {
    let mut room = queue(&["alice", "bob", "carol"]);
    room.input("carol", enter(1500.0)).accepted();
    let with = json!({"op": "enter", "ticket": {"rating": 1500.0}, "with": ["bob"]});
    room.input("alice", &with)
        .accepted()
        .direct("bob", &json!({"asked": {"of": "alice"}}));
    room.pass(second() * 3);
    assert_eq!(matched(&room, "carol"), None);
    room.input("bob", json!({"op": "accept", "of": "carol"}))
        .rejected("not_asked");
    room.input("bob", json!({"op": "accept", "of": "alice"}))
        .accepted();
    room.pass(second());
    assert_eq!(matched(&room, "alice"), matched(&room, "bob"));
    assert!(matched(&room, "alice").is_some());
    assert_eq!(matched(&room, "carol"), None);

    // One who withdraws ends it for all.
    room.input("alice", &with).accepted();
    room.input("bob", json!({"op": "accept", "of": "alice"}))
        .accepted();
    let withdrawn = json!({"withdrawn": {"by": "bob"}});
    room.leave("bob").direct("alice", &withdrawn);
    room.input("alice", json!({"op": "withdraw"}))
        .rejected("not_waiting");
}

#[test]
fn lost_players_keep_their_tickets_for_a_while() {
    let mut room = queue(&["alice", "bob"]);
    room.input("alice", enter(1500.0)).accepted();
    room.lose("alice");
    room.input("bob", enter(1500.0)).accepted();
    room.pass(second() * 20);
    assert_eq!(matched(&room, "bob"), None);
    room.crash();
    room.join("alice").accepted();
    room.pass(second());
    assert!(matched(&room, "alice").is_some());
    assert_eq!(matched(&room, "bob"), matched(&room, "alice"));

    room.input("alice", enter(1500.0)).accepted();
    room.lose("alice");
    room.pass(second() * 32);
    room.join("alice");
    room.input("alice", json!({"op": "withdraw"}))
        .rejected("not_waiting");
}

#[test]
fn tickets_expire() {
    let mut room = queue(&["alice"]);
    room.input("alice", enter(1500.0)).accepted();
    room.pass(Duration::from_secs(599));
    assert!(room.private("alice").is_some());
    let step = room.pass(second() * 3);
    assert_eq!(step.directs()[0].1, json!({"expired": {}}));
    assert_eq!(room.private("alice"), None);
    assert_eq!(room.timers().count(), 0, "nobody is looked for");
}

#[test]
fn rooms_take_further_players_as_long_as_they_have_seats() {
    let open: RoomId = "memory-open".parse().unwrap();
    let near = |rating| json!({"op": "enter", "ticket": {"rating": rating, "near": "paris"}});
    let mut room = queue(&["alice", "bob"]);
    room.message(
        Origin::Room(&open),
        "backfill",
        json!({"seats": 1, "labels": {"near": "paris"}}),
    )
    .accepted();
    room.input("alice", near(1500.0)).accepted();
    room.input("bob", near(9000.0)).accepted();
    room.pass(second());
    assert_eq!(matched(&room, "alice").unwrap(), "memory-open");
    assert_eq!(matched(&room, "bob"), None);
    let more = json!({"seats": 1, "labels": {"near": "paris"}});
    room.message(Origin::Room(&open), "backfill", more)
        .accepted();
    room.message(Origin::Room(&open), "backfill", json!({"seats": 0}))
        .accepted();
    room.pass(second());
    assert_eq!(matched(&room, "bob"), None);
    for (from, topic, data, code) in [
        (Origin::Admin, "backfill", json!({"seats": 1}), "unexpected"),
        (
            Origin::Room(&open),
            "hello",
            json!({"seats": 1}),
            "unexpected",
        ),
        (
            Origin::Room(&open),
            "backfill",
            json!({"seats": -1}),
            "bad_message",
        ),
    ] {
        room.message(from, topic, data).rejected(code);
    }
}

#[test]
fn bad_tickets_are_rejected_and_tokens_decide() {
    let mut room = queue(&["alice", "bob"]);
    for input in [
        json!({"op": "enter"}),
        json!({"op": "enter", "ticket": {"rating": "high"}}),
        json!({"op": "enter", "ticket": {"rating": 1500, "rank": 1}}),
        json!({"op": "enter", "ticket": {"rating": 1500}, "with": "bob"}),
        json!({"op": "wait"}),
        json!(7),
    ] {
        room.input("alice", input).rejected("bad_input");
    }
    room.input("alice", enter(-1.0)).rejected("bad_rating");
    let alone = json!({"op": "enter", "ticket": {"rating": 1.0}, "with": ["alice"]});
    room.input("alice", alone).rejected("bad_party");

    room.join_with("carol", &json!({"rating": 1500.0}));
    room.input("carol", enter(9000.0)).accepted();
    room.input("bob", enter(1500.0)).accepted();
    room.pass(second());
    assert!(matched(&room, "carol").is_some());
}

#[test]
fn a_proposal_of_players_who_do_not_wait_is_a_fault() {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut room = queue(&["alice"]);
        room.input("alice", enter(666.0));
        room.pass(second());
    }));
    let message = *played.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("Effects fails"), "{message}");
}

#[test]
fn a_client_that_enters_again_resumes() {
    let mut room = queue(&["alice", "bob"]);
    let resume = json!({"op": "enter", "ticket": {"rating": 1500}, "resume": true});
    room.input("alice", &resume).accepted();
    room.input("alice", &resume).accepted();
    room.input("bob", &resume).accepted();
    room.pass(second());
    let place = matched(&room, "alice").unwrap();
    room.input("alice", &resume).accepted();
    assert_eq!(matched(&room, "alice").unwrap(), place);
    room.input("alice", enter(1500.0)).accepted();
    assert_eq!(matched(&room, "alice"), None);
}

#[test]
fn random_play_keeps_the_rules() {
    RandomPlay::<Queue<Duel>>::new()
        .players(6)
        .steps(300)
        .reducer(|view, update| view.clone_from(update))
        .run(|_, _, rng| match rng.random_range(0..6) {
            0 => json!({"op": "withdraw"}),
            1 => json!({"op": "accept", "of": format!("player-{}", rng.random_range(0..6))}),
            2 => json!({"op": "enter", "ticket": {"rating": 1500.0}, "with": ["player-2"]}),
            _ => enter(f64::from(rng.random_range(1400..1600))),
        });
}

#[test]
fn groups_are_neighbours_within_all_ranges() {
    let waiting = |players: &[&str], rating: f64, since_ms| {
        let players: Vec<PlayerId> = players.iter().map(|name| name.parse().unwrap()).collect();
        serde_json::from_value::<Waiting<f64>>(json!({
            "number": 1, "bytes": 1, "players": players, "ticket": rating, "since_ms": since_ms,
        }))
        .unwrap()
    };
    // A rule may compute what is no number.
    let rating = |rating: &f64| rating.sqrt().powi(2);
    let groups = |waiting: &[Waiting<f64>], size| {
        let groups = by_rating(waiting, size, rating, RANGE, 10_000);
        let names =
            |group: Vec<PlayerId>| group.iter().map(ToString::to_string).collect::<Vec<_>>();
        groups.into_iter().map(names).collect::<Vec<_>>()
    };
    // Accepts 50 when new, 150 after 10 s.
    let (old, new) = (0, 10_000);
    let ab = [waiting(&["a"], 1500.0, old), waiting(&["b"], 1600.0, old)];
    assert_eq!(groups(&ab, 2), [["a", "b"]]);
    let ab = [waiting(&["a"], 1500.0, old), waiting(&["b"], 1600.0, new)];
    assert!(groups(&ab, 2).is_empty());
    let parties = [
        waiting(&["a", "b"], 1500.0, new),
        waiting(&["c"], 1510.0, new),
        waiting(&["d", "e"], 1520.0, new),
        waiting(&["f", "g", "h", "i", "j"], 1520.0, new),
        waiting(&["k"], 1530.0, new),
        waiting(&["l"], -1.0, new),
    ];
    assert_eq!(groups(&parties[..2], 4), Vec::<Vec<String>>::new());
    assert_eq!(groups(&parties, 3), [["a", "b", "c"], ["d", "e", "k"]]);
}

#[test]
fn ratings_are_those_of_the_published_example() {
    // Glickman, "Example of the Glicko-2 system".
    let rated = |rating, deviation| Rating {
        rating,
        deviation,
        volatility: 0.06,
    };
    let after = rated(1500.0, 200.0).after(&[
        (rated(1400.0, 30.0), Outcome::Won),
        (rated(1550.0, 100.0), Outcome::Lost),
        (rated(1700.0, 300.0), Outcome::Lost),
    ]);
    assert!((after.rating - 1464.06).abs() < 0.1, "{after:?}");
    assert!((after.deviation - 151.52).abs() < 0.1, "{after:?}");
    assert!((after.volatility - 0.059_99).abs() < 0.001, "{after:?}");
}

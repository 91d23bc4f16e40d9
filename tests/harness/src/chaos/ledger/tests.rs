use serde_json::json;

use super::*;

const ROOM: &str = "relay-1";

/// A room with two players. One sent three inputs, the other two; all are acked.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.open(ROOM, Game::Relay);
    for (player, count) in [("alice", 3), ("bob", 2)] {
        for seq in 1..=count {
            ledger.sent(ROOM, player, seq);
            ledger.acked(ROOM, player, seq, seq);
        }
    }
    ledger
}

fn observer(name: &str) -> Observer<'_> {
    Observer {
        room: ROOM,
        lane: Lane::Players,
        name,
        epoch: 1,
    }
}

fn update(player: &str, seq: u64) -> Value {
    json!({"from": player, "data": {"seq": seq}})
}

/// Returns the rules that these updates of the players' lane break.
fn broken(updates: &[Option<(&str, u64)>]) -> Vec<Rule> {
    let mut ledger = ledger();
    for (version, input) in (1..).zip(updates) {
        let view = json!({"count": version});
        if let Some((player, seq)) = input {
            ledger.updated(observer("alice"), version, &update(player, *seq));
        }
        if version as usize == updates.len() {
            ledger.shows(observer("bob"), version, &view);
        }
    }
    ledger.close(ROOM);
    let seen = ledger.violations.first.iter();
    let players = seen.filter(|v| v.observer == lane_name(Lane::Players));
    players.map(|v| v.rule).collect()
}

#[test]
fn complete_ordered_inputs_break_no_rule_even_if_some_were_unseen() {
    let all = [
        Some(("alice", 1)),
        Some(("bob", 1)),
        Some(("alice", 2)),
        Some(("alice", 3)),
        Some(("bob", 2)),
    ];
    assert_eq!(broken(&all), []);
    let mut some = all;
    (some[1], some[4]) = (None, None);
    assert_eq!(broken(&some), []);
    assert_eq!(broken(&[None; 5]), []);
}

#[test]
fn a_lost_input_is_reported() {
    let mut updates = [
        Some(("alice", 1)),
        Some(("bob", 1)),
        Some(("alice", 3)),
        Some(("bob", 2)),
    ];
    assert_eq!(broken(&updates), [Rule::Lost]);
    updates[0] = None;
    assert_eq!(broken(&updates), [Rule::Lost]);
    assert_eq!(broken(&[None; 4]), [Rule::Lost]);
}

#[test]
fn an_input_that_was_applied_twice_is_reported() {
    let updates = [
        Some(("alice", 1)),
        Some(("bob", 1)),
        Some(("alice", 2)),
        Some(("alice", 2)),
        Some(("alice", 3)),
        Some(("bob", 2)),
    ];
    assert!(broken(&updates).contains(&Rule::Doubled));
    assert_eq!(broken(&[None; 6]), [Rule::Doubled]);
}

#[test]
fn a_wrong_order_is_reported() {
    let updates = [
        Some(("alice", 2)),
        Some(("bob", 1)),
        Some(("alice", 1)),
        Some(("alice", 3)),
        Some(("bob", 2)),
    ];
    assert_eq!(broken(&updates), [Rule::Order]);
}

#[test]
fn one_version_with_two_contents_is_reported() {
    let mut ledger = ledger();
    ledger.updated(observer("alice"), 1, &update("alice", 1));
    ledger.updated(observer("bob"), 1, &update("alice", 1));
    ledger.shows(observer("alice"), 1, &json!({"count": 1}));
    ledger.shows(observer("bob"), 1, &json!({"count": 1}));
    assert_eq!(ledger.violations.total, 0);
    ledger.updated(observer("bus"), 1, &update("bob", 1));
    ledger.shows(observer("bob"), 1, &json!({"count": 2}));
    let rules: Vec<_> = ledger.violations.first.iter().map(|v| v.rule).collect();
    assert_eq!(rules, [Rule::Views, Rule::Views]);
}

#[test]
fn a_room_created_again_is_reported_unless_it_was_over() {
    let mut ledger = ledger();
    assert!(ledger.joined(ROOM, "alice", "7"));
    assert!(ledger.joined(ROOM, "bob", "7"));
    assert!(!ledger.joined(ROOM, "bob", "9"));
    assert_eq!(ledger.violations.first[0].rule, Rule::Restarted);
    ledger.over(ROOM);
    assert!(!ledger.joined(ROOM, "bob", "9"));
    assert_eq!(ledger.violations.total, 1);
}

#[test]
fn rejected_flips_may_be_missing_from_the_room() {
    let flips = |updates: &[u64]| {
        let mut ledger = Ledger::default();
        ledger.open("memory-1", Game::Memory);
        for card in [5, 6, 5] {
            ledger.sent("memory-1", "alice", card);
        }
        ledger.acked("memory-1", "alice", 3, 3);
        ledger.rejected("memory-1", "alice", 2, "not_your_turn");
        for lane in Lane::ALL {
            let observer = Observer {
                room: "memory-1",
                lane,
                name: "alice",
                epoch: 1,
            };
            for (version, card) in (1..).zip(updates) {
                let flipped = json!({"kind": "flipped", "card": card, "face": "A", "by": "alice"});
                ledger.updated(observer, version, &flipped);
            }
        }
        ledger.close("memory-1");
        ledger.violations.total
    };
    assert_eq!(flips(&[5, 5]), 0);
    assert_ne!(flips(&[5, 6, 5]), 0);
    assert_ne!(flips(&[5]), 0);
}

#[test]
fn an_input_whose_reject_the_rooms_end_cut_off_is_not_lost() {
    let missing = |settled| {
        let mut ledger = Ledger::default();
        ledger.open("memory-1", Game::Memory);
        for card in [5, 6] {
            ledger.sent("memory-1", "alice", card);
        }
        // A `joined` says that both are processed; the room ended before the reject of the second came.
        ledger.acked("memory-1", "alice", 2, settled);
        let observer = Observer {
            room: "memory-1",
            ..observer("alice")
        };
        let flipped = json!({"kind": "flipped", "card": 5, "face": "A", "by": "alice"});
        ledger.updated(observer, 1, &flipped);
        ledger.close("memory-1");
        let players = lane_name(Lane::Players);
        let seen = ledger.violations.first.iter();
        seen.filter(|v| v.observer == players).count()
    };
    assert_eq!(missing(1), 0);
    assert_eq!(missing(2), 1);
}

/// Rolls the store back behind the second input of each player, and lets alice be told.
fn rolled_back() -> Ledger {
    let mut ledger = ledger();
    for version in 1..=5 {
        ledger.shows(observer("alice"), version, &json!({"count": version}));
    }
    ledger.rolled_back();
    ledger.reported_lost(ROOM, "alice", 1);
    ledger
}

fn after(name: &str) -> Observer<'_> {
    let epoch = u64::MAX;
    Observer {
        epoch,
        ..observer(name)
    }
}

#[test]
fn an_acked_input_that_was_reported_as_lost_may_be_missing() {
    let mut ledger = rolled_back();
    // Another history: version 3 says something else than before.
    ledger.shows(after("alice"), 3, &json!({"count": 3, "values": {}}));
    ledger.close(ROOM);
    assert!(
        ledger.violations.first.is_empty(),
        "{:?}",
        ledger.violations
    );
}

#[test]
fn an_acked_input_that_is_missing_without_a_report_is_lost() {
    for (count, rule) in [(2, Rule::Lost), (4, Rule::Doubled)] {
        let mut ledger = rolled_back();
        ledger.shows(after("alice"), count, &json!({"count": count}));
        ledger.close(ROOM);
        let rules: Vec<_> = ledger.violations.first.iter().map(|v| v.rule).collect();
        assert_eq!(rules, [rule]);
    }
}

#[test]
fn views_of_one_history_agree_after_a_rollback() {
    let mut ledger = rolled_back();
    ledger.shows(after("alice"), 3, &json!({"count": 3}));
    ledger.shows(after("bob"), 3, &json!({"count": 2}));
    assert_eq!(ledger.violations.first[0].rule, Rule::Views);
}

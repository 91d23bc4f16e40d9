use serde_json::json;

use super::*;

const ROOM: &str = "memory-7-0";

/// A room with a bot in which alice sent three inputs; all are acked, and the second is rejected.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.open(ROOM, Game::Bots);
    ledger.joined(ROOM, "alice", "7");
    for seq in 1..=3_u64 {
        ledger.sent(ROOM, "alice", seq);
    }
    ledger.rejected(ROOM, "alice", 2, "card_open");
    ledger.acked(ROOM, "alice", 3, 3);
    for lane in Lane::ALL {
        let seen = Observer {
            room: ROOM,
            lane,
            name: "bus",
            epoch: 1,
        };
        ledger.updated(seen, 1, &json!({"kind": "started"}));
        // Nobody has seen the updates in between.
        ledger.updated(seen, 9, &json!({"kind": "turn"}));
    }
    ledger.close(ROOM);
    assert_eq!(ledger.violations.total, 0, "{:?}", ledger.violations);
    ledger
}

fn input(seq: u64) -> Value {
    json!({"kind": "input", "player": "alice", "input": seq, "data": {"op": "flip", "card": seq}})
}

fn bot(no: u64) -> Value {
    json!({"kind": "bot_input", "player": "bot-1", "input": no, "data": {}})
}

/// The history of the room.
fn history() -> Vec<Value> {
    let mut second = input(2);
    second["rejects"] = json!([{"input": 2, "code": "card_open"}]);
    let mut first = input(1);
    first["updates"] = json!([{"players": 1, "spectators": 1, "data": {"kind": "started"}}]);
    let mut repeated = input(1);
    repeated["skipped"] = json!("repeat");
    vec![first, bot(1), repeated, second, bot(2), input(3)]
}

/// Returns the rules that a history breaks.
fn broken(history: &[Value]) -> Vec<Rule> {
    let mut replayed = Replayed::default();
    history.iter().for_each(|line| replayed.add(line));
    let mut ledger = ledger();
    assert_eq!(ledger.kept().collect::<Vec<_>>(), [ROOM]);
    ledger.compare(ROOM, &replayed);
    let found = ledger.violations.first.iter();
    found.map(|violation| violation.rule).collect()
}

#[test]
fn a_log_with_each_input_once_breaks_no_rule() {
    assert_eq!(broken(&history()), []);
}

#[test]
fn an_input_that_is_missing_or_counts_twice_is_reported() {
    let mut missing = history();
    missing.remove(5);
    assert_eq!(broken(&missing), [Rule::Lost]);
    let mut doubled = history();
    doubled[2]["skipped"] = Value::Null;
    assert_eq!(broken(&doubled), [Rule::Doubled]);
    let mut other = history();
    other[5]["data"]["card"] = json!(4);
    assert_eq!(broken(&other), [Rule::Order]);
    let mut unknown = history();
    unknown[5]["player"] = json!("mallory");
    assert_eq!(broken(&unknown), [Rule::Doubled, Rule::Lost]);
}

#[test]
fn an_input_of_a_bot_that_counts_twice_is_reported() {
    let mut doubled = history();
    doubled.push(bot(2));
    assert_eq!(broken(&doubled), [Rule::Doubled]);
    let mut skipped = history();
    skipped.push(bot(4));
    assert_eq!(broken(&skipped), [Rule::Doubled]);
    let mut on = history();
    on.push(bot(3));
    assert_eq!(broken(&on), []);
}

#[test]
fn a_replay_that_answers_or_shows_something_else_is_reported() {
    let mut accepted = history();
    accepted[3]["rejects"] = Value::Null;
    assert_eq!(broken(&accepted), [Rule::Replay]);
    let mut rejected = history();
    rejected[5]["rejects"] = json!([{"input": 3, "code": "card_open"}]);
    assert_eq!(broken(&rejected), [Rule::Replay]);
    let mut shown = history();
    shown[0]["updates"][0]["data"] = json!({"kind": "over"});
    assert_eq!(broken(&shown), [Rule::Views, Rule::Views]);
}

#[test]
fn rooms_of_a_store_that_went_back_are_not_compared() {
    let mut ledger = Ledger::default();
    ledger.open(ROOM, Game::Bots);
    ledger.joined(ROOM, "alice", "7");
    ledger.rolled_back();
    ledger.close(ROOM);
    assert_eq!(ledger.kept().count(), 0);
    // Nor those that were closed before.
    let mut ledger = Ledger::default();
    ledger.open(ROOM, Game::Bots);
    ledger.joined(ROOM, "alice", "7");
    ledger.close(ROOM);
    assert_eq!(ledger.kept().count(), 1);
    ledger.rolled_back();
    assert_eq!(ledger.kept().count(), 0);
}

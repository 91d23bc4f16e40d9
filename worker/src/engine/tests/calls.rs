//! Calls of games, and their answers.

use grandstand_common::data::Data;
use grandstand_common::wire::{Answer, Body, CallFailure, Entry};

use super::*;

fn answer(call: &str, data: &str) -> Entry {
    Body::Answer(Answer {
        call: call.to_owned(),
        data: Some(Data::Json(data.to_owned().into())),
        ..Answer::default()
    })
    .into()
}

fn failure(call: &str, status: u32, failure: u32) -> Entry {
    Body::Answer(Answer {
        call: call.to_owned(),
        status,
        failure,
        ..Answer::default()
    })
    .into()
}

/// The answers that the game has got since the last call.
fn answers(rig: &mut Rig) -> Vec<String> {
    let received = rig.received("e1", "echo-1").into_iter();
    let answers = received.filter_map(|item| Some(item.split_once("answer ")?.1.to_owned()));
    answers.collect()
}

/// Makes a call, and returns its id.
fn call(rig: &mut Rig, seq: u64) -> String {
    rig.input("echo-1", ("alice", 10), seq, "call bank");
    let (id, body) = rig.emitted.pop().unwrap();
    assert_eq!(body["endpoint"], "bank");
    assert_eq!(body["id"], id);
    let at_ms = body["at_ms"].as_u64().unwrap();
    assert_eq!(body["due_ms"], at_ms + 5_000);
    id
}

#[test]
fn d38_a_call_gets_one_answer_whatever_comes_again_late_or_for_another_instance() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let first = call(&mut rig, 1);
    rig.append("echo-1", answer("7f.1", "0"));
    rig.append("echo-1", answer("", "0"));
    assert_eq!(answers(&mut rig), [""; 0]);
    rig.append("echo-1", answer(&first, "7"));
    rig.append("echo-1", answer(&first, "8"));
    rig.advance(6_000);
    assert_eq!(answers(&mut rig), ["1 7"]);
    let second = call(&mut rig, 2);
    rig.advance(5_001);
    rig.append("echo-1", answer(&second, "9"));
    assert_eq!(answers(&mut rig), ["2 Timeout"]);
}

#[test]
fn a_game_is_told_why_a_call_has_failed() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let cases = [
        (404, 0, "1 Status(404)"),
        (0, CallFailure::Timeout as u32, "2 Timeout"),
        (0, CallFailure::NoEndpoint as u32, "3 NoEndpoint"),
        (0, CallFailure::Unavailable as u32, "4 Unavailable"),
        (0, CallFailure::BadAnswer as u32, "5 BadAnswer"),
        (0, 99, "6 Unavailable"),
        (0, 0, "7 BadAnswer"),
    ];
    for (seq, (status, why, wanted)) in (1..).zip(cases) {
        let id = call(&mut rig, seq);
        rig.append("echo-1", failure(&id, status, why));
        assert_eq!(answers(&mut rig), [wanted]);
    }
}

#[test]
fn d38_a_worker_that_dies_before_the_answer_sends_the_call_again_and_takes_one_answer() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.hold_outcomes = true;
    let id = call(&mut rig, 1);
    rig.restart();
    let (again, body) = rig.emitted.pop().unwrap();
    assert_eq!((&again, body["endpoint"].as_str()), (&id, Some("bank")));
    // From the snapshot, without the log.
    rig.advance(1_000);
    rig.advance(1_000);
    let stored = rig.snapshot("echo-1").unwrap();
    assert_eq!(stored["outlet"][0]["topic"], "bank");
    rig.log.clear();
    rig.restart();
    rig.advance(1);
    let (again, _) = rig.emitted.pop().unwrap();
    assert_eq!(again, id);
    rig.release_outcomes();
    rig.append("echo-1", answer(&id, "7"));
    rig.append("echo-1", answer(&id, "7"));
    rig.restart();
    rig.append("echo-1", answer(&id, "7"));
    rig.advance(6_000);
    rig.advance(60_000);
    rig.advance(1_000);
    let log = rig.snapshot("echo-1").unwrap()["game"]["log"].clone();
    let log: Vec<String> = serde_json::from_value(log).unwrap();
    let got = log.iter().filter(|note| note.starts_with("answer"));
    assert_eq!(got.collect::<Vec<_>>(), ["answer 1 7"]);
}

#[test]
fn a_finished_room_gets_no_answers() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let id = call(&mut rig, 1);
    rig.input("echo-1", ("alice", 10), 2, "finish");
    rig.append("echo-1", answer(&id, "7"));
    rig.advance(6_000);
    assert_eq!(answers(&mut rig), [""; 0]);
}

//! A session against a stand-in of an edge with `relay`, and against failures.

use super::*;

fn session(script: Script) -> Session {
    let players = ["a", "b", ""].map(str::to_owned);
    Session::new(script, "relay-1".parse().unwrap(), players)
}

/// Answers what the clients send, as an edge does, until there is nothing more.
fn play(session: &mut Session, skips: fn(&Value) -> bool) {
    let (now, names) = (Instant::now(), ["a", "b"]);
    let mut sent = VecDeque::from([session.start(now)]);
    let mut version = 0;
    while let Some(Outgoing { seat, message }) = sent.pop_front() {
        let room = &message["room"];
        let mut answers = Vec::new();
        if message["type"] == "join" {
            answers.push((seat, json!({"type": "joined", "room": room, "last_seq": 0})));
        } else {
            version += 1;
            let data = json!({"from": names[seat], "data": message["data"]});
            let update = json!({"type": "update", "room": room, "version": version, "data": data});
            answers.extend((0..SEATS).map(|seat| (seat, update.clone())));
            answers.push((
                seat,
                json!({"type": "ack", "room": room, "seq": message["seq"]}),
            ));
        }
        for (seat, answer) in answers {
            if !skips(&json!({"seat": seat, "answer": answer})) {
                let more = session.handle(seat, &answer, now + Duration::from_millis(7));
                sent.extend(more.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn both_players_are_acked_and_the_spectator_sees_each_input() {
    let mut session = session(Script::Relay);
    assert!(
        session
            .missing()
            .unwrap()
            .contains("the first player has not joined")
    );
    play(&mut session, |_| false);
    assert_eq!(session.missing(), None);
    let Times {
        join, ack, seen, ..
    } = session.times();
    let inputs = 2 * INPUTS as usize;
    assert_eq!((join.len(), ack.len(), seen.len()), (SEATS, inputs, inputs));
}

#[tokio::test]
async fn a_missing_ack_and_a_missing_update_are_named() {
    let mut one = session(Script::Relay);
    play(&mut one, |sent| {
        sent["seat"] == 1 && sent["answer"]["type"] == "ack"
    });
    let missing = one.missing().unwrap();
    assert_eq!(missing, "input 1 of the second player is not acked");
    let mut other = session(Script::Relay);
    play(&mut other, |sent| {
        sent["seat"] == SPECTATOR && sent["answer"]["version"] == 10
    });
    let missing = other.missing().unwrap();
    assert_eq!(missing, "the spectator has not seen the last input");
}

#[tokio::test]
async fn refusals_are_failures_but_for_a_room_that_may_come() {
    let mut session = session(Script::Relay);
    let now = Instant::now();
    session.start(now);
    let mut handle = |message: Value| session.handle(0, &message, now).map(|out| out.len());
    let error = json!({"type": "error", "code": "forbidden", "message": "no"});
    assert!(handle(error).unwrap_err().contains("forbidden: no"));
    let left = json!({"type": "left", "code": "kicked"});
    assert!(handle(left).unwrap_err().contains("kicked"));
    let reject = json!({"type": "reject", "seq": 1, "code": "bad_input", "message": "odd"});
    assert!(handle(reject).unwrap_err().contains("bad_input: odd"));
    let late = json!({"type": "error", "code": "room_unavailable", "message": "later", "retry_after_ms": 2000});
    assert_eq!(handle(late), Ok(0));
    assert!(session.trouble().unwrap().contains("room_unavailable"));
}

//! Presence: the owner and the edge disagree about connected players.

use super::*;

#[test]
fn d06_a_session_that_the_owner_considers_lost_is_reported_as_here() {
    let mut bench = Bench::new();
    let (_, session) = bench.player(1, "alice");
    bench.receive(vec![ItemKind::Processed(Processed {
        session,
        n: 0,
        lost: true,
        ..Processed::default()
    })]);
    assert!(matches!(bench.entries()[0].body, Some(Body::Here(_))));
}

#[test]
fn an_empty_room_is_unwatched_and_removed() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    bench.receive(vec![snapshot(1, 0)]);
    let tag = bench.tag();
    let reply = InterestReply {
        worker: "w".into(),
        epoch: 1,
        number: bench.number,
    };
    bench
        .core
        .handle_interest_reply(tag, Some(reply.encode_to_vec().into()), bench.now);
    bench.core.handle_closed(conn, bench.now);
    for _ in 0..32 {
        bench.advance(1_000);
        bench
            .core
            .handle_interest_reply(tag, Some(reply.encode_to_vec().into()), bench.now);
    }
    assert_eq!(bench.core.lists().sizes(), (0, 0, [0, 0]));
}

#[test]
fn d06_an_owner_that_considers_an_unknown_session_connected_is_told_the_rooms_sessions() {
    let mut bench = Bench::new();
    let (_, session) = bench.player(1, "alice");
    bench.interests();
    bench.receive(vec![processed(session + 1, 0, 0)]);
    let asked = bench.interests();
    assert_eq!(asked[0].rooms[0].sessions, [session]);
    let answered = |bench: &mut Bench| {
        let reply = InterestReply {
            worker: "w".into(),
            epoch: 1,
            number: bench.number,
        };
        let reply = Some(reply.encode_to_vec().into());
        let tag = bench.tag();
        bench.core.handle_interest_reply(tag, reply, bench.now);
    };
    answered(&mut bench);
    for (lost, ended) in [(true, false), (false, true)] {
        bench.receive(vec![ItemKind::Processed(Processed {
            session: session + 1,
            lost,
            ended,
            ..Processed::default()
        })]);
        assert!(
            bench.interests().is_empty(),
            "the owner considers no player connected"
        );
    }
}

#[test]
fn d06_an_unknown_room_is_disowned_until_the_owner_replies() {
    let mut bench = Bench::new();
    let ask = |bench: &mut Bench| {
        let asked = bench.interests();
        let rooms = asked.into_iter().flat_map(|interest| interest.rooms);
        rooms.collect::<Vec<_>>()
    };
    bench.receive(vec![processed(9, 0, 0)]);
    let unknown = RoomInterest {
        room: ROOM.into(),
        ..RoomInterest::default()
    };
    assert_eq!(ask(&mut bench), std::slice::from_ref(&unknown));
    let tag = bench.tag();
    bench.core.handle_interest_reply(tag, None, bench.now);
    bench.advance(100);
    assert_eq!(ask(&mut bench), [unknown]);
    let reply = InterestReply::default().encode_to_vec().into();
    bench
        .core
        .handle_interest_reply(tag, Some(reply), bench.now);
    bench.advance(5_000);
    assert_eq!(ask(&mut bench), []);
}

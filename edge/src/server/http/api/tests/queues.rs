//! Tickets of queues.

use serde_json::{Value, json};

use super::*;

const TICKETS: &str = "POST /v1/queues/queue-a/tickets";

/// Enters the queue. Returns the connection and the ticket.
async fn enter(rig: &Rig) -> (crate::conn::key::ConnKey, String) {
    let asks = ask(rig, "alice", TICKETS, "", r#"{"ticket":{"rating":7}}"#);
    let serves = async {
        let Told::Open(conn, _) = rig.told().await else {
            panic!("not opened");
        };
        let join = json!({"type": "join", "id": 1, "room": "queue-a"});
        assert_eq!(message(rig).await, join);
        let joined = r#"{"type":"joined","room":"queue-a","role":"player","last_seq":2,"id":1}"#;
        let mut conns = rig.conns.clone();
        conns.send_control(conn, &frame::text(joined));
        let data = json!({"op": "enter", "ticket": {"rating": 7}, "with": [], "resume": true});
        let input = json!({"type": "input", "room": "queue-a", "seq": 3, "data": data});
        assert_eq!(message(rig).await, input);
        let ack = r#"{"type":"ack","room":"queue-a","seq":3}"#;
        conns.send_control(conn, &frame::text(ack));
        conn
    };
    let ((head, said), conn) = tokio::join!(asks, serves);
    assert!(head.starts_with("http/1.1 201 "), "{head}{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["state"], "waiting");
    let ticket = said["ticket"].as_str().unwrap().to_owned();
    assert!(
        head.contains(&format!("location: /v1/queues/queue-a/tickets/{ticket}\r\n").to_lowercase())
    );
    (conn, ticket)
}

#[test]
fn a_ticket_is_polled_until_it_is_matched() {
    run(setup(), async |rig| {
        let (conn, ticket) = enter(&rig).await;
        let path = format!("GET /v1/queues/queue-a/tickets/{ticket}");
        let polls = ask(&rig, "", &path, "", "");
        let serves = async {
            let invite = r#"{"type":"direct","room":"queue-a","data":{"invite":{"room":"memory-1","token":"t"}}}"#;
            rig.conns.clone().send_control(conn, &frame::text(invite));
            let leave = json!({"type": "leave", "room": "queue-a"});
            assert_eq!(message(&rig).await, leave);
        };
        let ((head, said), ()) = tokio::join!(polls, serves);
        assert!(head.starts_with("http/1.1 200 "), "{head}{said}");
        let matched =
            json!({"type": "ticket", "state": "matched", "room": "memory-1", "token": "t"});
        assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), matched);
        // Asked again, because the answer may be lost.
        let (_, again) = ask(&rig, "", &path, "", "").await;
        assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), matched);
    });
}

#[test]
fn a_ticket_is_withdrawn() {
    run(setup(), async |rig| {
        let (_, ticket) = enter(&rig).await;
        let path = format!("/v1/queues/queue-a/tickets/{ticket}");
        let (head, said) = ask(&rig, "", &format!("DELETE {path}"), "", "").await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(said.contains("\"withdrawn\""), "{said}");
        assert_eq!(message(&rig).await["type"], "leave");
        assert!(matches!(rig.told().await, Told::Closed(..)));
        let (head, said) = ask(&rig, "", &format!("GET {path}"), "", "").await;
        assert!(head.starts_with("http/1.1 404 "), "{head}");
        assert!(said.contains("\"not_joined\""), "{said}");
    });
}

#[test]
fn a_ticket_that_nobody_asks_for_is_withdrawn() {
    let setup = Setup {
        heartbeat: std::time::Duration::from_millis(100),
        ..setup()
    };
    run(setup, async |rig| {
        enter(&rig).await;
        assert_eq!(message(&rig).await["type"], "leave");
        assert!(matches!(rig.told().await, Told::Closed(..)));
    });
}

#[test]
fn bad_tickets_are_refused() {
    run(setup(), async |rig| {
        for (token, request, body, status, code) in [
            ("", TICKETS, "{}", 401, "unauthenticated"),
            ("shop", TICKETS, "{}", 403, "forbidden"),
            ("alice", TICKETS, "[", 400, "bad_json"),
            ("alice", TICKETS, "[]", 400, "bad_message"),
            ("alice", TICKETS, r#"{"ticket":1e999}"#, 400, "bad_data"),
            (
                "alice",
                "POST /v1/queues/relay-1/tickets",
                "{}",
                400,
                "bad_room",
            ),
            (
                "alice",
                "GET /v1/queues/queue-a/tickets/7",
                "",
                404,
                "not_joined",
            ),
            (
                "alice",
                "DELETE /v1/queues/queue-a/tickets/no-0-1.0.1.00000000000000000000000000000001",
                "",
                404,
                "not_joined",
            ),
            (
                "alice",
                "PUT /v1/queues/queue-a/tickets/7",
                "",
                405,
                "bad_method",
            ),
        ] {
            let (head, said) = ask(&rig, token, request, "", body).await;
            assert!(
                head.starts_with(&format!("http/1.1 {status} ")),
                "{request} {body}: {head}{said}"
            );
            assert!(said.contains(&format!("\"{code}\"")), "{said}");
        }
        assert_eq!(rig.try_told(), None);
    });
}

#[test]
fn a_stream_takes_an_invitation_beside_its_token() {
    run(setup(), async |rig| {
        let (_peer, _, _) = open(&rig, "&invite=alice", "").await;
        let join = json!({"type": "join", "id": 1, "room": "relay-1", "token": "alice"});
        assert_eq!(message(&rig).await, join);
        for (invite, status, code) in [("shop", 403, "forbidden"), ("bob", 401, "unauthenticated")]
        {
            let request = format!("GET /v1/rooms/relay-1/events?invite={invite}");
            let (head, said) = ask(&rig, "alice", &request, "", "").await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
            assert!(said.contains(&format!("\"{code}\"")), "{said}");
        }
    });
}

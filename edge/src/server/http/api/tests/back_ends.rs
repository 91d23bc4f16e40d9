//! Requests of back ends, whose tokens have the role `service`.

use super::*;

#[test]
fn a_service_appends_messages_kicks_and_the_end() {
    let backend = Rc::new(Alone::default());
    let setup = Setup {
        api: Some(backend.clone()),
        ..Setup::default()
    };
    run(setup, async |rig| {
        let message = r#"{"id":"n1","topic":"news","data":{"a":[1]}}"#;
        let kick = r#"{"player":"bob","code":"afk"}"#;
        for (request, body, answer) in [
            (
                "POST /v1/rooms/relay-1/messages",
                message,
                r#"{"type":"accepted","room":"relay-1","id":"n1"}"#,
            ),
            (
                "POST /v1/rooms/relay-1/kick",
                kick,
                r#"{"type":"accepted","room":"relay-1"}"#,
            ),
            (
                "POST /v1/rooms/relay-1/kick",
                r#"{"player":"bob"}"#,
                r#"{"type":"accepted","room":"relay-1"}"#,
            ),
            (
                "DELETE /v1/rooms/relay-1",
                "",
                r#"{"type":"accepted","room":"relay-1"}"#,
            ),
        ] {
            let (head, said) = ask(&rig, "shop", request, "", body).await;
            assert!(head.starts_with("http/1.1 202 "), "{request}: {head}{said}");
            assert_eq!(said.trim(), answer);
        }
        let create = r#"{"room":"relay-7","params":{"idle_ms":7}}"#;
        let (head, said) = ask(&rig, "shop", "POST /v1/rooms", "", create).await;
        assert!(head.starts_with("http/1.1 202 "), "{head}{said}");
        assert!(head.contains("location: /v1/rooms/relay-7\r\n"), "{head}");
        let (room, created) = backend.appended.borrow_mut().pop().unwrap();
        assert_eq!(room.as_str(), "relay-7");
        let Body::Create(created) = created else {
            panic!("{created:?}");
        };
        assert_eq!(
            (created.seed.len(), &created.params[..]),
            (32, &br#"{"idle_ms":7}"#[..])
        );
        let (_, said) = ask(&rig, "shop", "POST /v1/rooms", "", r#"{"game":"relay"}"#).await;
        let (room, _) = backend.appended.borrow_mut().pop().unwrap();
        assert!(
            room.as_str().len() == 38 && said.contains(room.as_str()),
            "{said}"
        );
        let kick = |code: &str| {
            Body::Kick(Kick {
                player: "bob".to_owned(),
                code: code.to_owned(),
            })
        };
        let message = Body::Message(RoomMessage {
            id: "n1".to_owned(),
            service: "shop".to_owned(),
            topic: "news".to_owned(),
            data: Some(Data::Json(r#"{"a":[1]}"#.into())),
            ..RoomMessage::default()
        });
        let expected = [message, kick("afk"), kick("kicked"), Body::Close(Empty {})];
        let room: RoomId = "relay-1".parse().unwrap();
        let expected = expected.map(|body| (room.clone(), body));
        assert_eq!(backend.appended.take(), expected);

        let long = "x".repeat(200);
        for (token, request, body, status, code) in [
            (
                "alice",
                "POST /v1/rooms/relay-1/messages",
                r#"{"topic":"t","data":1}"#,
                403,
                "forbidden",
            ),
            ("alice", "DELETE /v1/rooms/relay-1", "", 403, "forbidden"),
            (
                "alice",
                "POST /v1/rooms",
                r#"{"game":"relay"}"#,
                403,
                "forbidden",
            ),
            (
                "shop",
                "POST /v1/rooms",
                r#"{"game":"memory"}"#,
                403,
                "forbidden",
            ),
            (
                "shop",
                "POST /v1/rooms",
                r#"{"game":"relay","room":"relay-1"}"#,
                400,
                "bad_message",
            ),
            ("shop", "POST /v1/rooms", "{}", 400, "bad_message"),
            (
                "shop",
                "POST /v1/rooms",
                r#"{"game":""}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms",
                r#"{"game":"relay","room":null}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms",
                r#"{"game":"re lay"}"#,
                400,
                "bad_room",
            ),
            (
                "shop",
                "POST /v1/rooms",
                r#"{"game":"relay","params":7}"#,
                400,
                "bad_message",
            ),
            ("shop", "DELETE /v1/rooms/memory-1", "", 403, "forbidden"),
            ("shop", "DELETE /v1/rooms/relay-1", "{}", 400, "bad_message"),
            ("", "DELETE /v1/rooms/relay-1", "", 401, "unauthenticated"),
            (
                "shop",
                "POST /v1/rooms/relay-1/messages",
                r#"{"data":1}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/messages",
                r#"{"topic":"t"}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/messages",
                r#"{"topic":7,"data":1}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/messages",
                r#"{"topic":"t","id":"","data":1}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/messages",
                r#"{"topic":"t","data":1e999}"#,
                400,
                "bad_data",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/kick",
                r#"{"code":"afk"}"#,
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/kick",
                &format!(r#"{{"player":"{long}"}}"#),
                400,
                "bad_message",
            ),
            (
                "shop",
                "POST /v1/rooms/relay-1/kick",
                r#"{"player":"bob","code":"A b"}"#,
                400,
                "bad_message",
            ),
        ] {
            let (head, said) = ask(&rig, token, request, "", body).await;
            assert!(
                head.starts_with(&format!("http/1.1 {status} ")),
                "{request} {body}: {head}{said}"
            );
            assert!(
                said.contains(&format!("\"{code}\"")),
                "{request} {body}: {said}"
            );
        }
        assert!(backend.appended.take().is_empty());
    });
}

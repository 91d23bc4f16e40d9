//! Errors name what they answer.

use super::*;

fn named(message: &serde_json::Value) -> serde_json::Value {
    let field = |name: &str| message.get(name).cloned().unwrap_or_default();
    assert_eq!(message["type"], "error", "{message}");
    serde_json::json!([field("code"), field("id"), field("room"), field("seq")])
}

fn error_for(bench: &mut Bench, conn: ConnKey, text: &str) -> serde_json::Value {
    let payload = Payload::Json(text);
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_message(conn, payload, bench.now, clients);
    bench.flush();
    let got = bench.take_messages(conn);
    assert_eq!(got.len(), 1, "{text}: {got:?}");
    named(&got[0])
}

#[test]
fn d31_every_error_that_answers_a_message_names_its_id_room_and_seq() {
    let mut bench = Bench::new();
    let (player, _) = bench.player(1, "alice");
    bench.take_messages(player);
    let spectator = bench.open(2, "carol");
    bench.join(spectator, "spectator");
    bench.receive(vec![snapshot(1, 0)]);
    bench.take_messages(spectator);
    let input = r#""type":"input","id":5,"room":"relay-1","seq":7"#;
    for (conn, text, wanted) in [
        (
            player,
            format!(r#"{{{input},"data":1}}"#),
            r#"["bad_seq",5,"relay-1",7]"#,
        ),
        (
            player,
            format!(r#"{{{input}}}"#),
            r#"["bad_message",5,"relay-1",7]"#,
        ),
        (
            player,
            format!(r#"{{{input},"data":[1e999]}}"#),
            r#"["bad_data",5,"relay-1",7]"#,
        ),
        (
            player,
            format!(r#"{{{input},"data":[1}}}}"#),
            r#"["bad_json",5,"relay-1",7]"#,
        ),
        (
            player,
            r#"{"type":"input","id":5,"room":"relay-2","seq":7.0,"data":1}"#.to_owned(),
            r#"["not_joined",5,"relay-2",7]"#,
        ),
        (
            player,
            r#"{"type":"leave","id":5.0,"room":"relay-2"}"#.to_owned(),
            r#"["not_joined",5,"relay-2",null]"#,
        ),
        (
            player,
            r#"{"type":"live","id":5,"room":"relay-2","data":1}"#.to_owned(),
            r#"["not_joined",5,"relay-2",null]"#,
        ),
        (
            player,
            r#"{"type":"fly","id":5,"room":"relay-1","seq":7}"#.to_owned(),
            r#"["unknown_type",5,"relay-1",7]"#,
        ),
        (
            player,
            r#"{"type":"auth","id":5,"token":"x"}"#.to_owned(),
            r#"["unauthenticated",5,null,null]"#,
        ),
        (
            spectator,
            format!(r#"{{{input},"data":1}}"#),
            r#"["forbidden",5,"relay-1",7]"#,
        ),
    ] {
        let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
        assert_eq!(error_for(&mut bench, conn, &text), wanted, "{text}");
    }
}

#[test]
fn d31_a_message_over_the_rate_limit_is_named() {
    let mut config = CoreConfig::default();
    config.clients.messages_per_s = 1;
    config.clients.message_burst = 10;
    let mut bench = Bench::with(config, None);
    let conn = bench.open(1, "alice");
    for _ in 0..10 {
        bench.send(conn, serde_json::json!({"type": "ping"}));
    }
    bench.take_messages(conn);
    for (text, wanted) in [
        (
            r#"{"type":"input","room":"relay-1","seq":7,"data":{"a":[1]},"id":5}"#,
            r#"["rate_limited",5,"relay-1",7]"#,
        ),
        (
            r#"{"type":"join","id":6,"room":"relay-1"}"#,
            r#"["rate_limited",6,"relay-1",null]"#,
        ),
        (
            r#"{"type":"ping","id":7.0}"#,
            r#"["rate_limited",7,null,null]"#,
        ),
        ("nonsense", r#"["rate_limited",null,null,null]"#),
    ] {
        let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
        assert_eq!(error_for(&mut bench, conn, text), wanted, "{text}");
    }
}

#[test]
fn d31_a_message_that_is_too_big_is_named_by_its_start() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    let start = br#"{"type":"input","id":5,"room":"relay-1","seq":7,"data":"xxxxxx"#;
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_too_big(conn, start, bench.now, clients);
    let got = bench.take_messages(conn);
    let wanted = serde_json::json!(["too_big", 5, "relay-1", 7]);
    assert_eq!(named(&got[0]), wanted);
}

#[test]
fn welcome_names_the_connection_as_the_log_does() {
    let mut bench = Bench::new();
    let conn = ConnKey {
        index: 31,
        generation: 2,
    };
    let grants = Grants::trusted("alice".parse().unwrap());
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_open(conn, Encoding::Json.into(), grants, bench.now, clients);
    let welcome = &bench.take_messages(conn)[0];
    assert_eq!(welcome["connection"], bench.core.name(conn).to_string());
    assert_eq!(welcome["connection"], "edge-0-x-1f-2");
}

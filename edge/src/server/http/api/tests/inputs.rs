use super::*;

#[test]
fn an_input_gets_the_answer_of_its_stream() {
    run(setup(), async |rig| {
        let (_peer, conn, session) = open(&rig, "", "").await;
        message(&rig).await;
        let mut conns = rig.conns.clone();
        let mut poster = rig.connect().await;
        let ack = r#"{"type":"ack","room":"relay-1","seq":2}"#;
        let reject =
            r#"{"type":"reject","room":"relay-1","seq":3,"code":"not_your_turn","message":"wait"}"#;
        let busy = r#"{"type":"error","code":"busy","message":"later","room":"relay-1","seq":4,"retry_after_ms":1000}"#;
        for (seq, answer, status, retry) in [
            (1, ack, 200, false),
            (3, reject, 422, false),
            (4, busy, 503, true),
        ] {
            // Several requests on one socket.
            poster
                .write(post(&session, &format!("{{\"seq\":{seq}, \"data\":null}}")))
                .await;
            let sent = message(&rig).await;
            assert_eq!(
                sent,
                serde_json::json!({"type": "input", "room": "relay-1", "seq": seq, "data": null})
            );
            conns.send(conn, &frame::text(answer));
            let (head, body) = poster.response().await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
            assert_eq!(head.contains("retry-after: 1\r\n"), retry, "{head}");
            assert_eq!(body.trim(), answer);
        }
        // Two at once.
        let both = [1, 2].map(|seq| post(&session, &format!("{{\"seq\":{seq},\"data\":1}}")));
        poster.write(both.concat()).await;
        for _ in 0..2 {
            message(&rig).await;
            conns.send(conn, &frame::text(ack));
            let (head, body) = poster.response().await;
            assert!(
                head.starts_with("http/1.1 200 ") && body.trim() == ack,
                "{head}{body}"
            );
        }
    });
}

#[test]
fn an_input_that_waits_learns_that_its_stream_has_ended() {
    run(setup(), async |rig| {
        let (peer, _, session) = open(&rig, "", "").await;
        message(&rig).await;
        let mut poster = rig.connect().await;
        poster.write(post(&session, r#"{"seq":1,"data":1}"#)).await;
        message(&rig).await;
        drop(peer);
        let (head, body) = poster.response().await;
        assert!(head.starts_with("http/1.1 404 "), "{head}");
        assert!(body.contains("\"not_joined\""), "{body}");
        poster.write(post(&session, r#"{"seq":1,"data":1}"#)).await;
        let (head, body) = poster.response().await;
        assert!(head.starts_with("http/1.1 404 "), "{head}");
        assert!(body.contains("there is no event stream"), "{body}");
    });
}

//! Views of rooms.

use super::*;

#[test]
fn a_view_is_the_snapshot_of_a_client_that_looks_once() {
    let snapshot =
        r#"{"type":"snapshot","room":"relay-1","epoch":"e.1","version":7,"data":{"count":7}}"#;
    let missing = r#"{"type":"joined","room":"relay-1","role":"spectator","id":1}"#;
    let there = r#"{"type":"joined","room":"relay-1","role":"spectator","instance":"7","id":1}"#;
    let unknown =
        r#"{"type":"error","id":1,"code":"no_such_game","message":"none","room":"relay-1"}"#;
    let left = r#"{"type":"left","room":"relay-1","code":"finished"}"#;
    for (headers, messages, status, part) in [
        ("", &[there, snapshot][..], 200, snapshot),
        (
            "If-None-Match: \"e.1/6\", W/\"e.1/7\"\r\n",
            &[there, snapshot],
            304,
            "",
        ),
        (
            "If-None-Match: \"e.1/6\"\r\n",
            &[there, snapshot],
            200,
            snapshot,
        ),
        ("", &[missing], 404, "no_such_room"),
        ("", &[unknown], 404, "no_such_game"),
        ("", &[left], 410, "finished"),
    ] {
        run(setup(), async |rig| {
            let looks = async {
                let request = "GET /v1/rooms/relay-1?role=spectator";
                ask(&rig, "alice", request, headers, "").await
            };
            let serves = async {
                let Told::Open(conn, _) = rig.told().await else {
                    panic!("not opened");
                };
                let mut conns = rig.conns.clone();
                for message in messages {
                    conns.send_control(conn, &frame::text(message));
                }
            };
            let ((head, said), ()) = tokio::join!(looks, serves);
            assert!(
                head.starts_with(&format!("http/1.1 {status} ")),
                "{head}{said}"
            );
            assert!(said.contains(part), "{said}");
            let has_tag = head.contains("etag: \"e.1/7\"\r\n");
            assert_eq!(has_tag, status < 400, "{head}");
            assert!(matches!(rig.told().await, Told::Closed(..)));
            rig.until(|| rig.conns.is_empty().then_some(())).await;
        });
    }
}

#[test]
fn a_client_that_does_not_wait_for_its_view_leaves_nothing() {
    run(setup(), async |rig| {
        let mut peer = rig.connect().await;
        peer.write("GET /v1/rooms/relay-1?token=alice HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        assert!(matches!(rig.told().await, Told::Open(..)));
        drop(peer);
        assert!(matches!(rig.told().await, Told::Closed(..)));
        rig.until(|| rig.conns.is_empty().then_some(())).await;
    });
}

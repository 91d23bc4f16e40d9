//! Requests that are valid in part.

use crate::server::testing::{Peer, Setup, Told, UPGRADE, run};

async fn refused(peer: &mut Peer, status: u16, code: &str) {
    let rest = String::from_utf8(peer.rest().await).unwrap();
    let line = format!("HTTP/1.1 {status} ");
    assert!(rest.starts_with(&line), "{rest}");
    assert_eq!(rest.matches("\r\ndate: ").count(), 1, "{rest}");
    assert!(rest.contains(&format!("\"{code}\"")), "{rest}");
    assert!(rest.to_lowercase().contains("connection: close"), "{rest}");
}

#[test]
fn a_body_in_an_upgrade_request_is_refused_however_packets_fall() {
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    let bodies = [
        ("Content-Length: 6\r\n", &ping[..]),
        ("Content-Length: 6\r\nExpect: 100-continue\r\n", &ping[..]),
        ("Content-Length: 7\r\n", &ping[..]),
        ("Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    ];
    run(Setup::default(), async |rig| {
        for (header, body) in bodies {
            let head = format!("{UPGRADE}{header}\r\n").into_bytes();
            let whole = [&head, body].concat();
            for cut in [whole.len(), head.len(), head.len() - 2, head.len() + 1, 10] {
                let mut peer = rig.connect().await;
                let (first, second) = whole.split_at(cut);
                peer.write(first).await;
                if cut < head.len() {
                    peer.write(second).await;
                    refused(&mut peer, 400, "unexpected_body").await;
                    continue;
                }
                // The answer does not wait for the body.
                let (answer, said) = peer.response().await;
                assert!(answer.starts_with("http/1.1 400 "), "{answer}");
                assert!(said.contains("unexpected_body"), "{said}");
                peer.write(second).await;
                assert_eq!(peer.rest().await, b"", "{header}");
            }
        }
        let mut peer = rig.connect().await;
        peer.write(format!("{UPGRADE}Content-Length: 0\r\n\r\n"))
            .await;
        assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
        assert!(matches!(rig.told().await, Told::Open(..)));
        assert_eq!(rig.try_told(), None);
    });
}

#[test]
fn a_missing_second_or_malformed_host_is_400() {
    let whole = format!("{UPGRADE}\r\n");
    let host = |lines: &str| whole.replace("Host: x\r\n", lines);
    run(Setup::default(), async |rig| {
        for lines in [
            "",
            "Host: x\r\nHost: x\r\n",
            "Host: x\r\nHost: y\r\n",
            "Host: http://x/\r\n",
            "Host: x y\r\n",
            "Host: me@x\r\n",
            "Host: \u{e9}\r\n",
        ] {
            for path in ["/v1/ws", "/", "/nothing"] {
                let mut peer = rig.connect().await;
                peer.write(host(lines).replace("/v1/ws", path)).await;
                refused(&mut peer, 400, "bad_host").await;
            }
        }
        for line in ["Host:\r\n", "Host: x:80\r\n", "Host: [::1]:80\r\n"] {
            let mut peer = rig.connect().await;
            peer.write(host(line)).await;
            let head = peer.head().await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{line}: {head}");
        }
        let mut peer = rig.connect().await;
        peer.write("GET / HTTP/1.0\r\n\r\n").await;
        let head = peer.head().await;
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    });
}

#[test]
fn an_upgrade_in_http_1_0_is_told_to_use_http_1_1() {
    run(Setup::default(), async |rig| {
        for request in [
            format!("{UPGRADE}\r\n").replace("HTTP/1.1", "HTTP/1.0"),
            "GET /v1/ws HTTP/1.0\r\nConnection: close\r\n\r\n".to_owned(),
        ] {
            let mut peer = rig.connect().await;
            peer.write(request).await;
            let rest = String::from_utf8(peer.rest().await).unwrap();
            assert!(rest.starts_with("HTTP/1.0 426 "), "{rest}");
            for part in ["http_1_0", "HTTP/1.1", "proxy_http_version"] {
                assert!(rest.contains(part), "{rest}");
            }
        }
    });
}

#[test]
fn a_value_that_cannot_be_read_is_not_taken_for_a_missing_one() {
    run(Setup::default(), async |rig| {
        let cases: [(&[u8], _, _); 4] = [
            (b"Origin: https://caf\xE9.example\r\n", true, None),
            (b"Origin: https://a\r\nOrigin: https://b\r\n", true, None),
            (b"Origin:\r\n", true, None),
            (
                b"Authorization: Bearer caf\xE9\r\n",
                false,
                Some("caf\u{fffd}"),
            ),
        ];
        let mut peers = Vec::new();
        for (header, has_origin, token) in cases {
            let mut peer = rig.connect().await;
            let request = [UPGRADE.as_bytes(), header, b"\r\n"].concat();
            peer.write(request).await;
            peer.head().await;
            let Told::Open(_, hello) = rig.told().await else {
                panic!("not opened");
            };
            assert_eq!(hello.origin.is_some(), has_origin, "{hello:?}");
            assert_eq!(hello.token.as_deref(), token);
            peers.push(peer);
        }
        for query in ["token=%FF", "user=%C3"] {
            let mut peer = rig.connect().await;
            let request = format!("{UPGRADE}\r\n");
            peer.write(request.replace("/v1/ws", &format!("/v1/ws?{query}")))
                .await;
            let (head, body) = peer.response().await;
            assert!(head.starts_with("http/1.1 400 "), "{head}");
            assert!(body.contains("bad_query"), "{body}");
        }
    });
}

#[test]
fn a_request_that_cannot_be_parsed_is_answered_in_words() {
    let header = "X: y\r\n".repeat(150);
    let cases = [
        ("what is this\r\n\r\n".to_owned(), 400, "bad_request"),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400, "bad_request"),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            format!("{UPGRADE}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            400,
            "bad_request",
        ),
        (format!("{UPGRADE}{header}\r\n"), 431, "header_too_big"),
        (
            format!("{UPGRADE}X: {}\r\n\r\n", "y".repeat(20_000)),
            431,
            "header_too_big",
        ),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(70_000)),
            431,
            "header_too_big",
        ),
    ];
    run(Setup::default(), async |rig| {
        for (request, status, code) in cases {
            for before in [0, 1, 3] {
                let mut peer = rig.connect().await;
                let pages = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(before);
                peer.write(pages + &request).await;
                for _ in 0..before {
                    let (head, _) = peer.response().await;
                    assert!(head.starts_with("http/1.1 200 "), "{head}");
                }
                let (head, body) = peer.response().await;
                assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
                assert!(head.contains("connection: close"), "{head}");
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(body["code"], code);
                assert!(peer.rest().await.is_empty());
            }
        }
    });
}

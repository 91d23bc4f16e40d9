mod refused;

use std::time::Duration;

use grandstand_common::envelope::Encoding;

use crate::server::context::ServerOptions;
use crate::server::handshakes::HandshakeLimits;
use crate::server::testing::{Setup, Told, UPGRADE, run};

fn brief(timeout: Duration) -> Setup {
    Setup {
        options: ServerOptions {
            handshakes: HandshakeLimits {
                timeout,
                ..HandshakeLimits::default()
            },
            ..ServerOptions::default()
        },
        ..Setup::default()
    }
}

#[test]
fn a_handshake_negotiates_the_encoding_and_carries_the_token() {
    let json = Some("sec-websocket-protocol: grandstand.v1.json");
    let proto = Some("sec-websocket-protocol: grandstand.v1.proto");
    let cases = [
        ("/v1/ws", "", None, Encoding::Json, None, None),
        (
            "/v1/ws?token=a%2Eb&user=Zo%C3%AB",
            "Origin: https://game.example\r\n",
            None,
            Encoding::Json,
            Some("a.b"),
            Some("Zoë"),
        ),
        (
            "/v1/ws?token=other",
            "Authorization: bearer a.b.c\r\nSec-WebSocket-Protocol: x, grandstand.v1.proto,grandstand.v1.json\r\n",
            proto,
            Encoding::Proto,
            Some("a.b.c"),
            None,
        ),
        (
            "/v1/ws",
            "Sec-WebSocket-Protocol: bearer.t0\r\nSec-WebSocket-Protocol: grandstand.v1.json\r\n",
            json,
            Encoding::Json,
            Some("t0"),
            None,
        ),
        (
            "/v1/ws",
            "Sec-WebSocket-Protocol: bearer.t1\r\n",
            None,
            Encoding::Json,
            Some("t1"),
            None,
        ),
    ];
    run(Setup::default(), async |rig| {
        let mut peers = Vec::new();
        for (path, headers, selected, encoding, token, user) in cases {
            let mut peer = rig.connect().await;
            let request = UPGRADE.replace("/v1/ws", path);
            peer.write(format!("{request}{headers}\r\n")).await;
            let head = peer.head().await.to_lowercase();
            assert!(head.starts_with("http/1.1 101 "), "{head}");
            // The accept key of RFC 6455's own example.
            assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
            let line = head
                .lines()
                .find(|l| l.starts_with("sec-websocket-protocol"));
            assert_eq!(line, selected, "{headers}");
            let Told::Open(_, hello) = rig.told().await else {
                panic!("not opened");
            };
            assert_eq!(hello.path, "/v1/ws");
            assert_eq!(hello.format.encoding, encoding);
            assert!(!hello.format.deflate);
            assert_eq!(hello.token.as_deref(), token);
            assert_eq!(hello.user.as_deref(), user);
            assert_eq!(hello.origin.is_some(), headers.contains("Origin"));
            assert_eq!(hello.peer, peer.0.local_addr().unwrap());
            peers.push(peer);
        }
    });
}

#[test]
fn compression_is_negotiated_if_client_and_edge_support_it() {
    const TAKEN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let extensions = |offer: &str| format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let good = extensions("permessage-deflate; client_max_window_bits");
    let small = extensions("permessage-deflate; server_max_window_bits=9");
    // The offers, whether the edge supports compression, and the response.
    let cases = [
        (good.clone(), true, Some(TAKEN)),
        (good.clone(), false, None),
        (small.clone(), true, None),
        (format!("{small}{good}"), true, Some(TAKEN)),
        (String::new(), true, None),
        (extensions("permessage-deflate; ;"), false, None),
    ];
    for (offer, deflate, answer) in cases {
        let mut setup = Setup::default();
        setup.options.deflate = deflate;
        run(setup, async |rig| {
            let mut peer = rig.connect().await;
            peer.write(format!("{UPGRADE}{offer}\r\n")).await;
            let head = peer.head().await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let answers: Vec<_> = lines
                .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"))
                .map(|(_, value)| value)
                .collect();
            assert_eq!(answers, Vec::from_iter(answer), "{offer}");
            let Told::Open(_, hello) = rig.told().await else {
                panic!("not opened");
            };
            assert_eq!(hello.format.deflate, answer.is_some(), "{offer}");
        });
    }
    for bad in ["permessage-deflate; ;", "permessage-deflate, x=\u{e9}"] {
        let mut setup = Setup::default();
        setup.options.deflate = true;
        run(setup, async |rig| {
            let mut peer = rig.connect().await;
            peer.write(format!("{UPGRADE}{}\r\n", extensions(bad)))
                .await;
            let (head, body) = peer.response().await;
            assert!(head.starts_with("http/1.1 400 "), "{head}");
            assert!(body.contains("bad_extensions"), "{body}");
        });
    }
}

#[test]
fn an_invalid_handshake_gets_an_error_that_says_how_to_fix_it() {
    let whole = format!("{UPGRADE}\r\n");
    let without = |line: &str| {
        let lines = whole.split_inclusive("\r\n");
        lines.filter(|l| !l.starts_with(line)).collect::<String>()
    };
    let cases = [
        (without("Sec-WebSocket-Key"), 400, "bad_key", ""),
        (whole.replace("ZQ==", "ZQ="), 400, "bad_key", ""),
        (
            whole.replace("Version: 13", "Version: 12"),
            426,
            "bad_version",
            "sec-websocket-version: 13\r\n",
        ),
        (
            without("Sec-WebSocket-Version"),
            426,
            "bad_version",
            "sec-websocket-version: 13\r\n",
        ),
        (
            without("Upgrade"),
            426,
            "not_websocket",
            "upgrade: websocket\r\n",
        ),
        (
            without("Connection"),
            426,
            "not_websocket",
            "upgrade: websocket\r\n",
        ),
        (whole.replace("/v1/ws", "/v2/ws"), 404, "/v1/ws", ""),
        (whole.replace("GET", "PUT"), 405, "bad_method", "allow: get"),
    ];
    run(Setup::default(), async |rig| {
        for (request, status, code, header) in cases {
            let mut peer = rig.connect().await;
            peer.write(&request).await;
            let (head, body) = peer.response().await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
            assert!(head.contains(header), "{head}");
            assert!(body.contains(code), "{body}");
            // The connection is still HTTP, so a valid request on the same socket succeeds.
            peer.write(&whole).await;
            let head = peer.head().await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        }
        for request in ["what is this\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"] {
            let mut peer = rig.connect().await;
            peer.write(request).await;
            assert!(peer.head().await.starts_with("HTTP/1.1 400 "));
        }
    });
}

#[test]
fn a_header_over_the_limit_is_refused_and_the_client_can_read_the_error() {
    run(Setup::default(), async |rig| {
        for padding in [20 << 10, 100 << 10] {
            let mut peer = rig.connect().await;
            let padding = "a".repeat(padding);
            peer.write(format!("{UPGRADE}X-Padding: {padding}\r\n\r\n"))
                .await;
            let rest = String::from_utf8(peer.rest().await).unwrap();
            assert!(rest.starts_with("HTTP/1.1 431 "), "{rest}");
        }
        let mut peer = rig.connect().await;
        let padding = "a".repeat(15 << 10);
        peer.write(format!("{UPGRADE}X-Padding: {padding}\r\n\r\n"))
            .await;
        assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
    });
}

#[test]
fn an_incomplete_handshake_gets_408_at_its_deadline() {
    run(brief(Duration::from_millis(100)), async |rig| {
        for begun in ["", "GET /v1", UPGRADE] {
            let mut peer = rig.connect().await;
            peer.write(begun).await;
            let rest = String::from_utf8(peer.rest().await).unwrap();
            assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
            assert!(rest.contains("handshake_timeout"), "{rest}");
        }
        // After a response, the deadline closes the socket silently unless another request is incomplete.
        for (more, answer) in [("", ""), ("GET /", "HTTP/1.1 408 ")] {
            let mut peer = rig.connect().await;
            peer.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            peer.response().await;
            peer.write(more).await;
            let rest = String::from_utf8(peer.rest().await).unwrap();
            assert_eq!(rest.get(..answer.len()), Some(answer));
            assert_eq!(rest.is_empty(), answer.is_empty());
        }
        assert!(rig.conns.is_empty());
    });
}

#[test]
fn one_socket_reads_pages_and_then_becomes_a_websocket() {
    run(Setup::default(), async |rig| {
        let mut peer = rig.connect().await;
        for _ in 0..2 {
            peer.write("GET /?a=b HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let (head, body) = peer.response().await;
            assert!(head.starts_with("http/1.1 200 "), "{head}");
            assert!(head.contains("content-type: text/html"), "{head}");
            assert_eq!(body, "<p>hello");
        }
        peer.write(format!("{UPGRADE}\r\n")).await;
        assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
    });
}

#[test]
fn responses_tell_browsers_to_be_strict_and_name_no_server() {
    run(brief(Duration::from_millis(300)), async |rig| {
        let page = "script-src 'self'";
        let nothing = "content-security-policy: default-src 'none'; frame-ancestors 'none'";
        for (request, policy) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", page),
            ("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", nothing),
            (&format!("{UPGRADE}\r\n"), nothing),
            // Not complete at the deadline.
            ("GET / HTTP/1.1\r\n", nothing),
            ("what is this\r\n\r\n", nothing),
            (
                &format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)),
                nothing,
            ),
        ] {
            let mut peer = rig.connect().await;
            peer.write(request).await;
            let head = peer.head().await.to_lowercase();
            assert!(head.contains(policy), "{head}");
            assert!(head.contains("x-content-type-options: nosniff"), "{head}");
            assert!(!head.contains("\r\nserver:"), "{head}");
            assert!(
                !head.contains("strict-transport-security"),
                "without TLS: {head}"
            );
        }
    });
}

#[test]
fn frames_right_behind_the_handshake_are_not_lost() {
    run(Setup::default(), async |rig| {
        let mut peer = rig.connect().await;
        let mut bytes = format!("{UPGRADE}\r\n").into_bytes();
        bytes.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i', 0x89]);
        peer.write(bytes).await;
        peer.head().await;
        assert!(matches!(rig.told().await, Told::Open(..)));
        assert!(matches!(rig.told().await, Told::Message(_, _, text) if text == b"hi"));
        // The rest of the ping.
        peer.write([0x80, 0, 0, 0, 0]).await;
        assert_eq!(peer.next().await.unwrap(), (0x8A, vec![]));
    });
}

#[test]
fn concurrent_handshakes_are_bounded_and_further_ones_wait() {
    let mut setup = brief(Duration::from_millis(300));
    setup.options.handshakes.concurrent = 2;
    run(setup, async |rig| {
        let mut idle = [rig.connect().await, rig.connect().await];
        let mut late = rig.connect().await;
        late.write(format!("{UPGRADE}\r\n")).await;
        rig.until(|| (rig.server.context().handshakes.free() == 0).then_some(()))
            .await;
        assert_eq!(rig.server.context().metrics.accepted.get(), 2);
        assert!(late.head().await.starts_with("HTTP/1.1 101 "));
        for idle in &mut idle {
            assert!(idle.rest().await.starts_with(b"HTTP/1.1 408 "));
        }
    });
}

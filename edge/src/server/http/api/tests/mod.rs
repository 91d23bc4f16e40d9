mod back_ends;

mod inputs;

mod ranks;

mod lobby;

mod tokens;

mod queues;

mod views;

use grandstand_common::auth::{Claims, Expected, Grants, Key, Signer, TokenIssuer, Verifier};
use grandstand_common::data::Data;
use grandstand_common::error::ErrorKind;
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardRequest};
use grandstand_common::process::admin::check_parameters;
use grandstand_common::wire::{Body, Empty, Kick, RoomMessage};
use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::conn::session::EventSession;
use crate::conn::transport::Transport;
use crate::server::backend::{ApiBackend, ApiFuture, LobbyPage, LobbyQuestion};
use crate::server::connections::events::PushedInput;
use crate::server::connections::waiters::InputAnswer;
use crate::server::handler::ConnectInfo;
use crate::server::testing::{Peer, Rig, Setup, Told, run};
use crate::websocket::frame;

/// Admits the player `alice` and the service `shop` alone, keeps what is appended, and has no other edges.
#[derive(Debug, Default)]
struct Alone {
    appended: RefCell<Vec<(RoomId, Body)>>,
    issuer: Option<TokenIssuer>,
}

impl ApiBackend for Alone {
    fn allows_origin(&self, origin: &str) -> bool {
        origin == "https://play.example"
    }

    fn admit(self: Rc<Self>, info: ConnectInfo) -> ApiFuture<Grants> {
        Box::pin(async move {
            match info.token.as_deref() {
                Some("alice") => Ok(Grants::trusted("alice".parse().unwrap())),
                Some("shop") => Ok(service()),
                _ => Err(ApiError::new(ErrorKind::Unauthenticated, "no token")),
            }
        })
    }

    fn issuer(&self) -> Option<&TokenIssuer> {
        self.issuer.as_ref()
    }

    fn append(self: Rc<Self>, room: RoomId, body: Body) -> ApiFuture<()> {
        self.appended.borrow_mut().push((room, body));
        Box::pin(std::future::ready(Ok(())))
    }

    fn forward(self: Rc<Self>, _: EventSession, _: PushedInput) -> ApiFuture<Option<InputAnswer>> {
        Box::pin(async move { Err(no_session()) })
    }

    fn ranks(self: Rc<Self>, request: LeaderboardRequest) -> ApiFuture<Rc<LeaderboardAnswer>> {
        Box::pin(std::future::ready(Ok(Rc::new(ranks::answer(&request)))))
    }

    fn lobby(self: Rc<Self>, question: LobbyQuestion, _: Grants) -> ApiFuture<Option<LobbyPage>> {
        Box::pin(std::future::ready(Ok(lobby::answer(&question))))
    }
}

/// The rights of a service of the rooms `relay-…`.
fn service() -> Grants {
    let secret = b"a secret for tests only, 32 bytes";
    let claims = Claims::new("shop".parse().unwrap(), 60).serve("relay-*");
    let token = Signer::hs256(secret).unwrap().sign(&claims.unwrap());
    let keys = vec![Key::secret(secret).unwrap()];
    let verifier = Verifier::new(keys, Expected::default());
    verifier.verify(&token, 0).unwrap()
}

fn setup() -> Setup {
    let backend = Rc::new(Alone::default());
    Setup {
        api: Some(backend),
        ..Setup::default()
    }
}

/// Opens a stream of the room `relay-1`. Returns the session, too.
async fn open(rig: &Rig, query: &str, headers: &str) -> (Peer, crate::conn::key::ConnKey, String) {
    let mut peer = rig.connect().await;
    peer.write(format!(
        "GET /v1/rooms/relay-1/events?access_token=alice{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
    ))
    .await;
    let head = peer.head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(
        head.contains("x-content-type-options: nosniff\r\n"),
        "{head}"
    );
    let Told::Open(conn, _) = rig.told().await else {
        panic!("not opened");
    };
    let first = event(&mut peer).await;
    let (_, session) = first.split_once("\"session\":\"").unwrap();
    let session = session.split('"').next().unwrap().to_owned();
    (peer, conn, session)
}

/// Reads the next event, without the empty line at its end.
async fn event(peer: &mut Peer) -> String {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        text.push_str(&peer.read(1).await);
    }
    text.trim_end().to_owned()
}

async fn message(rig: &Rig) -> serde_json::Value {
    match rig.told().await {
        Told::Message(_, _, bytes) => serde_json::from_slice(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn post(session: &str, body: &str) -> String {
    format!(
        "POST /v1/rooms/relay-1/inputs HTTP/1.1\r\nHost: x\r\nGrandstand-Session: {session}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_stream_is_a_client_that_joins_and_its_messages_are_events() {
    run(setup(), async |rig| {
        let (mut peer, conn, _) = open(
            &rig,
            "&role=spectator&params=%7B%22a%22%3A1%7D&attempt=2&client=c&since=7&epoch=old",
            "Last-Event-ID: e.1/41\r\nOrigin: https://play.example\r\n",
        )
        .await;
        let join = serde_json::json!({"type": "join", "id": 1, "room": "relay-1", "role": "spectator", "params": {"a": 1},
            "attempt": 2, "client": "c", "since": 41, "epoch": "e.1"});
        assert_eq!(message(&rig).await, join);
        let mut conns = rig.conns.clone();
        let update = r#"{"type":"update","room":"relay-1","version":42,"prev":41,"data":{}}"#;
        conns.send(conn, &frame::text(update));
        assert_eq!(
            event(&mut peer).await,
            format!("data: {update}\nid: e.1/42")
        );
        conns.close(conn, ErrorKind::Replaced);
        assert_eq!(
            event(&mut peer).await,
            r#"data: {"type":"close","code":4009,"reason":"replaced"}"#
        );
        assert_eq!(peer.rest().await, b"");
        assert!(matches!(rig.told().await, Told::Closed(..)));
        rig.until(|| rig.conns.is_empty().then_some(())).await;
    });
}

#[test]
fn the_end_of_the_room_ends_its_stream() {
    for last in [
        r#"{"type":"left","room":"relay-1","code":"finished"}"#,
        r#"{"type":"error","id":1,"code":"room_full","message":"full","room":"relay-1"}"#,
    ] {
        run(setup(), async |rig| {
            let (mut peer, conn, _) = open(&rig, "", "").await;
            message(&rig).await;
            let mut conns = rig.conns.clone();
            let later = r#"{"type":"error","id":1,"code":"room_unavailable","message":"","room":"relay-1"}"#;
            for text in [later, last] {
                conns.send_control(conn, &frame::text(text));
                assert_eq!(event(&mut peer).await, format!("data: {text}"));
            }
            assert_eq!(
                event(&mut peer).await,
                r#"data: {"type":"close","code":1000,"reason":""}"#
            );
            assert_eq!(peer.rest().await, b"");
        });
    }
}

#[test]
fn a_silent_stream_gets_heartbeats_and_stays_open() {
    let setup = Setup {
        heartbeat: std::time::Duration::from_millis(100),
        ..setup()
    };
    run(setup, async |rig| {
        let (mut peer, _, _) = open(&rig, "", "").await;
        for _ in 0..4 {
            assert_eq!(event(&mut peer).await, ":");
        }
    });
}

#[test]
fn bad_requests_are_refused_with_a_code_and_the_socket_serves_the_next() {
    run(setup(), async |rig| {
        let (_peer, _, session) = open(&rig, "", "").await;
        message(&rig).await;
        let mut poster = rig.connect().await;
        let room = |text: String| text.replace("relay-1", "relay-2");
        let good = r#"{"seq":1,"data":1}"#;
        let (start, last) = session.split_at(session.len() - 1);
        let wrong = format!("{start}{}", if last == "0" { '1' } else { '0' });
        for (request, status, code) in [
            (post(&session, "{"), 400, "bad_json"),
            (post(&session, "[1]"), 400, "bad_message"),
            (post(&session, r#"{"data":1}"#), 400, "bad_message"),
            (post(&session, r#"{"seq":1}"#), 400, "bad_message"),
            (post(&session, r#"{"seq":"1","data":1}"#), 400, "bad_message"),
            (post(&session, r#"{"seq":-1,"data":1}"#), 400, "bad_message"),
            (post(&session, r#"{"seq":1,"data":1,"data_b64":"AA=="}"#), 400, "bad_message"),
            (post("", good), 404, "not_joined"),
            (post("edge-0-00000000.0.1.7", good), 404, "not_joined"),
            (post(&wrong, good), 404, "not_joined"),
            (room(post(&session, good)), 404, "not_joined"),
            (post(&session, good).replace("Grandstand-Session", "X"), 401, "unauthenticated"),
            (post(&session, good).replace("relay-1", "relay%201"), 400, "bad_room"),
            (post(&session, good).replace("POST", "PUT"), 405, "bad_method"),
            ("GET /v1/rooms/relay-1/events HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 401, "unauthenticated"),
            (
                "GET /v1/rooms/relay-1/events?token=alice&params=%7B HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
                400,
                "bad_json",
            ),
            (
                "GET /v1/rooms/relay-1/events?token=alice&params=1 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
                400,
                "bad_message",
            ),
            (
                "GET /v1/rooms/relay-1/events?token=alice&since=x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
                400,
                "bad_message",
            ),
            (
                "GET /v1/rooms/relay-1/events?token=alice HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n".to_owned(),
                403,
                "forbidden",
            ),
        ] {
            poster.write(&request).await;
            let (head, body) = poster.response().await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request}: {head}{body}");
            assert!(body.contains(&format!("\"{code}\"")), "{request}: {body}");
            assert!(!head.contains("access-control-allow-origin"), "{head}");
        }
        assert_eq!(rig.try_told(), None);
    });
}

#[test]
fn a_body_that_is_too_big_is_refused_unread() {
    run(setup(), async |rig| {
        let (_peer, _, session) = open(&rig, "", "").await;
        let head =
            format!("POST /v1/rooms/relay-1/inputs?session={session} HTTP/1.1\r\nHost: x\r\n");
        for more in [
            "Content-Length: 1073741824\r\n\r\n".to_owned(),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n20000\r\n{}",
                "x".repeat(0x1_0001)
            ),
        ] {
            let mut peer = rig.connect().await;
            peer.write(format!("{head}{more}")).await;
            let (head, body) = peer.response().await;
            assert!(head.starts_with("http/1.1 413 "), "{head}");
            assert!(head.contains("connection: close\r\n"), "{head}");
            assert!(body.contains("\"too_big\""), "{body}");
            assert_eq!(peer.rest().await, b"");
        }
        // A client that goes on sending reads the response all the same.
        let mut peer = rig.connect().await;
        peer.write(format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n40000000\r\n"
        ))
        .await;
        let (mut reads, mut writes) = peer.0.into_split();
        let sends = async { while writes.write_all(&[b'x'; 4096]).await.is_ok() {} };
        let reads = async {
            let mut answer = Vec::new();
            while !answer.ends_with(b"}\n") {
                answer.push(reads.read_u8().await.unwrap());
            }
            String::from_utf8(answer).unwrap()
        };
        let answer = tokio::select! {
            answer = reads => answer,
            () = sends => panic!("the client cannot read the response"),
        };
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        // A client that waits to be asked for its body.
        let mut peer = rig.connect().await;
        let body = r#"{"seq":"no"}"#;
        peer.write(format!(
            "{head}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        ))
        .await;
        assert!(peer.head().await.starts_with("HTTP/1.1 100 "));
        peer.write(body).await;
        assert!(peer.head().await.starts_with("HTTP/1.1 400 "));
    });
}

#[test]
fn pages_of_allowed_origins_may_use_the_api() {
    run(setup(), async |rig| {
        let mut peer = rig.connect().await;
        peer.write(
            "OPTIONS /v1/rooms/relay-1/inputs HTTP/1.1\r\nHost: x\r\nOrigin: https://play.example\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: grandstand-session\r\n\r\n",
        )
        .await;
        let head = peer.head().await.to_lowercase();
        assert!(head.starts_with("http/1.1 204 "), "{head}");
        for line in [
            "access-control-allow-origin: https://play.example\r\n",
            "access-control-allow-methods: post\r\n",
            "grandstand-session",
            "vary: origin\r\n",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
    });
}

#[test]
fn the_description_has_each_path_method_and_parameter_and_no_other() {
    check_parameters(DESCRIPTION, &routes::ROUTES, routes::parameters).unwrap();
}

/// Sends a request with the token of a player or a service. Returns the head and the body.
async fn ask(rig: &Rig, token: &str, request: &str, headers: &str, body: &str) -> (String, String) {
    let mut peer = rig.connect().await;
    peer.write(format!(
        "{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    peer.response().await
}

#[test]
fn every_error_has_a_status_of_its_kind() {
    for kind in ErrorKind::ALL {
        let status = error::status(kind);
        let is_error = status.is_client_error() || status.is_server_error();
        assert!(is_error, "{kind:?}");
        // Proxies and clients try again after these.
        let is_temporary = matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        );
        assert_eq!(
            status.is_server_error() && status != 500,
            is_temporary && status != 429
        );
    }
}

//! Tokens that back ends ask for.

use std::time::Duration;

use grandstand_common::auth::{Expected, Key, Verifier};
use grandstand_common::clock::unix_ms;
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"another secret for tests, 32 bytes";

#[test]
fn a_service_gets_tokens_that_allow_less_than_its_own() {
    let signer = Signer::hs256(SECRET).unwrap();
    let issuer = TokenIssuer::new(signer, "edge", "games", Duration::from_secs(60));
    let backend = Rc::new(Alone {
        issuer: Some(issuer),
        ..Alone::default()
    });
    let setup = Setup {
        api: Some(backend),
        ..Setup::default()
    };
    run(setup, async |rig| {
        let wish = json!({"player": "alice", "rooms": {"relay-1": {"role": "player", "options": {"team": 1}}}, "ttl_s": 50});
        let (head, said) = ask(&rig, "shop", "POST /v1/tokens", "", &wish.to_string()).await;
        assert!(head.starts_with("http/1.1 201 "), "{head}{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        let keys = vec![Key::secret(SECRET).unwrap()];
        let expected = Expected {
            audience: Some("games".to_owned()),
            issuer: Some("edge".to_owned()),
            ..Expected::default()
        };
        let verifier = Verifier::new(keys, expected);
        let now = unix_ms();
        let grants = verifier
            .verify(said["token"].as_str().unwrap(), now)
            .unwrap();
        assert_eq!(grants.player().unwrap().as_str(), "alice");
        let left_s = said["expires_s"].as_u64().unwrap() - now / 1000;
        assert!((49..=50).contains(&left_s), "{said}");
        let one = grants.room(&"relay-1".parse().unwrap()).unwrap();
        assert_eq!(one.options.unwrap(), r#"{"team":1}"#);
        assert!(grants.room(&"relay-2".parse().unwrap()).is_none());
        assert!(!grants.is_service());

        let wish = |rooms: Value| json!({"player": "alice", "rooms": rooms});
        for (token, wish, status, code) in [
            ("shop", wish(json!({"relay-*": "spectator"})), 201, "token"),
            ("shop", wish(json!({"relay-1*": "player"})), 201, "token"),
            (
                "alice",
                wish(json!({"relay-1": "player"})),
                403,
                "forbidden",
            ),
            (
                "",
                wish(json!({"relay-1": "player"})),
                401,
                "unauthenticated",
            ),
            (
                "shop",
                wish(json!({"relay-1": "service"})),
                403,
                "forbidden",
            ),
            (
                "shop",
                wish(json!({"relay-1": "admin"})),
                400,
                "bad_message",
            ),
            ("shop", wish(json!({"rel*": "player"})), 403, "forbidden"),
            ("shop", wish(json!({"*": "spectator"})), 403, "forbidden"),
            (
                "shop",
                wish(json!({"relay-1": "player", "memory-1": "spectator"})),
                403,
                "forbidden",
            ),
            ("shop", wish(json!({})), 400, "bad_message"),
            (
                "shop",
                wish(json!({"re lay": "player"})),
                400,
                "bad_message",
            ),
            ("shop", json!({"player": "alice"}), 400, "bad_message"),
            ("shop", json!({"rooms": {}}), 400, "bad_message"),
            (
                "shop",
                json!({"player": "\u{202e}a", "rooms": {"relay-1": "player"}}),
                400,
                "bad_message",
            ),
            (
                "shop",
                json!({"player": "a", "rooms": {"relay-1": "player"}, "ttl_s": 61}),
                400,
                "bad_message",
            ),
            (
                "shop",
                json!({"player": "a", "rooms": {"relay-1": "player"}, "ttl_s": 0}),
                400,
                "bad_message",
            ),
        ] {
            let (head, said) = ask(&rig, token, "POST /v1/tokens", "", &wish.to_string()).await;
            assert!(
                head.starts_with(&format!("http/1.1 {status} ")),
                "{wish}: {head}{said}"
            );
            assert!(said.contains(&format!("\"{code}\"")), "{wish}: {said}");
        }
    });
}

#[test]
fn an_edge_without_a_key_says_so() {
    run(setup(), async |rig| {
        let wish = r#"{"player":"alice","rooms":{"relay-1":"player"}}"#;
        let (head, said) = ask(&rig, "shop", "POST /v1/tokens", "", wish).await;
        assert!(head.starts_with("http/1.1 403 "), "{head}");
        assert!(said.contains("\"not_configured\""), "{said}");
        let (_, said) = ask(&rig, "alice", "POST /v1/tokens", "", wish).await;
        assert!(said.contains("\"forbidden\""), "{said}");
    });
}

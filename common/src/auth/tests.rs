use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::envelope::Role;
use crate::error::ErrorKind;

mod keys;

const SECRET: &[u8] = b"a secret for tests only, 32 bytes";
const NOW_MS: u64 = 1_767_225_600_000;
const NOW_S: u64 = NOW_MS / 1000;

fn secret(secret: &[u8]) -> Key {
    Key::secret(secret).unwrap()
}

fn with(keys: Vec<Key>) -> Verifier {
    let expected = Expected {
        leeway_ms: 10_000,
        ..Expected::default()
    };
    Verifier::new(keys, expected)
}

fn verifier() -> Verifier {
    with(vec![secret(SECRET)])
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// A token with this header, signed with HS256.
fn with_head(head: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    let claims = json!({"sub": "a", "exp": NOW_S + 60});
    let [head, body] = [head, &claims].map(|part| BASE64.encode(part.to_string()));
    let text = format!("{head}.{body}");
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{text}.{signature}")
}

fn verify(claims: &Value) -> Result<Grants, AuthError> {
    verifier().verify(&signed(claims), NOW_MS)
}

fn with_rooms(rooms: Value) -> Result<Grants, AuthError> {
    verify(&json!({"sub": "alice", "exp": NOW_S + 60, "rooms": rooms}))
}

fn role(grants: &Grants, room: &str) -> Option<(Role, Option<Bytes>)> {
    let granted = grants.room(&room.parse().unwrap())?;
    Some((granted.role, granted.options))
}

#[test]
fn a_signed_token_grants_its_rooms_and_roles() {
    let claims = Claims::new("alice".parse().unwrap(), NOW_S + 60)
        .allow("memory-42", Role::Player, Some(json!({"colour": "red"})))
        .unwrap()
        .allow("memory-*", Role::Spectator, None)
        .unwrap();
    let token = Signer::hs256(SECRET).unwrap().sign(&claims);
    let grants = verifier().verify(&token, NOW_MS).unwrap();
    assert_eq!(grants.player().unwrap().as_str(), "alice");
    assert_eq!(grants.expires_ms(), Some(NOW_MS + 60_000));
    let options = Bytes::from_static(br#"{"colour":"red"}"#);
    assert_eq!(
        role(&grants, "memory-42"),
        Some((Role::Player, Some(options)))
    );
    assert_eq!(role(&grants, "memory-7"), Some((Role::Spectator, None)));
    assert_eq!(role(&grants, "relay-1"), None);
}

#[test]
fn an_invitation_grants_its_room_with_params() {
    let room = "memory-5f1c".parse().unwrap();
    let claims = Claims::new("alice".parse().unwrap(), NOW_S + 60).invite(
        &room,
        &json!({"team": 1}),
        Some(&json!({"rows": 4})),
    );
    let token = Signer::hs256(SECRET).unwrap().sign(&claims);
    let grants = verifier().verify(&token, NOW_MS).unwrap();
    let granted = grants.room(&room).unwrap();
    assert_eq!(granted.role, Role::Player);
    assert_eq!(granted.options.unwrap(), br#"{"team":1}"#[..]);
    assert_eq!(granted.params.unwrap(), br#"{"rows":4}"#[..]);
    assert_eq!(role(&grants, "memory-5"), None);
    let no_object = json!({"memory-5": {"role": "player", "params": [1]}});
    let refused = with_rooms(no_object).unwrap_err().to_string();
    assert!(refused.contains("params"), "{refused}");
}

#[test]
fn the_longest_match_wins_and_an_exact_one_beats_its_prefix() {
    let grants = with_rooms(json!({
        "*": "spectator", "memory-*": "player", "memory-42": "spectator", "memory-42*": "player",
        "memory-9*": {"role": "spectator", "options": null},
    }))
    .unwrap();
    for (room, expected) in [
        ("relay", Role::Spectator),
        ("memory-1", Role::Player),
        ("memory-42", Role::Spectator),
        ("memory-421", Role::Player),
        ("memory-99", Role::Spectator),
    ] {
        assert_eq!(role(&grants, room), Some((expected, None)), "{room}");
    }
}

#[test]
fn without_rooms_nothing_is_allowed() {
    let grants = verify(&json!({"sub": "alice", "exp": NOW_S + 60})).unwrap();
    assert_eq!(role(&grants, "memory-42"), None);
}

#[test]
fn expiry_and_start_have_a_leeway() {
    let at = |exp: Value| verify(&json!({"sub": "a", "exp": exp})).map(|g| g.expires_ms());
    assert_eq!(
        at(json!(NOW_S - 9)),
        Ok(Some(NOW_MS + 1000)),
        "by the leeway alone"
    );
    assert_eq!(at(json!(NOW_S - 10)), Err(AuthError::Expired));
    assert_eq!(
        at(json!(NOW_S as f64 + 0.5)),
        Ok(Some(NOW_MS + 500)),
        "a fraction"
    );
    let from = |nbf: Value| verify(&json!({"sub": "a", "exp": NOW_S + 60, "nbf": nbf})).map(drop);
    assert_eq!(from(json!(NOW_S + 10)), Ok(()));
    assert_eq!(from(json!(NOW_S + 11)), Err(AuthError::TooEarly));
}

#[test]
fn wrong_claims_are_named() {
    let cases = [
        (json!({"sub": "a"}), "exp"),
        (json!({"sub": "a", "exp": "tomorrow"}), "exp"),
        (json!({"sub": "a", "exp": -1}), "exp"),
        (json!({"exp": NOW_S + 1}), "sub"),
        (json!({"exp": NOW_S + 1, "sub": 7}), "sub"),
        (json!({"exp": NOW_S + 1, "sub": ""}), "sub"),
        (json!({"exp": NOW_S + 1, "sub": "ali\u{202e}ce"}), "sub"),
        (json!({"exp": NOW_S + 1, "sub": "a", "nbf": "x"}), "nbf"),
        (
            json!({"exp": NOW_S + 1, "sub": "a", "rooms": ["memory-1"]}),
            "rooms",
        ),
    ];
    for (claims, name) in cases {
        let error = verify(&claims).unwrap_err();
        assert!(
            matches!(error, AuthError::Claim { claim, .. } if claim == name),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}

#[test]
fn wrong_rules_are_named() {
    let mut deep = json!(1);
    for _ in 0..65 {
        deep = json!([deep]);
    }
    let cases = [
        (json!({"a.b": "player"}), RuleError::Pattern),
        (json!({"": "player"}), RuleError::Pattern),
        (json!({"a*b": "player"}), RuleError::Pattern),
        (json!({"**": "player"}), RuleError::Pattern),
        (json!({"a": "king"}), RuleError::Role),
        (json!({"a": 7}), RuleError::Role),
        (json!({"a": {"options": 1}}), RuleError::Role),
        (
            json!({"a": {"role": "player", "options": deep}}),
            RuleError::Options,
        ),
    ];
    for (rooms, expected) in cases {
        let error = with_rooms(rooms).unwrap_err();
        assert!(
            matches!(error, AuthError::Rooms { why, .. } if why == expected),
            "{error:?}"
        );
    }
    let claims = Claims::new("a".parse().unwrap(), 1);
    assert!(claims.allow("a.b", Role::Player, None).is_err());
}

#[test]
fn a_token_with_a_foreign_signature_or_algorithm_is_rejected() {
    let good = signed(&json!({"sub": "a", "exp": NOW_S + 60}));
    let other = with(vec![secret(b"another secret for tests, 32 byt")]);
    assert_eq!(other.verify(&good, NOW_MS), Err(AuthError::Signature));

    let (head, _) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{head}.");
    assert_eq!(
        verifier().verify(&unsigned, NOW_MS),
        Err(AuthError::Signature)
    );
    for junk in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "....",
        "\u{0}",
        &format!("{good}.a"),
    ] {
        assert_eq!(verifier().verify(junk, NOW_MS), Err(AuthError::Malformed));
    }
    for alg in ["none", "None", "HS1", ""] {
        let head = BASE64.encode(json!({"alg": alg, "typ": "JWT"}).to_string());
        let (_, rest) = good.split_once('.').unwrap();
        let (body, _) = rest.split_once('.').unwrap();
        for signature in ["", "AAAA"] {
            let token = format!("{head}.{body}.{signature}");
            let refused = verifier().verify(&token, NOW_MS);
            assert_eq!(
                refused,
                Err(AuthError::Algorithm("HS256".to_owned())),
                "{alg}"
            );
        }
    }
    for crit in [json!(["exp"]), json!([]), json!(null)] {
        let head = json!({"alg": "HS256", "crit": crit, "exp": 1});
        assert_eq!(
            verifier().verify(&with_head(&head), NOW_MS),
            Err(AuthError::Critical)
        );
    }

    let key = EncodingKey::from_secret(SECRET);
    let claims = json!({"sub": "a", "exp": NOW_S + 60});
    let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &key).unwrap();
    assert_eq!(
        verifier().verify(&hs512, NOW_MS),
        Err(AuthError::Algorithm("HS256".to_owned()))
    );
}

#[test]
fn audience_and_issuer_must_match_the_configuration() {
    let token = |extra: Value| {
        let mut claims = json!({"sub": "a", "exp": NOW_S + 60});
        claims
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        signed(&claims)
    };
    let expected = Expected {
        audience: Some("games".to_owned()),
        issuer: Some("login".to_owned()),
        ..Expected::default()
    };
    let strict = Verifier::new(vec![secret(SECRET)], expected);
    let check = |extra| strict.verify(&token(extra), NOW_MS).map(drop);
    assert_eq!(
        check(json!({"aud": ["x", "games"], "iss": "login"})),
        Ok(())
    );
    assert_eq!(
        check(json!({"aud": "x", "iss": "login"})),
        Err(AuthError::Audience)
    );
    assert_eq!(check(json!({"iss": "login"})), Err(AuthError::Audience));
    assert_eq!(
        check(json!({"aud": "games", "iss": "x"})),
        Err(AuthError::Issuer)
    );
    assert_eq!(check(json!({"aud": "games"})), Err(AuthError::Issuer));
    let unasked = verifier().verify(&token(json!({"aud": "x"})), NOW_MS);
    assert_eq!(unasked, Err(AuthError::Audience));
}

#[test]
fn public_keys_of_three_kinds_verify() {
    let claims = json!({"sub": "a", "exp": NOW_S + 60});
    let rsa = EncodingKey::from_rsa_pem(include_bytes!("testdata/rs256.key.pem")).unwrap();
    let ec = EncodingKey::from_ec_pem(include_bytes!("testdata/es256.key.pem")).unwrap();
    let ed = EncodingKey::from_ed_pem(include_bytes!("testdata/eddsa.key.pem")).unwrap();
    let cases: [(&[u8], _, _, _); 3] = [
        (
            include_bytes!("testdata/rs256.pem"),
            Algorithm::RS256,
            rsa,
            "RS256",
        ),
        (
            include_bytes!("testdata/es256.pem"),
            Algorithm::ES256,
            ec,
            "ES256",
        ),
        (
            include_bytes!("testdata/eddsa.pem"),
            Algorithm::EdDSA,
            ed,
            "EdDSA",
        ),
    ];
    for (pem, algorithm, key, name) in cases {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap();
        let verifier = with(vec![Key::pem(pem).unwrap()]);
        assert_eq!(
            verifier
                .verify(&token, NOW_MS)
                .unwrap()
                .player()
                .unwrap()
                .as_str(),
            "a"
        );

        // The classic forgery: the public key is used as a shared secret.
        let forged = EncodingKey::from_secret(pem);
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &forged);
        assert_eq!(
            verifier.verify(&forged.unwrap(), NOW_MS),
            Err(AuthError::Algorithm(name.to_owned()))
        );
    }
    let es384 = Key::pem(include_bytes!("testdata/es384.pem")).unwrap();
    assert_eq!(es384.algorithm(), Algorithm::ES384);
}

#[test]
fn an_unusable_key_is_rejected_with_the_reason() {
    let private = include_bytes!("testdata/es256.key.pem");
    assert_eq!(Key::pem(private).unwrap_err(), KeyError::Private);
    assert_eq!(Key::pem(b"secret").unwrap_err(), KeyError::NotPem);
    let weak = Key::pem(include_bytes!("testdata/rsa1024.pem")).unwrap_err();
    assert_eq!(weak, KeyError::RsaSize { bits: 1024 });
    let short = Key::secret(&[7; 31]).unwrap_err();
    assert_eq!(short, KeyError::Short { bytes: 31 });
    assert!(Signer::hs256(&[7; 31]).is_err());
}

#[test]
fn only_a_token_of_the_same_player_renews() {
    let alice = Grants::trusted("alice".parse().unwrap());
    let bob = Grants::trusted("bob".parse().unwrap());
    assert_eq!(alice.renews(&alice), Ok(()));
    let error = bob.renews(&alice).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(role(&alice, "any"), Some((Role::Player, None)));
}

#[test]
fn a_client_without_a_token_may_only_watch_and_only_if_the_configuration_says_so() {
    assert_eq!(verifier().without_token(), None);
    let expected = Expected {
        anonymous_spectators: true,
        ..Expected::default()
    };
    let verifier = Verifier::new(vec![secret(SECRET)], expected);
    let grants = verifier.without_token().unwrap();
    assert_eq!((grants.player(), grants.expires_ms()), (None, None));
    assert_eq!(role(&grants, "any"), Some((Role::Spectator, None)));
    let alice = Grants::trusted("alice".parse().unwrap());
    assert_eq!(alice.renews(&grants), Ok(()), "it may become a player");
    assert_eq!(grants.renews(&alice), Err(AuthError::OtherPlayer));
}

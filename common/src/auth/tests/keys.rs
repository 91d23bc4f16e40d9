//! Several keys at once: how a token chooses, and how keys come and go.

use jsonwebtoken::jwk::Jwk;

use super::*;
use crate::process::config::Checks;

#[test]
fn keys_rotate_because_several_verify_at_once() {
    let [old, new] = [[1_u8; 32], [2; 32]];
    let token = |secret: &[u8]| {
        let claims = Claims::new("a".parse().unwrap(), NOW_S + 60);
        Signer::hs256(secret).unwrap().sign(&claims)
    };
    let verifier = with(vec![secret(&new), secret(&old)]);
    assert!(verifier.verify(&token(&old), NOW_MS).is_ok());
    assert!(verifier.verify(&token(&new), NOW_MS).is_ok());
    let shared = verifier.clone();
    shared.replace(vec![secret(&new)], Expected::default());
    assert_eq!(
        verifier.verify(&token(&old), NOW_MS),
        Err(AuthError::Signature)
    );
    assert!(verifier.verify(&token(&new), NOW_MS).is_ok());
}

/// The key set with the public keys of `testdata`, by `kid`.
fn set(keys: &[(&str, &[u8])]) -> Vec<Key> {
    let keys = keys.iter().map(|(kid, pem)| {
        let key = Key::pem(pem).unwrap();
        let mut jwk = Jwk::from_decoding_key(key.decoding(), None).unwrap();
        jwk.common.key_id = Some((*kid).to_owned());
        jwk
    });
    let set = json!({"keys": keys.collect::<Vec<_>>()});
    jwks::Jwks::parse(set.to_string().as_bytes()).unwrap().keys
}

fn signed_with(algorithm: Algorithm, kid: Option<&str>) -> String {
    let key = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(include_bytes!("../testdata/es256.key.pem")),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(include_bytes!("../testdata/eddsa.key.pem")),
        _ => Ok(EncodingKey::from_secret(SECRET)),
    };
    let mut header = Header::new(algorithm);
    header.kid = kid.map(ToOwned::to_owned);
    let claims = json!({"sub": "a", "exp": NOW_S + 60});
    jsonwebtoken::encode(&header, &claims, &key.unwrap()).unwrap()
}

#[test]
fn the_kid_of_a_token_chooses_the_key_of_the_set() {
    let [ec, ed]: [&[u8]; 2] = [
        include_bytes!("../testdata/es256.pem"),
        include_bytes!("../testdata/eddsa.pem"),
    ];
    let verifier = with(vec![secret(SECRET)]);
    let check = |algorithm, kid| {
        let token = signed_with(algorithm, kid);
        verifier.verify(&token, NOW_MS).map(drop)
    };
    let (es256, eddsa, hs256) = (Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256);
    let wrong = |name: &str| Err(AuthError::Algorithm(name.to_owned()));
    assert_eq!(check(es256, Some("new")), wrong("HS256"), "there is no set");
    verifier.expect_set();
    assert_eq!(
        check(es256, Some("new")),
        Err(AuthError::UnknownKey),
        "not read yet"
    );
    assert_eq!(check(es256, None), Err(AuthError::UnknownKey));
    assert_eq!(check(hs256, Some("any")), Ok(()), "a key without `kid`");
    verifier.replace_set(set(&[("old", ec), ("ed", ed)]));
    assert_eq!(check(es256, Some("old")), Ok(()));
    assert_eq!(check(eddsa, Some("ed")), Ok(()));
    assert_eq!(check(es256, Some("new")), Err(AuthError::UnknownKey));
    assert_eq!(
        check(es256, Some("ed")),
        wrong("EdDSA"),
        "the key of another algorithm"
    );
    assert_eq!(
        check(hs256, Some("ed")),
        wrong("EdDSA"),
        "the classic confusion"
    );
    assert_eq!(check(es256, None), Ok(()), "the only key for ES256");
    verifier.replace_set(set(&[("old", ec), ("new", ec), ("ed", ed)]));
    assert_eq!(
        check(es256, None),
        Err(AuthError::UnknownKey),
        "two keys for ES256"
    );
    assert_eq!(check(es256, Some("new")), Ok(()));
    verifier.replace_set(set(&[("ed", ed)]));
    assert_eq!(
        check(es256, Some("old")),
        Err(AuthError::UnknownKey),
        "a removed key"
    );
    assert_eq!(check(hs256, None), Ok(()), "the configured key stays");
}

#[test]
fn the_configuration_must_have_a_usable_key() {
    let text = "0123456789abcdef0123456789abcdef";
    let secret = AuthConfig {
        secret: text.to_owned(),
        issuer: "login".to_owned(),
        ..AuthConfig::default()
    };
    let claims = json!({"sub": "a", "exp": NOW_S + 60, "iss": "login"});
    let key = EncodingKey::from_secret(text.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    assert!(secret.verifier().unwrap().verify(&token, NOW_MS).is_ok());
    assert!(!format!("{secret:?}").contains(text));

    let testdata = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/testdata/");
    let file = |name| AuthConfig {
        public_key_files: vec![format!("{testdata}{name}").into()],
        ..AuthConfig::default()
    };
    let both = AuthConfig {
        secret: text.to_owned(),
        ..file("es256.pem")
    };
    assert_eq!(both.verifier().unwrap().keys(), 2);
    let secrets = |secret: &str, previous: &str| AuthConfig {
        secret: secret.to_owned(),
        previous_secret: previous.to_owned(),
        ..AuthConfig::default()
    };
    let jwks = |jwks: &str, ca: &str| AuthConfig {
        jwks: jwks.to_owned(),
        jwks_ca_file: ca.into(),
        ..AuthConfig::default()
    };
    let pem = format!("{testdata}es256.pem");
    for (config, part) in [
        (AuthConfig::default(), "needs a key"),
        (secrets("tiny!", ""), "auth.secret: has 5 bytes"),
        (secrets(text, "tiny!"), "auth.previous_secret: has 5 bytes"),
        (file("none.pem"), "none.pem cannot be read"),
        (file("es256.key.pem"), "private key"),
        (file("rsa1024.pem"), "1024 bits"),
        (
            jwks("http://login.example/keys", ""),
            "auth.jwks: \"http://login.example/keys\" must begin with https",
        ),
        (
            jwks("https://", ""),
            "auth.jwks: \"https://\" is not an address",
        ),
        (
            jwks("https://me:pw@login.example", ""),
            "no user and no password",
        ),
        (jwks("https://login.example", &pem), "auth.jwks_ca_file"),
        (jwks("https://login.example", "/none"), "auth.jwks_ca_file"),
        (jwks("keys.json", &pem), "auth.jwks_ca_file: has no effect"),
    ] {
        let mut checks = Checks::default();
        config.validate("auth", &mut checks);
        let found: Vec<_> = checks
            .found()
            .map(|(key, why)| format!("{key}: {why}"))
            .collect();
        assert!(
            found.len() == 1 && found[0].contains(part),
            "{part}: {found:?}"
        );
        assert!(
            !found[0].contains("tiny!") && !found[0].contains(":pw@"),
            "{found:?}"
        );
    }
    for file in ["/none.json", &pem] {
        let mut checks = Checks::default();
        jwks(file, "").advise("auth", &mut checks);
        assert_eq!(checks.found().count(), 1, "{file}: {checks:?}");
    }
}

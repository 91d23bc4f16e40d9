use std::path::Path;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::auth::error::AuthError;
use crate::auth::verifier::Expected;

const NOW_MS: u64 = 1_767_225_600_000;

/// A key set in a file with one key under this `kid`.
fn write_set(path: &Path, kid: &str) {
    let key = DecodingKey::from_ed_pem(include_bytes!("../testdata/eddsa.pem")).unwrap();
    let mut jwk = Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA)).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    std::fs::write(path, json!({"keys": [jwk]}).to_string()).unwrap();
}

fn token(kid: &str) -> String {
    let key = EncodingKey::from_ed_pem(include_bytes!("../testdata/eddsa.key.pem")).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    let claims = json!({"sub": "a", "exp": NOW_MS / 1000 + 60});
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

struct Rig {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    verifier: Verifier,
    reads: watch::Receiver<Reads>,
    set: KeySet,
}

impl Rig {
    fn new(interval: Duration, least: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let source = JwksSource::new(path.to_str().unwrap(), None).unwrap();
        let verifier = Verifier::new(Vec::new(), Expected::default());
        let settings = KeySetSettings {
            source,
            interval,
            least,
        };
        let set = KeySet::new(Some(settings), verifier.clone());
        Self {
            _folder: folder,
            path,
            verifier,
            reads: set.reads(),
            set,
        }
    }

    fn start(&self) {
        tokio::spawn(self.set.clone().drive(KeySetMetrics::default()));
    }

    fn verify(&self, kid: &str) -> Result<(), AuthError> {
        self.verifier.verify(&token(kid), NOW_MS).map(drop)
    }

    async fn read(&mut self, done: u64) {
        let is_done = |reads: &Reads| reads.done >= done;
        self.reads.wait_for(is_done).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_with_an_unknown_key_causes_a_read_but_not_more_than_one_in_a_while() {
    let hour = Duration::from_secs(3600);
    let mut rig = Rig::new(hour, Duration::from_millis(1));
    write_set(&rig.path, "one");
    rig.start();
    rig.set.ready().await;
    assert_eq!(rig.verify("one"), Ok(()));
    write_set(&rig.path, "two");
    assert_eq!(rig.verify("two"), Err(AuthError::UnknownKey));
    rig.read(2).await;
    assert_eq!(rig.verify("two"), Ok(()));
    assert_eq!(
        rig.verify("one"),
        Err(AuthError::UnknownKey),
        "the key was removed"
    );

    let mut rig = Rig::new(hour, hour);
    write_set(&rig.path, "one");
    rig.start();
    rig.read(1).await;
    assert!(!rig.reads.borrow().is_next_open);
    write_set(&rig.path, "two");
    for _ in 0..100 {
        assert_eq!(rig.verify("two"), Err(AuthError::UnknownKey));
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.reads.borrow().done, 1);
}

#[tokio::test]
async fn keys_stay_while_the_source_is_away_or_has_something_else() {
    let short = Duration::from_millis(1);
    let mut rig = Rig::new(short, short);
    rig.start();
    rig.read(2).await;
    assert_eq!(
        rig.verify("one"),
        Err(AuthError::UnknownKey),
        "there is no file yet"
    );
    write_set(&rig.path, "one");
    rig.set.ready().await;
    assert_eq!(rig.verify("one"), Ok(()));
    for junk in [Some("<html>"), Some("{}"), None] {
        match junk {
            Some(text) => std::fs::write(&rig.path, text).unwrap(),
            None => std::fs::remove_file(&rig.path).unwrap(),
        }
        let done = rig.reads.borrow().done;
        rig.read(done + 2).await;
        assert_eq!(rig.verify("one"), Ok(()), "{junk:?}");
    }
    write_set(&rig.path, "two");
    let done = rig.reads.borrow().done;
    rig.read(done + 2).await;
    assert_eq!(rig.verify("two"), Ok(()));
}

#[tokio::test]
async fn another_source_is_read_at_once_and_its_keys_replace_the_former_ones() {
    let hour = Duration::from_secs(3600);
    let mut rig = Rig::new(hour, hour);
    write_set(&rig.path, "one");
    rig.start();
    rig.set.ready().await;
    assert_eq!(rig.verify("one"), Ok(()));
    let other = rig.path.with_file_name("others.json");
    let settings = |path: &Path| {
        Some(KeySetSettings {
            source: JwksSource::new(path.to_str().unwrap(), None).unwrap(),
            interval: hour,
            least: hour,
        })
    };
    // It does not exist yet: the keys stay.
    rig.set.replace(settings(&other));
    rig.read(2).await;
    assert_eq!(rig.verify("one"), Ok(()));
    write_set(&other, "two");
    rig.set.replace(settings(&other));
    rig.read(3).await;
    assert_eq!(rig.verify("two"), Ok(()));
    assert_eq!(rig.verify("one"), Err(AuthError::UnknownKey));

    rig.set.replace(None);
    assert!(!rig.set.exists());
    assert!(rig.verify("two").is_err(), "its keys are gone at once");
    assert!(!rig.reads.borrow().is_next_open);
    rig.set.replace(settings(&rig.path));
    rig.read(4).await;
    assert_eq!(rig.verify("one"), Ok(()));
}

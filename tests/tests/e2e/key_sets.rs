//! Keys that rotate: key sets over HTTPS, and exchanged secrets, with real edges on real NATS.

use std::net::SocketAddr;
use std::sync::Arc;

use grandstand_common::clock::unix_ms;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::TempDir;
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{Site, edge};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const PRIVATE: &[u8] = include_bytes!("../../../common/src/auth/testdata/eddsa.key.pem");

const PUBLIC: &[u8] = include_bytes!("../../../common/src/auth/testdata/eddsa.pem");

/// An issuer that serves a key set over HTTPS, with a certificate of its own.
struct Issuer {
    /// The answer; `None` while the issuer is away.
    answer: Arc<Mutex<Option<String>>>,
    address: SocketAddr,
    folder: TempDir,
}

impl Issuer {
    async fn start() -> Self {
        let folder = TempDir::new("issuer");
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::<Mutex<Option<String>>>::default();
        let answers = Arc::clone(&answer);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Some(body) = answers.lock().clone() else {
                    continue;
                };
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 1024];
                if !stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    continue;
                }
                let length = body.len();
                let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        });
        Self {
            answer,
            address,
            folder,
        }
    }

    /// Serves a set with a key under each of these names.
    fn serve(&self, kids: &[&str]) {
        let key = DecodingKey::from_ed_pem(PUBLIC).unwrap();
        let keys = kids.iter().map(|kid| {
            let mut jwk = Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA)).unwrap();
            jwk.common.key_id = Some((*kid).to_owned());
            jwk
        });
        let set = json!({"keys": keys.collect::<Vec<_>>()});
        *self.answer.lock() = Some(set.to_string());
    }

    fn go_away(&self) {
        *self.answer.lock() = None;
    }

    /// An edge that trusts the issuer alone.
    fn edge(&self, nats: &str) -> Start {
        Start::edge()
            .flag("--nats", nats)
            .flag("--shards", 2)
            .env(
                "GRANDSTAND_EDGE_AUTH_JWKS",
                format!("https://{}/jwks.json", self.address),
            )
            .env(
                "GRANDSTAND_EDGE_AUTH_JWKS_CA_FILE",
                self.folder.path().join("ca.pem").display(),
            )
            .env("GRANDSTAND_EDGE_AUTH_JWKS_REFRESH_S", 1)
            .env("GRANDSTAND_EDGE_AUTH_JWKS_MIN_REFRESH_S", 1)
    }
}

fn token(kid: &str) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    let claims = json!({
        "sub": "alice", "exp": unix_ms() / 1000 + 600, "rooms": {"relay-*": "player"},
    });
    let key = EncodingKey::from_ed_pem(PRIVATE).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// The first message to a client with a token whose key has this name.
async fn first(edge: &Process, kid: &str) -> String {
    let mut client = Client::connect(ClientOptions::new(edge.address()).token(&token(kid))).await;
    client
        .until("an answer", |client| !client.log.is_empty())
        .await;
    client.log[0]["type"].as_str().unwrap().to_owned()
}

async fn until_first(edge: &Process, kid: &str, wanted: &str) {
    for _ in 0..300 {
        if first(edge, kid).await == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a client with the key {kid} does not get {wanted}");
}

#[tokio::test]
async fn the_keys_of_an_issuer_rotate_and_stay_while_it_is_away() {
    let site = Site::on_nats().await;
    let nats = site.nats.as_ref().unwrap().url();
    let issuer = Issuer::start().await;
    let mut edge = Process::launch(issuer.edge(&nats), true).unwrap();
    let waits = async {
        while edge
            .metric("grandstand_edge_key_set_reads_total")
            .await
            .unwrap_or(0.0)
            < 1.0
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waits)
        .await
        .unwrap();
    assert!(!edge.is_ready().await, "without keys it is not ready");
    issuer.serve(&["old"]);
    edge.try_ready(std::time::Duration::from_secs(30))
        .await
        .unwrap();
    let mut alice = Client::connect(ClientOptions::new(edge.address()).token(&token("old"))).await;
    alice.join("relay-1", json!({})).await;

    issuer.serve(&["old", "new"]);
    until_first(&edge, "new", "welcome").await;
    assert_eq!(first(&edge, "old").await, "welcome");
    issuer.go_away();
    for kid in ["old", "new"] {
        assert_eq!(first(&edge, kid).await, "welcome", "keys stay");
    }
    issuer.serve(&["new"]);
    until_first(&edge, "old", "error").await;
    assert_eq!(first(&edge, "new").await, "welcome");
    *issuer.answer.lock() = Some("<html>login</html>".to_owned());
    until_first(&edge, "old", "error").await;
    assert_eq!(first(&edge, "new").await, "welcome");
    alice.input("relay-1", json!("still here")).await;
    alice.until_answered("relay-1").await;
}

#[tokio::test]
async fn secrets_are_exchanged_while_both_are_valid() {
    let site = Site::on_nats().await;
    let nats = site.nats.as_ref().unwrap().url();
    let next = "the next secret, for tests only, 32 bytes";
    let start = edge(&nats)
        .env(
            "GRANDSTAND_EDGE_AUTH_PREVIOUS_SECRET",
            grandstand_harness::site::SECRET,
        )
        .env("GRANDSTAND_EDGE_AUTH_SECRET", next);
    let edge = Process::start(start, true).await;
    let old = grandstand_harness::site::token("alice", 60, &[]);
    let claims = json!({"sub": "alice", "exp": unix_ms() / 1000 + 60});
    let key = EncodingKey::from_secret(next.as_bytes());
    let new = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    for token in [&old, &new] {
        let mut client = Client::connect(ClientOptions::new(edge.address()).token(token)).await;
        client.expect("welcome", json!({})).await;
    }
    // The other edges still have the old secret alone.
    let mut client = Client::connect(ClientOptions::new(site.address(0)).token(&new)).await;
    client
        .expect("error", json!({"code": "unauthenticated"}))
        .await;
}

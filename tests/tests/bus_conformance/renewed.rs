//! A credentials file that is renewed while the process runs.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grandstand_common::bus::{Bus, BusOptions};
use grandstand_harness::nats::{NatsServer, TempDir};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::rig::{append, options, soon};

/// A JWT of NATS.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let claims = json!({
        "jti": subject.public_key(),
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "name": "test",
        "sub": subject.public_key(),
        "nats": nats,
    });
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = encode(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let signed = format!("{head}.{}", encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The JWT of an account. `stored` is the limit of what it may store; 0 is nothing, -1 is everything.
fn account(operator: &KeyPair, account: &KeyPair, stored: i32) -> String {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": stored, "disk_storage": stored, "streams": stored, "consumer": stored,
    });
    let nats = json!({"type": "account", "version": 2, "limits": limits});
    jwt(operator, account, nats)
}

/// A server's configuration with one account for its users.
fn config(operator: &KeyPair, users: &KeyPair) -> String {
    let system = KeyPair::new_account();
    let op = jwt(
        operator,
        operator,
        json!({"type": "operator", "version": 2}),
    );
    format!(
        "operator: {op}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}\n",
        system.public_key(),
        system.public_key(),
        account(operator, &system, 0),
        users.public_key(),
        account(operator, users, -1),
    )
}

/// Stores the credentials of a new user of an account.
fn store(file: &Path, account: &KeyPair) {
    let user = KeyPair::new_user();
    let nats = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        jwt(account, &user, nats),
        user.seed().unwrap()
    );
    std::fs::write(file, text).unwrap();
}

#[tokio::test]
async fn d27_a_renewed_credentials_file_counts_at_the_next_connection() {
    let (operator, first, second) = (
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_account(),
    );
    let dir = TempDir::new("creds");
    let file = dir.path().join("user.creds");
    store(&file, &first);
    let mut server = NatsServer::start_configured(&config(&operator, &first)).await;
    let options = BusOptions {
        credentials: Some(file.clone()),
        ..options()
    };
    let bus = Bus::connect_nats(&server.url(), &options).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    // The server does not know the user any more.
    server.configure(&config(&operator, &second)).unwrap();
    server.restart().await;
    let errors = bus.errors().unwrap();
    let refuses = async |wanted: bool| {
        soon("what NATS refuses", async {
            while errors.current().is_some() != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    refuses(true).await;
    let current = errors.current().unwrap();
    assert!(current.contains("refuses the login"), "{current}");
    store(&file, &second);
    refuses(false).await;
    // The other account has no streams; they are created after the reconnect.
    soon("an append", async {
        loop {
            let receipt = bus.append("in.0.room".to_owned(), "2".into()).await;
            if let Ok(receipt) = receipt
                && receipt.await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

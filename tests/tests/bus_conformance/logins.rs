//! Logins of NATS: in the URL, as an nkey, and as a certificate.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use grandstand_common::bus::{Bus, BusOptions, ConnectError, NatsErrorKind, TlsFiles};
use grandstand_common::exit::ExitError as _;
use grandstand_common::id::Partition;
use grandstand_harness::nats::{NatsServer, TempDir};
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair as RcgenKey};

use crate::rig::{append, options};

/// Puts a login into a URL.
fn with(login: &str, url: &str) -> String {
    url.replace("//", &format!("//{login}@"))
}

async fn connect(url: &str) -> Result<Bus, ConnectError> {
    Bus::connect_nats(url, &options()).await
}

/// Waits until a bus reaches its server again.
async fn is_back(bus: &Bus) {
    crate::rig::soon("the log after the restart", async {
        while bus.log_state(Partition(0)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn d27_a_login_in_the_url_reaches_the_server_and_a_refused_one_is_no_outage() {
    for (args, good, bad) in [
        (
            &["--user", "m@e", "--pass", "p/w,:%"][..],
            "m%40e:p%2Fw%2C%3A%25",
            "m%40e:other",
        ),
        (&["--auth", "t0/ken"][..], "t0%2Fken", "other"),
    ] {
        let mut server = NatsServer::start_with(args).await;
        let bus = connect(&with(good, &server.url())).await.unwrap();
        append(&bus, "in.0.room", 1).await;
        server.restart().await;
        is_back(&bus).await;
        append(&bus, "in.0.room", 2).await;
        for url in [with(bad, &server.url()), server.url()] {
            let error = connect(&url).await.unwrap_err();
            assert!(matches!(error, ConnectError::Login { .. }), "{error}");
            assert_eq!(error.exit().code(), 78);
            let error = error.to_string();
            assert!(!error.contains("other") && !error.contains('\n'), "{error}");
        }
    }
}

/// The configuration of a server with one user.
fn only(user: &str) -> String {
    format!("authorization {{ users: [ {{ user: {user}, password: pw }} ] }}\n")
}

#[tokio::test]
async fn d27_a_login_that_is_refused_later_is_said_until_it_is_accepted() {
    let server = NatsServer::start_configured(&only("me")).await;
    let bus = connect(&with("me:pw", &server.url())).await.unwrap();
    let errors = bus.errors().unwrap();
    assert_eq!(errors.current(), None);
    server.reload(&only("you")).await;
    let said = async |wanted: bool| {
        crate::rig::soon("what NATS refuses", async {
            while errors.current().is_some() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    said(true).await;
    let current = errors.current().unwrap().to_lowercase();
    assert!(
        current.contains("refuses the login: authorization violation"),
        "{current}"
    );
    let counted = bus.stats().errors[NatsErrorKind::Login as usize].load(Ordering::Relaxed);
    assert!(counted > 0);
    server.reload(&only("me")).await;
    said(false).await;
    append(&bus, "in.0.room", 1).await;
}

#[tokio::test]
async fn a_login_beside_a_credentials_file_is_refused() {
    let options = BusOptions {
        credentials: Some("/nowhere/nats.creds".into()),
        ..options()
    };
    let error = Bus::connect_nats("nats://me:pw@127.0.0.1:1", &options).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::TwoLogins { .. }), "{error}");
    assert!(!error.to_string().contains("pw"), "{error}");
}

#[tokio::test]
async fn tls_in_the_url_is_required_of_the_server() {
    let server = NatsServer::start().await;
    let url = server.url().replace("nats://", "tls://");
    let error = connect(&url).await.unwrap_err();
    assert!(error.to_string().contains("tls://"), "{error}");
    // One such address requires TLS of all, so that no reconnect falls back to plain text.
    let both = format!("{},tls://127.0.0.1:1", server.url());
    connect(&both).await.unwrap_err();
}

#[tokio::test]
async fn an_nkey_is_a_login() {
    let (mine, other) = (KeyPair::new_user(), KeyPair::new_user());
    let public = mine.public_key();
    let config = format!("authorization {{ users: [ {{ nkey: {public} }} ] }}\n");
    let mut server = NatsServer::start_configured(&config).await;
    let dir = TempDir::new("nkeys");
    let path = dir.path().join("user.nk");
    let options = BusOptions {
        credentials: Some(path.clone()),
        ..options()
    };
    std::fs::write(&path, other.seed().unwrap()).unwrap();
    let error = Bus::connect_nats(&server.url(), &options).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Login { .. }), "{error}");
    std::fs::write(&path, mine.seed().unwrap()).unwrap();
    let bus = Bus::connect_nats(&server.url(), &options).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    server.restart().await;
    is_back(&bus).await;
}

/// Writes a certificate for the loopback and its key, and returns their paths.
fn certificate(
    dir: &TempDir,
    name: &str,
    signed_by: Option<&Issuer<'_, RcgenKey>>,
) -> [PathBuf; 2] {
    let (key, params) = (RcgenKey::generate().unwrap(), params(name));
    let made = match signed_by {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let files = ["pem", "key"].map(|end| dir.path().join(format!("{name}.{end}")));
    std::fs::write(&files[0], made.pem()).unwrap();
    std::fs::write(&files[1], key.serialize_pem()).unwrap();
    files
}

fn params(name: &str) -> CertificateParams {
    let mut params =
        CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[tokio::test]
async fn nats_is_trusted_by_an_authority_of_ones_own_and_trusts_the_client_s_certificate() {
    let dir = TempDir::new("tls");
    let key = RcgenKey::generate().unwrap();
    let mut authority = params("authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let authority = Issuer::new(authority, key);
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let server = certificate(&dir, "server", Some(&authority));
    let client = certificate(&dir, "client", Some(&authority));
    let stranger = certificate(&dir, "stranger", None);
    let config = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {ca:?}, verify: true }}\n",
        server[0], server[1]
    );
    let nats = NatsServer::start_configured(&config).await;
    let connect = async |ca: Option<&PathBuf>, client: Option<&[PathBuf; 2]>| {
        let options = BusOptions {
            tls: TlsFiles {
                ca: ca.cloned(),
                client: client.map(|[certificate, key]| (certificate.clone(), key.clone())),
            },
            ..options()
        };
        Bus::connect_nats(&nats.url(), &options).await
    };
    let bus = connect(Some(&ca), Some(&client)).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    for (ca, client) in [
        (None, Some(&client)),
        (Some(&ca), None),
        (Some(&ca), Some(&stranger)),
        (Some(&stranger[0]), Some(&client)),
    ] {
        let error = connect(ca, client).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    }
}

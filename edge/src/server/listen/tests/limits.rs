use tokio::io::AsyncReadExt;

use crate::limits::{Limit, LimitSettings, Networks, SharedLimits};
use crate::server::proxy::{ForwardedHeader, ProxyOptions};
use crate::server::testing::{Setup, UPGRADE, run};

/// A server with these limits of addresses.
fn limited(settings: LimitSettings) -> (Setup, SharedLimits) {
    let now = tokio::time::Instant::now().into_std();
    let limits = SharedLimits::new(settings, now);
    let mut setup = Setup::default();
    setup.options.limits = limits.clone();
    (setup, limits)
}

#[test]
fn an_address_over_its_limit_gets_429_until_a_connection_ends() {
    let (setup, limits) = limited(LimitSettings {
        address_connections: 1,
        ..LimitSettings::default()
    });
    run(setup, async |rig| {
        let (first, _) = rig.open().await;
        assert_eq!(limits.connections(), 1);
        let mut second = rig.connect().await;
        second.write(format!("{UPGRADE}\r\n")).await;
        let (head, body) = second.response().await;
        assert!(head.starts_with("http/1.1 429 too many requests"), "{head}");
        assert!(head.contains("retry-after: 5\r\n"), "{head}");
        assert!(body.contains("\"rate_limited\"") && body.contains("\"retry_after_ms\":5000"));
        drop(first);
        rig.until(|| (limits.connections() == 0).then_some(()))
            .await;
        rig.told().await;
        rig.open().await;
    });
}

#[test]
fn an_address_that_goes_on_over_its_limit_is_closed_without_an_answer() {
    let (setup, limits) = limited(LimitSettings {
        address_handshakes_per_s: 1,
        address_handshake_burst: 2,
        ..LimitSettings::default()
    });
    run(setup, async |rig| {
        let mut answers = Vec::new();
        for _ in 0..6 {
            let mut peer = rig.connect().await;
            peer.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .await;
            let mut answer = Vec::new();
            peer.0.read_to_end(&mut answer).await.ok();
            answers.push(
                String::from_utf8(answer)
                    .unwrap()
                    .get(9..12)
                    .map(str::to_owned),
            );
        }
        let answers: Vec<_> = answers.iter().map(|a| a.as_deref().unwrap_or("")).collect();
        assert_eq!(answers, ["200", "200", "429", "429", "", ""]);
        assert_eq!(limits.refused(Limit::AddressHandshakesPerS), 4);
    });
}

#[test]
fn further_requests_on_a_connection_are_charged() {
    let (setup, _) = limited(LimitSettings {
        address_handshakes_per_s: 1,
        address_handshake_burst: 2,
        ..LimitSettings::default()
    });
    run(setup, async |rig| {
        let mut peer = rig.connect().await;
        for status in ["200", "200", "429"] {
            peer.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let (head, _) = peer.response().await;
            assert_eq!(&head[9..12], status, "{head}");
        }
        assert_eq!(peer.rest().await, b"");
    });
}

#[test]
fn clients_behind_a_proxy_are_limited_by_the_address_that_it_names() {
    let (setup, limits) = limited(LimitSettings {
        address_connections: 1,
        ..LimitSettings::default()
    });
    setup.options.proxy.replace(ProxyOptions {
        trusted: Networks::parse(&["127.0.0.1".to_owned()]).unwrap(),
        forwarded: ForwardedHeader::from_name("x-forwarded-for"),
        ..ProxyOptions::default()
    });
    run(setup, async |rig| {
        let mut open = Vec::new();
        for (client, status) in [
            ("192.0.2.1", "101"),
            ("192.0.2.2", "101"),
            ("192.0.2.1", "429"),
        ] {
            let mut peer = rig.connect().await;
            peer.write(format!("{UPGRADE}X-Forwarded-For: {client}\r\n\r\n"))
                .await;
            let head = peer.head().await;
            assert_eq!(&head[9..12], status, "{head}");
            open.push(peer);
        }
        drop(open);
        rig.until(|| (limits.connections() == 0).then_some(()))
            .await;
    });
}

#[test]
fn a_full_edge_answers_503_to_all() {
    let (setup, _) = limited(LimitSettings {
        connections: 1,
        ..LimitSettings::default()
    });
    run(setup, async |rig| {
        let (_first, _) = rig.open().await;
        let mut second = rig.connect().await;
        second.write(format!("{UPGRADE}\r\n")).await;
        let (head, body) = second.response().await;
        assert!(
            head.starts_with("http/1.1 503 service unavailable"),
            "{head}"
        );
        assert!(body.contains("\"overloaded\""), "{body}");
    });
}

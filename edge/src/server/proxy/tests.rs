use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, HeaderValue};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::io::AsyncReadExt as _;

use super::header::{HeaderError, Source, end, parse};
use super::{ForwardedHeader, ProxyOptions, client};
use crate::limits::Networks;
use crate::server::testing::{PATIENCE, Peer, Rig, Setup, Told, UPGRADE, run};

const V1: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\r\n";
const V2_PREFIX: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2: command and version, family and protocol, what follows.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [V2_PREFIX, &[command, family], &length, rest].concat()
}

fn v2_ipv4() -> Vec<u8> {
    // 203.0.113.9:51000 to 192.0.2.1:443, and a value of a type that is not read.
    let mut rest = vec![203, 0, 113, 9, 192, 0, 2, 1];
    rest.extend([51_000_u16, 443].into_iter().flat_map(u16::to_be_bytes));
    rest.extend([0xE0, 0, 2, 7, 7]);
    v2(0x21, 0x11, &rest)
}

fn v2_ipv6() -> Vec<u8> {
    let ip: std::net::Ipv6Addr = "2001:db8::9".parse().unwrap();
    let mut rest = [ip.octets(), ip.octets()].concat();
    rest.extend([51_000_u16, 443].into_iter().flat_map(u16::to_be_bytes));
    v2(0x21, 0x21, &rest)
}

fn named(text: &str) -> Source {
    Source::Client(text.parse().unwrap())
}

#[test]
fn headers_of_both_versions_name_the_client() {
    let cases = [
        (V1.to_vec(), named("203.0.113.9:51000")),
        (
            b"PROXY TCP6 2001:db8::9 2001:db8::1 51000 443\r\n".to_vec(),
            named("[2001:db8::9]:51000"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Source::Proxy),
        (
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
            Source::Proxy,
        ),
        (v2_ipv4(), named("203.0.113.9:51000")),
        (v2_ipv6(), named("[2001:db8::9]:51000")),
        // A probe of the proxy itself, and a client on a Unix socket.
        (v2(0x20, 0x00, &[]), Source::Proxy),
        (v2(0x20, 0x11, &[1; 12]), Source::Proxy),
        (v2(0x21, 0x31, &[0; 216]), Source::Proxy),
        (v2(0x21, 0x00, &[]), Source::Proxy),
    ];
    for (header, wanted) in cases {
        let with_more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(end(&with_more), Ok(Some(header.len())), "{header:?}");
        for short in 0..header.len() {
            assert_eq!(end(&header[..short]), Ok(None), "{short} of {header:?}");
        }
        assert_eq!(parse(&header), Ok(wanted), "{header:?}");
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 120]].concat();
    let cases: [(&[u8], HeaderError); 6] = [
        (b"GET / HTTP/1.1\r\n", HeaderError::Missing),
        (b"\x16\x03\x01\x02\x00", HeaderError::Missing),
        (b"PROXX", HeaderError::Missing),
        (&long, HeaderError::Malformed),
        (&long[..107], HeaderError::Malformed),
        (&v2(0x21, 0x11, &[0; 5000]), HeaderError::TooLong),
    ];
    for (bytes, error) in cases {
        assert_eq!(end(bytes), Err(error), "{bytes:?}");
    }
    let malformed: [&[u8]; 6] = [
        b"PROXY \r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 51000\r\n",
        b"PROXY TCP4 203.0.113.999 192.0.2.1 51000 443\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\n",
        &v2(0x31, 0x11, &[0; 12]),
        &v2(0x21, 0x11, &[0; 4]),
    ];
    for bytes in malformed {
        let ends = end(bytes).unwrap();
        assert_eq!(ends, Some(bytes.len()), "{bytes:?}");
        assert_eq!(parse(bytes), Err(HeaderError::Malformed), "{bytes:?}");
    }
}

fn trusting(networks: &[&str]) -> ProxyOptions {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    ProxyOptions {
        trusted: Networks::parse(&networks).unwrap(),
        header_timeout: Duration::from_millis(300),
        forwarded: None,
    }
}

fn behind_proxy(networks: &[&str]) -> Setup {
    let setup = Setup {
        is_proxied: true,
        ..Setup::default()
    };
    setup.options.proxy.replace(trusting(networks));
    setup
}

/// The connections that were closed, by reason.
fn refused(rig: &Rig) -> Vec<String> {
    let mut registry = Registry::default();
    rig.server.context().metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("proxy_refused"));
    lines.map(str::to_owned).collect()
}

/// Waits until a connection is closed, or reset because bytes of it were not read.
async fn closed_unanswered(mut peer: Peer) {
    let mut answer = Vec::new();
    let ended = peer.0.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, ended).await.unwrap().ok();
    assert!(answer.is_empty(), "{answer:?}");
}

async fn opened_by(rig: &Rig) -> SocketAddr {
    match rig.told().await {
        Told::Open(_, info) => info.peer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_behind_a_proxy_has_its_own_address() {
    run(behind_proxy(&["127.0.0.0/8"]), async |rig| {
        let mut peers = Vec::new();
        for (header, wanted) in [
            (V1.to_vec(), "203.0.113.9:51000"),
            (v2_ipv4(), "203.0.113.9:51000"),
            (v2_ipv6(), "[2001:db8::9]:51000"),
        ] {
            // All at once, and a byte at a time.
            let all = [&header, UPGRADE.as_bytes(), b"\r\n"].concat();
            let mut peer = rig.connect().await;
            peer.write(&all).await;
            assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
            assert_eq!(opened_by(&rig).await, wanted.parse().unwrap());
            let mut slow = rig.connect().await;
            for byte in &all {
                slow.write([*byte]).await;
                tokio::task::yield_now().await;
            }
            assert!(slow.head().await.starts_with("HTTP/1.1 101 "));
            assert_eq!(opened_by(&rig).await, wanted.parse().unwrap());
            peers.extend([peer, slow]);
        }
        let mut probe = rig.connect().await;
        let all = [&v2(0x20, 0x00, &[]), UPGRADE.as_bytes(), b"\r\n"].concat();
        probe.write(&all).await;
        assert!(probe.head().await.starts_with("HTTP/1.1 101 "));
        assert_eq!(opened_by(&rig).await, probe.0.local_addr().unwrap());
        assert!(refused(&rig).is_empty(), "{:?}", refused(&rig));
    });
}

#[test]
fn a_connection_without_a_header_is_closed_and_counted() {
    run(behind_proxy(&["127.0.0.1"]), async |rig| {
        let sent: [(&[u8], &str); 5] = [
            (UPGRADE.as_bytes(), "missing"),
            (b"PROXY TCP4 nonsense\r\n", "malformed"),
            (&v2(0x21, 0x11, &[0; 5000]), "too_long"),
            (b"PROXY TCP4 203.0", "late"),
            (b"", "late"),
        ];
        for (bytes, _) in sent {
            let mut peer = rig.connect().await;
            peer.write(bytes).await;
            closed_unanswered(peer).await;
        }
        let mut ended = rig.connect().await;
        ended.write(b"PROXY TCP4 203.0").await;
        drop(ended);
        let count = |reason: &str, count: u32| {
            let line = format!("proxy_refused_total{{reason=\"{reason}\"}} {count}");
            refused(&rig).contains(&line).then_some(())
        };
        for (reason, times) in [
            ("missing", 1),
            ("malformed", 1),
            ("too_long", 1),
            ("late", 2),
            ("ended", 1),
        ] {
            rig.until(|| count(reason, times)).await;
        }
    });
}

#[test]
fn a_probe_that_connects_and_leaves_is_no_error() {
    run(behind_proxy(&["127.0.0.1"]), async |rig| {
        for _ in 0..3 {
            drop(rig.connect().await);
        }
        let metrics = rig.server.context().metrics.clone();
        rig.until(|| (metrics.accepted.get() == 3 && metrics.handshakes.get() == 0).then_some(()))
            .await;
        assert!(refused(&rig).is_empty(), "{:?}", refused(&rig));
    });
}

#[test]
fn only_trusted_networks_may_name_a_client() {
    run(
        behind_proxy(&["192.0.2.0/24", "2001:db8::/32"]),
        async |rig| {
            let mut peer = rig.connect().await;
            peer.write([V1, UPGRADE.as_bytes(), b"\r\n"].concat()).await;
            closed_unanswered(peer).await;
            assert_eq!(
                refused(&rig),
                ["proxy_refused_total{reason=\"not_trusted\"} 1"]
            );
        },
    );
}

#[test]
fn networks_are_parsed_and_an_ipv4_address_in_ipv6_is_what_it_is() {
    let texts = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"].map(str::to_owned);
    let networks = Networks::parse(&texts).unwrap();
    let contains = |text: &str| networks.contain(text.parse::<IpAddr>().unwrap());
    assert!(contains("10.9.8.7") && contains("::ffff:10.9.8.7") && contains("fd12::1"));
    assert!(contains("192.0.2.7") && !contains("192.0.2.8") && !contains("::1"));
    for text in ["10.0.0.0/33", "lb.example", "", "10.0.0.0/8 "] {
        let error = Networks::parse(&[text.to_owned()]).unwrap_err().to_string();
        assert!(error.contains("is no network"), "{error}");
    }
}

#[test]
fn the_client_is_the_last_hop_that_is_no_trusted_proxy() {
    use ForwardedHeader::{Forwarded, XForwardedFor};
    let from = |kind, peer: &str, lines: &[&str]| {
        let options = ProxyOptions {
            forwarded: Some(kind),
            ..trusting(&["10.0.0.0/8", "::1"])
        };
        let name = match kind {
            XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Forwarded => FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 9);
        client(&headers, peer, &options).to_string()
    };
    let x = |peer, lines: &[&str]| from(XForwardedFor, peer, lines);
    assert_eq!(x("10.0.0.1", &["203.0.113.9"]), "203.0.113.9:0");
    assert_eq!(x("10.0.0.1", &["203.0.113.9:51000"]), "203.0.113.9:51000");
    assert_eq!(x("::1", &["[2001:db8::9]:51000"]), "[2001:db8::9]:51000");
    assert_eq!(x("::1", &["2001:db8::9, 10.0.0.2"]), "[2001:db8::9]:0");
    // Proxies append to the hops that the client wrote itself.
    assert_eq!(
        x("10.0.0.1", &["1.1.1.1, 203.0.113.9", "10.0.0.7"]),
        "203.0.113.9:0"
    );
    assert_eq!(
        x("203.0.113.9", &["1.1.1.1"]),
        "203.0.113.9:9",
        "not trusted"
    );
    assert_eq!(x("10.0.0.1", &["1.1.1.1, unknown"]), "10.0.0.1:9");
    assert_eq!(x("10.0.0.1", &["1.1.1.1, \u{e9}"]), "10.0.0.1:9");
    assert_eq!(x("10.0.0.1", &[""]), "10.0.0.1:9");
    assert_eq!(x("10.0.0.1", &[]), "10.0.0.1:9");

    let f = |peer, lines: &[&str]| from(Forwarded, peer, lines);
    assert_eq!(
        f("10.0.0.1", &["for=203.0.113.9;proto=https"]),
        "203.0.113.9:0"
    );
    assert_eq!(
        f("10.0.0.1", &["for=\"[2001:db8::9]:51000\""]),
        "[2001:db8::9]:51000"
    );
    assert_eq!(
        f("10.0.0.1", &["for=1.1.1.1, For=203.0.113.9, for=10.0.0.3"]),
        "203.0.113.9:0"
    );
    assert_eq!(f("10.0.0.1", &["for=1.1.1.1, for=_hidden"]), "10.0.0.1:9");
    assert_eq!(
        f("10.0.0.1", &["for=\"1.1.1.1, for=203.0.113.9"]),
        "203.0.113.9:0"
    );
    assert_eq!(f("10.0.0.1", &["nonsense"]), "10.0.0.1:9");
}

#[test]
fn a_header_of_the_request_counts_on_a_listener_without_the_protocol() {
    let mut setup = behind_proxy(&["127.0.0.1"]);
    setup.is_proxied = false;
    // As when the configuration is read again.
    setup.options.proxy.replace(ProxyOptions {
        forwarded: Some(ForwardedHeader::XForwardedFor),
        ..trusting(&["127.0.0.1"])
    });
    run(setup, async |rig| {
        let mut peer = rig.connect().await;
        let request = format!("{UPGRADE}X-Forwarded-For: 203.0.113.9\r\n\r\n");
        peer.write(request).await;
        assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
        assert_eq!(opened_by(&rig).await.ip().to_string(), "203.0.113.9");
    });
}

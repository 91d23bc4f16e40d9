mod limits;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::accept::is_exhaustion;
use super::*;
use crate::server::context::ServerOptions;
use crate::server::handshakes::HandshakeLimits;
use crate::server::testing::{Peer, Setup, UPGRADE, run};

fn options(addr: impl Into<SocketAddr>) -> ListenOptions {
    ListenOptions::new(addr.into())
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[test]
fn all_listeners_of_one_bind_share_a_port() {
    let listeners = bind(&options(any()), 3).unwrap();
    let ports: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|p| *p == ports[0]));
}

#[test]
fn the_error_for_a_taken_port_names_the_address() {
    let alone = std::net::TcpListener::bind(any()).unwrap();
    let addr = alone.local_addr().unwrap();
    for exclusive in [true, false] {
        let mut options = options(addr);
        options.exclusive = exclusive;
        let error = bind(&options, 1).unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }));
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
    }
}

#[test]
fn a_port_is_shared_with_another_process_only_if_not_exclusive() {
    let first = bind(&options(any()), 2).unwrap();
    let mut options = options(first[0].local_addr().unwrap());
    assert!(matches!(
        bind(&options, 1).unwrap_err(),
        ListenError::Taken { .. }
    ));
    options.exclusive = false;
    bind(&options, 1).unwrap();
}

#[test]
fn listeners_of_another_process_are_completed_and_none_is_closed() {
    let ports = |listeners: &[std::net::TcpListener]| -> Vec<_> {
        let ports = listeners.iter().map(|l| l.local_addr().unwrap().port());
        ports.collect()
    };
    let options = options(any());
    let shared = || bind(&options, 3).unwrap();
    let alone = || vec![std::net::TcpListener::bind(any()).unwrap()];
    for (adopted, count, expected) in [(shared(), 5, 5), (shared(), 1, 3), (alone(), 4, 4)] {
        let port = ports(&adopted)[0];
        let listeners = bind_beside(&options, adopted, count).unwrap();
        assert_eq!(ports(&listeners), vec![port; expected]);
    }
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // TEST-NET-1, RFC 5737.
    let error = bind(&options(([192, 0, 2, 1], 0)), 1).unwrap_err();
    assert!(matches!(error, ListenError::NotHere { .. }), "{error}");
}

#[test]
fn accepted_sockets_have_the_listeners_settings() {
    let mut options = options(any());
    options.keepalive = Some(Duration::from_secs(90));
    let listener = bind(&options, 1).unwrap().remove(0);
    listener.set_nonblocking(false).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    assert!(accepted.nodelay().unwrap());
    let accepted = socket2::SockRef::from(&accepted);
    assert!(accepted.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(accepted.tcp_user_timeout().unwrap(), options.user_timeout);
    #[cfg(target_os = "linux")]
    assert_eq!(accepted.tcp_notsent_lowat().ok(), options.unsent);
}

#[test]
fn handshakes_succeed_over_ipv6() {
    let setup = Setup {
        addr: "[::1]:0",
        ..Setup::default()
    };
    run(setup, async |rig| {
        let mut peer = rig.connect().await;
        peer.write(format!("{UPGRADE}\r\n")).await;
        assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
    });
}

#[test]
fn a_backlog_is_capped_only_above_the_kernels_limit() {
    assert_eq!(capped(1), None);
    if cfg!(target_os = "linux") {
        assert!(capped(i32::MAX).is_some_and(|cap| cap >= 1));
    }
}

#[test]
fn only_a_lack_of_resources_pauses_accepting() {
    assert!(is_exhaustion(&io::Error::from_raw_os_error(24)));
    assert!(!is_exhaustion(&io::ErrorKind::ConnectionAborted.into()));
}

/// Settings with these limits on handshakes.
fn bounded(concurrent: usize, accepts: usize) -> Setup {
    let options = ServerOptions {
        handshakes: HandshakeLimits {
            concurrent,
            accepts,
            ..HandshakeLimits::default()
        },
        ..ServerOptions::default()
    };
    Setup {
        options,
        ..Setup::default()
    }
}

#[test]
fn a_storm_of_clients_stays_within_the_handshake_limit_and_all_connect() {
    const CLIENTS: usize = 120;
    const BOUND: usize = 8;
    run(bounded(BOUND, 3), async |rig| {
        let mut waiting = std::collections::VecDeque::new();
        for _ in 0..CLIENTS {
            waiting.push_back(rig.connect().await);
        }
        let (mut inside, mut open) = (Vec::new(), 0);
        let metrics = &rig.server.context().metrics;
        while open < CLIENTS {
            // The clients send no requests, so they occupy all handshakes; the rest stay in the backlog.
            let full = open + BOUND.min(CLIENTS - open);
            rig.until(|| (metrics.accepted.get() >= full as u64).then_some(()))
                .await;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            assert_eq!(metrics.accepted.get(), full as u64);
            assert_eq!(metrics.handshakes.get(), (full - open) as i64);
            // The kernel's backlog is first in, first out.
            for mut peer in waiting.drain(..full - open) {
                peer.write(format!("{UPGRADE}\r\n")).await;
                inside.push(peer);
            }
            for _ in open..full {
                rig.told().await;
            }
            open = full;
        }
        assert_eq!(metrics.connections.get(), CLIENTS as i64);
        assert!(metrics.accept_waits.get() >= (CLIENTS / BOUND - 1) as u64);
    });
}

#[test]
fn simultaneous_requests_are_answered_a_few_per_turn() {
    const CLIENTS: usize = 60;
    const EACH: usize = 4;
    run(bounded(CLIENTS, EACH), async |rig| {
        let mut peers = Vec::new();
        for _ in 0..CLIENTS {
            peers.push(rig.connect().await);
        }
        let accepted = &rig.server.context().metrics.accepted;
        rig.until(|| (accepted.get() == CLIENTS as u64).then_some(()))
            .await;
        for peer in &mut peers {
            peer.write(format!("{UPGRADE}\r\n")).await;
        }
        let (mut open, mut rounds) = (0, 0);
        while open < CLIENTS {
            // Returns when all other tasks have run.
            tokio::task::yield_now().await;
            let mut now = 0;
            while rig.try_told().is_some() {
                now += 1;
            }
            // Includes some connections of the previous round.
            assert!(now <= 2 * EACH, "{now} at once");
            open += now;
            rounds += usize::from(now > 0);
        }
        assert!(rounds >= CLIENTS / EACH / 2, "{rounds}");
    });
}

#[test]
fn connections_in_the_queue_are_accepted_before_a_listener_closes() {
    const CLIENTS: usize = 20;
    run(bounded(CLIENTS, 1), async |rig| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| TcpStream::connect(rig.addr).unwrap())
            .collect();
        rig.end.send_replace(Some(ListenerEnd::Close));
        rig.until(|| rig.end.is_closed().then_some(())).await;
        for client in clients {
            client.set_nonblocking(true).unwrap();
            let mut peer = Peer(tokio::net::TcpStream::from_std(client).unwrap());
            assert!(!rig.server.is_empty());
            peer.write(format!("{UPGRADE}\r\n")).await;
            assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
        }
    });
}

#[test]
fn connections_in_the_queue_wait_for_the_other_process_that_has_the_listener() {
    run(Setup::default(), async |rig| {
        let copy = rig.copy.try_clone().unwrap();
        let _client = TcpStream::connect(rig.addr).unwrap();
        rig.end.send_replace(Some(ListenerEnd::HandOver));
        rig.until(|| rig.end.is_closed().then_some(())).await;
        assert!(rig.server.is_empty());
        copy.accept().unwrap();
    });
}

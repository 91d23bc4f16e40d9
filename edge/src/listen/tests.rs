use std::net::{SocketAddr, TcpStream};

use super::*;
use crate::front::testing::{Setup, UPGRADE, run};

fn options(addr: impl Into<SocketAddr>) -> ListenOptions {
    ListenOptions::new(addr.into())
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[test]
fn all_listeners_of_a_call_share_one_port() {
    let listeners = bind(&options(any()), 3).unwrap();
    let ports: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|p| *p == ports[0]));
}

#[test]
fn a_taken_port_is_refused_by_name() {
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
fn a_port_is_shared_with_another_process_only_if_asked_for() {
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
}

#[test]
fn ipv6_works() {
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
fn only_a_lack_of_resources_makes_it_wait() {
    assert!(is_exhaustion(&io::Error::from_raw_os_error(24)));
    assert!(!is_exhaustion(&io::ErrorKind::ConnectionAborted.into()));
}

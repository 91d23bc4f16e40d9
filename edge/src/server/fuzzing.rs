//! The parsers of bytes from strangers, as the fuzz targets call them, with checks that must hold for any bytes.

use std::net::SocketAddr;

use hyper::Request;

use crate::server::http::request;
use crate::server::proxy::{ForwardedHeader, header};
use crate::server::quic::hello::Hello;

/// A header of the PROXY protocol ends where it ends, however many bytes of it have come.
pub fn proxy_header(bytes: &[u8]) {
    let whole = header::end(bytes);
    for count in 0..bytes.len().min(300) {
        match header::end(&bytes[..count]) {
            Ok(None) => {}
            Ok(Some(end)) => assert_eq!(whole, Ok(Some(end))),
            Err(error) => assert_eq!(whole, Err(error)),
        }
    }
    if let Ok(Some(end)) = whole {
        let _ = header::parse(&bytes[..end]);
    }
}

/// A request is accepted as a WebSocket or refused with a reason, and names a client.
pub fn request(request: &Request<()>) {
    let peer = SocketAddr::from(([192, 0, 2, 7], 443));
    for deflate in [false, true] {
        if let Ok(upgrade) = request::upgrade(request, deflate) {
            let info = request::connect_info(request, &upgrade, "/v1/ws", peer);
            assert!(info.is_err() || info.is_ok_and(|info| info.path == "/v1/ws"));
        }
    }
    let _ = request::check_host(request);
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        header.hops(request.headers());
    }
}

/// A first message over QUIC is the same however its bytes come, and nothing after it is lost.
pub fn hello(bytes: &[u8], limit: usize) {
    let whole = Hello::read(bytes, limit);
    for count in 0..bytes.len().min(300) {
        match Hello::read(&bytes[..count], limit) {
            Ok(None) => {}
            Ok(Some(hello)) => {
                let rest = whole
                    .as_ref()
                    .map(|whole| whole.as_ref().map(|whole| &*whole.rest));
                let all = bytes.len() - count + hello.rest.len();
                assert_eq!(rest.map(|rest| rest.map(<[u8]>::len)), Ok(Some(all)));
            }
            Err(_) => assert!(whole.is_err()),
        }
    }
}

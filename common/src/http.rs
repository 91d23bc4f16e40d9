//! Rules for HTTP that all listeners of a process follow.

use std::net::IpAddr;

use hyper::header::HeaderValue;
use hyper::http::uri::Authority;
use hyper::{Request, Response, Version, header};

/// The policy of responses without content of their own for browsers: they may do nothing.
pub const NO_CONTENT: &str = "default-src 'none'; frame-ancestors 'none'";

/// Whether a request has the `Host` header that it must have (RFC 9112 section 3.2): exactly one and a valid one, and
/// before HTTP/1.1 none or one.
pub fn has_valid_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) if host.is_empty() => true,
        (Some(host), None) => {
            Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether the value of a `Host` header is `localhost` or a loopback address, with or without a port. A page whose own name
/// leads to loopback has another one.
pub fn is_loopback_host(host: &[u8]) -> bool {
    let Ok(host) = Authority::try_from(host) else {
        return false;
    };
    let name = host.host().trim_matches(['[', ']']);
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

/// Adds the headers that tell browsers to be strict, as far as the response has none of its own.
pub fn harden<B>(response: &mut Response<B>) {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(NO_CONTENT));
}

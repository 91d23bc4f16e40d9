//! Rules for HTTP requests that all listeners of a process follow.

use hyper::http::uri::Authority;
use hyper::{Request, Version, header};

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

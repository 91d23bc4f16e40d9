//! Parses requests: upgrades, and the clients' tokens and names. Performs no I/O.

use std::net::SocketAddr;

use grandstand_common::envelope::Encoding;
use grandstand_common::http::has_valid_host;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Version};
use percent_encoding::percent_decode_str;

use crate::codec::WireFormat;
use crate::server::handler::ConnectInfo;
use crate::server::http::error::HttpError;
use crate::websocket::extensions::{self, DeflateParams};

/// The prefix of a subprotocol that carries a token, because browsers cannot set headers.
const BEARER: &str = "bearer.";

/// The result of a valid WebSocket request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    /// The request's `Sec-WebSocket-Key`.
    pub(super) key: String,
    /// The subprotocol for the response: the first supported one that was offered. `None` if no supported one was offered,
    /// because a token must not be echoed. Browsers then fail the connection, and other clients use JSON.
    pub(super) selected: Option<Encoding>,
    /// The negotiated compression.
    pub(super) deflate: Option<DeflateParams>,
}

impl Upgrade {
    /// The result of a request for a WebTransport session. Browsers without a choice of protocols name it in the query.
    #[cfg(feature = "quic")]
    pub(crate) fn of_session<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let in_query = parameter(query, "protocol").ok().flatten();
        Self {
            key: String::new(),
            selected: selected(request).or_else(|| encoding(&in_query?)),
            deflate: None,
        }
    }
}

pub(crate) fn encoding(subprotocol: &str) -> Option<Encoding> {
    let mut all = Encoding::ALL.into_iter();
    all.find(|encoding| encoding.subprotocol() == subprotocol)
}

/// The first encoding among the offered subprotocols.
fn selected<B>(request: &Request<B>) -> Option<Encoding> {
    listed(request, header::SEC_WEBSOCKET_PROTOCOL).find_map(encoding)
}

/// Checks a request to open a WebSocket (RFC 6455 section 4.2.1). `deflate`: whether offers of compression are accepted.
pub(in crate::server) fn upgrade<B>(
    request: &Request<B>,
    deflate: bool,
) -> Result<Upgrade, HttpError> {
    if request.method() != Method::GET {
        return Err(HttpError::Method);
    }
    let upgrades = listed(request, header::UPGRADE).any(|v| v.eq_ignore_ascii_case("websocket"))
        && listed(request, header::CONNECTION).any(|v| v.eq_ignore_ascii_case("upgrade"));
    if request.version() < Version::HTTP_11 {
        return Err(HttpError::OldHttp);
    }
    if !upgrades {
        return Err(HttpError::NotUpgrade);
    }
    // The bytes of a body would be taken for frames.
    if has_body(request) {
        return Err(HttpError::Body);
    }
    if text(request, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(HttpError::Version);
    }
    let key = text(request, header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key))
        .ok_or(HttpError::BadKey)?;
    let selected = selected(request);
    let deflate = if deflate { extensions(request)? } else { None };
    Ok(Upgrade {
        key: key.to_owned(),
        selected,
        deflate,
    })
}

/// Checks the `Host` header (RFC 9112 section 3.2).
pub(in crate::server) fn check_host<B>(request: &Request<B>) -> Result<(), HttpError> {
    let valid = has_valid_host(request);
    valid.then_some(()).ok_or(HttpError::BadHost)
}

/// Whether a request has a body, also an empty one that is chunked.
pub(super) fn has_body<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let is_zero = |length: &HeaderValue| length.as_bytes().iter().all(|&digit| digit == b'0');
    headers.contains_key(header::TRANSFER_ENCODING)
        || !headers.get_all(header::CONTENT_LENGTH).iter().all(is_zero)
}

pub(super) fn check_page<B>(request: &Request<B>) -> Result<(), HttpError> {
    match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(HttpError::Method),
    }
}

/// Collects the client's [`ConnectInfo`] from its request.
pub(crate) fn connect_info<B>(
    request: &Request<B>,
    upgrade: &Upgrade,
    path: &'static str,
    peer: SocketAddr,
) -> Result<ConnectInfo, HttpError> {
    let query = request.uri().query().unwrap_or_default();
    let in_query = match parameter(query, "token")? {
        Some(token) => Some(token),
        // RFC 6750 section 2.3.
        None => parameter(query, "access_token")?,
    };
    let user = parameter(query, "user")?;
    let token = joined(request, header::AUTHORIZATION)
        .as_deref()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned())
        .or(in_query)
        .or_else(|| {
            listed(request, header::SEC_WEBSOCKET_PROTOCOL)
                .find_map(|offer| offer.strip_prefix(BEARER))
                .map(str::to_owned)
        });
    Ok(ConnectInfo {
        path,
        format: WireFormat {
            encoding: upgrade.selected.unwrap_or(Encoding::Json),
            deflate: upgrade.deflate.is_some(),
        },
        token,
        user,
        origin: joined(request, header::ORIGIN),
        peer,
    })
}

/// Negotiates the offered extensions.
fn extensions<B>(request: &Request<B>) -> Result<Option<DeflateParams>, HttpError> {
    let lines = request.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let lines: Result<Vec<_>, _> = lines.into_iter().map(HeaderValue::to_str).collect();
    let lines = lines.map_err(|_| HttpError::BadExtensions)?;
    extensions::negotiate(lines).map_err(|_| HttpError::BadExtensions)
}

/// A header's value; `None` if it is missing or not visible ASCII.
fn text<B>(request: &Request<B>, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok().map(str::trim)
}

/// A header's value over all of its lines; `None` only if there is none. A byte that is not text becomes U+FFFD, so that a
/// value that cannot be read matches nothing, instead of being taken for a missing one.
pub(super) fn joined<B>(request: &Request<B>, name: HeaderName) -> Option<String> {
    let lines = request.headers().get_all(name).into_iter();
    let text = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.trim().to_owned()
    };
    lines
        .map(text)
        .reduce(|joined, line| format!("{joined}, {line}"))
}

/// The elements of a list header, over all of its lines.
fn listed<B>(request: &Request<B>, name: HeaderName) -> impl Iterator<Item = &str> {
    request
        .headers()
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Whether `key` is 16 bytes in base64: 22 digits and `==`.
fn is_key(key: &str) -> bool {
    key.len() == 24
        && key.strip_suffix("==").is_some_and(|digits| {
            digits
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        })
}

/// The first query parameter of this name, decoded; `None` if it is missing.
///
/// # Errors
/// If it is not UTF-8.
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, HttpError> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(key, _)| *key == name);
    value
        .map(|(_, value)| decode(value).ok_or(HttpError::BadQuery))
        .transpose()
}

/// All query parameters of this name, decoded.
///
/// # Errors
/// If one is not UTF-8.
pub(super) fn parameters(query: &str, name: &str) -> Result<Vec<String>, HttpError> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let values = pairs.filter(|(key, _)| *key == name);
    values
        .map(|(_, value)| decode(value).ok_or(HttpError::BadQuery))
        .collect()
}

/// Decodes percent-encoding, and `+` as a space. A `%` without two hexadecimal digits stays as it is.
///
/// `form_urlencoded` would replace invalid UTF-8 instead of refusing it.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = "a=1&user=Zo%C3%AB+X%zz%4&user=other&token=a.b-c_d&bad=%FF";
        let text = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(parameter(query, "user"), text("Zoë X%zz%4"));
        assert_eq!(parameter(query, "token"), text("a.b-c_d"));
        assert_eq!(parameter(query, "bad"), Err(HttpError::BadQuery));
        assert_eq!(parameter(query, "none"), Ok(None));
        assert_eq!(parameter("user", "user"), Ok(None));
        let all = vec!["Zoë X%zz%4".to_owned(), "other".to_owned()];
        assert_eq!(parameters(query, "user"), Ok(all));
    }

    #[test]
    fn keys_are_16_bytes() {
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key("dGhlIHNhbXBsZSBub25jZQ="));
        assert!(!is_key("dGhlIHNhbXBsZSBub25jZQAA"));
        assert!(!is_key("dGhlIHNhbXBsZSBub2*jZQ=="));
        assert!(!is_key(""));
    }
}

//! The address of the admin port in a page, so that the page can pull plugs: `<meta name="grandstand-admin" content="…">`.
//!
//! The demo page gets it, and a page of an author with [`PLACEHOLDER`], if they are opened at a loopback address. Pages on
//! other machines could not reach the port, and would ask a program of their own machine.

use std::net::SocketAddr;

use bytes::Bytes;
use grandstand_common::http::is_loopback_host;
use grandstand_edge::server::routes::Page;

/// The element in which a page gets the address.
const PLACEHOLDER: &str = r#"<meta name="grandstand-admin" content="">"#;

/// The start of the demo page's head.
const HEAD: &str = "<head>\n";

/// The part of a policy that names the servers to which a page may connect.
const CONNECT: &str = "connect-src ";

/// The address of the admin port, as a browser on this machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdminLink {
    origin: String,
}

impl AdminLink {
    /// The link to a port at `address`. There is none if the port has a token, which no page knows. Without a token, the
    /// port is on loopback.
    pub(super) fn new(address: SocketAddr, token: &str) -> Option<Self> {
        let is_open = token.is_empty() && address.ip().is_loopback();
        let origin = format!("http://{address}");
        is_open.then_some(Self { origin })
    }

    /// Puts the address into a page of HTML that a browser has asked for at `host`. `is_demo`: also if it has no placeholder.
    pub(super) fn put_into(&self, page: Page, is_demo: bool, host: &[u8]) -> Page {
        let Ok(text) = std::str::from_utf8(&page.body) else {
            return page;
        };
        if !is_loopback_host(host) {
            return page;
        }
        let origin = &self.origin;
        let meta = format!(r#"<meta name="grandstand-admin" content="{origin}">"#);
        let (at, replaced, meta) = match (text.find(PLACEHOLDER), text.find(HEAD)) {
            (Some(at), _) => (at, PLACEHOLDER.len(), meta),
            (None, Some(at)) if is_demo => (at + HEAD.len(), 0, meta + "\n"),
            _ => return page,
        };
        let (before, after) = (&text[..at], &text[at + replaced..]);
        let body = Bytes::from([before, &meta, after].concat());
        let allowed = format!("{CONNECT}{origin} ");
        let policy = page.policy.replacen(CONNECT, &allowed, 1);
        Page {
            body,
            policy: policy.into(),
            ..page
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[u8] = b"localhost:8080";

    fn link() -> AdminLink {
        AdminLink::new("127.0.0.1:9090".parse().unwrap(), "").unwrap()
    }

    fn page(body: &'static str) -> Page {
        Page {
            content_type: "text/html",
            policy: "default-src 'none'; connect-src 'self' ws:; base-uri 'none'".into(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn the_demo_page_gets_the_address_and_may_connect_to_it() {
        let put = link().put_into(page("<head>\n<title>x</title>"), true, HOST);
        assert_eq!(
            put.body,
            "<head>\n<meta name=\"grandstand-admin\" content=\"http://127.0.0.1:9090\">\n<title>x</title>"
        );
        assert_eq!(
            put.policy,
            "default-src 'none'; connect-src http://127.0.0.1:9090 'self' ws:; base-uri 'none'"
        );
    }

    #[test]
    fn an_author_s_page_gets_the_address_only_in_a_placeholder() {
        let without = page("<head>\n<title>x</title>");
        assert_eq!(link().put_into(without.clone(), false, HOST), without);
        let with = page(r#"<head><meta name="grandstand-admin" content=""><p>"#);
        let put = link().put_into(with, false, HOST);
        assert_eq!(
            put.body,
            r#"<head><meta name="grandstand-admin" content="http://127.0.0.1:9090"><p>"#
        );
    }

    #[test]
    fn a_page_that_is_opened_from_elsewhere_gets_no_address() {
        let demo = page("<head>\n");
        for host in ["192.168.0.7:8080", "play.example", ""] {
            let put = link().put_into(demo.clone(), true, host.as_bytes());
            assert_eq!(put, demo, "{host}");
        }
        for host in ["127.0.0.1:8080", "[::1]:8080", "LOCALHOST"] {
            let put = link().put_into(demo.clone(), true, host.as_bytes());
            assert_ne!(put, demo, "{host}");
        }
    }

    #[test]
    fn there_is_no_link_to_a_port_with_a_token_or_beyond_loopback() {
        let link = |address: &str, token| AdminLink::new(address.parse().unwrap(), token);
        assert_eq!(link("0.0.0.0:9090", ""), None);
        assert_eq!(link("127.0.0.1:9090", "token"), None);
        assert_eq!(link("[::1]:9090", "").unwrap().origin, "http://[::1]:9090");
    }
}

//! The NATS servers that a URL names: their addresses, the login for all of them, and whether TLS is required.
//!
//! async-nats drops the login, the path and the query of a URL, and takes `ws` for plain TCP. Here these parts are
//! used or refused.

use std::fmt;

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::bus::connect_error::ConnectError;

/// The servers of a URL.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The addresses, without logins. Never empty.
    addresses: Vec<ServerAddr>,
    login: Option<UrlLogin>,
    tls: bool,
}

/// The login in a URL.
#[derive(Clone, PartialEq, Eq)]
enum UrlLogin {
    /// `nats://token@host`.
    Token(String),
    /// `nats://user:password@host`.
    User { name: String, password: String },
}

/// Leaves the secrets out.
impl fmt::Debug for UrlLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::User { .. } => "User",
        })
    }
}

impl Servers {
    /// Parses addresses separated by commas. A login may be given with any one of them; it is used for all.
    ///
    /// # Errors
    /// If an address is invalid, or says something that NATS or this program has no use for.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        let mut servers = Self {
            addresses: Vec::new(),
            login: None,
            tls: false,
        };
        for text in url.split(',').map(str::trim) {
            servers.add(text).map_err(|reason| ConnectError::BadUrl {
                url: shown(text, url.contains('@')),
                reason,
            })?;
        }
        Ok(servers)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("is empty; separate addresses with one comma".to_owned());
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("contains white space".to_owned());
        }
        let server: ServerAddr = text
            .parse()
            .map_err(|why: std::io::Error| format!("cannot be read: {why}"))?;
        if server.is_websocket() {
            return Err(
                "is a WebSocket address; use nats:// or tls:// and the port for clients (4222)"
                    .to_owned(),
            );
        }
        if server.host().is_empty() || server.port() == 0 {
            return Err("names no host, or port 0".to_owned());
        }
        let login = login(text)?;
        let mut url = server.into_inner();
        for (part, mark, escape) in [
            (url.path().trim_end_matches('/'), '/', "%2F"),
            (url.query().unwrap_or_default(), '?', "%3F"),
            (url.fragment().unwrap_or_default(), '#', "%23"),
        ] {
            if !part.is_empty() {
                return Err(format!(
                    "has a part after `{mark}`, which means nothing to NATS; remove it (in a user or password write `{mark}` as {escape})"
                ));
            }
        }
        if login.is_some() && self.login.is_some() && login != self.login {
            return Err("has another user than an address before it; all need the same".to_owned());
        }
        self.login = login.or(self.login.take());
        self.tls |= url.scheme() == "tls";
        let cannot = |()| "cannot be read".to_owned();
        url.set_username("").map_err(cannot)?;
        url.set_password(None).map_err(cannot)?;
        let server = ServerAddr::from_url(url).map_err(|why| format!("cannot be read: {why}"))?;
        self.addresses.push(server);
        Ok(())
    }

    pub(super) fn addresses(&self) -> &[ServerAddr] {
        &self.addresses
    }

    /// Whether the URL names a user or a token.
    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Whether an address requires TLS, and so for any of the servers, and those that they announce.
    pub(super) fn requires_tls(&self) -> bool {
        self.tls
    }

    /// Adds the login of the URL, if there is one: for any of the servers, and those that they announce.
    pub(super) fn with_login(&self, options: ConnectOptions) -> ConnectOptions {
        match self.login.clone() {
            None => options,
            Some(UrlLogin::Token(token)) => options.token(token),
            Some(UrlLogin::User { name, password }) => options.user_and_password(name, password),
        }
    }

    /// The configured addresses and `announced`, each once. An announced address has no scheme and gets that of the first
    /// configured one.
    pub(super) fn candidates(&self, announced: &[String]) -> Vec<ServerAddr> {
        let place = |server: &ServerAddr| (server.host().to_owned(), server.port());
        let mut all = self.addresses.clone();
        for announced in announced {
            let Ok(announced) = announced.parse::<ServerAddr>() else {
                continue;
            };
            if !all.iter().any(|known| place(known) == place(&announced)) {
                all.extend(self.at(&announced));
            }
        }
        all
    }

    /// The address of `place` with the scheme of the first address.
    fn at(&self, place: &ServerAddr) -> Option<ServerAddr> {
        let mut url = self.addresses.first()?.clone().into_inner();
        url.set_host(Some(place.host())).ok()?;
        url.set_port(Some(place.port())).ok()?;
        ServerAddr::from_url(url).ok()
    }
}

/// The addresses, for logs and errors.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, server) in self.addresses.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let host = server.host();
            let (open, close) = if host.contains(':') {
                ("[", "]")
            } else {
                ("", "")
            };
            write!(
                f,
                "{comma}{}://{open}{host}{close}:{}",
                server.scheme(),
                server.port()
            )?;
        }
        Ok(())
    }
}

/// The login in an address.
fn login(text: &str) -> Result<Option<UrlLogin>, String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else {
        return Ok(None);
    };
    let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("has a user or password that is not UTF-8".to_owned()),
    };
    match user.split_once(':') {
        None if user.is_empty() => Err("has an `@` with no user before it".to_owned()),
        None => Ok(Some(UrlLogin::Token(decode(user)?))),
        Some(("", _)) => Err("has a password but no user".to_owned()),
        Some((_, "")) => {
            Err("has a user with an empty password; a token has no colon after it".to_owned())
        }
        Some((name, password)) => Ok(Some(UrlLogin::User {
            name: decode(name)?,
            password: decode(password)?,
        })),
    }
}

/// The host and port in an address that may be invalid, as far as no password can be in them.
fn shown(text: &str, has_login: bool) -> String {
    let place = text.rsplit('@').next().unwrap_or_default();
    let (scheme, place) = match place.split_once("://") {
        Some((scheme, place)) => (Some(scheme), place),
        None => (None, place),
    };
    let place = place.split(['/', '?', '#']).next().unwrap_or_default();
    // A password with a comma in it is cut in two, so this may be its first half.
    let place = match place.rsplit_once(':') {
        Some((host, port)) if has_login && port.parse::<u16>().is_err() => host,
        _ => place,
    };
    match scheme {
        Some(scheme) => format!("{scheme}://{place}"),
        None => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(url: &str) -> String {
        Servers::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_hands_its_user_and_password_or_token_on() {
        let user = |name: &str, password: &str| {
            Some(UrlLogin::User {
                name: name.to_owned(),
                password: password.to_owned(),
            })
        };
        let token = |token: &str| Some(UrlLogin::Token(token.to_owned()));
        for (url, login, shown) in [
            ("nats://a:4222", None, "nats://a:4222"),
            ("a", None, "nats://a:4222"),
            ("me:pw@a", user("me", "pw"), "nats://a:4222"),
            ("tls://me:pw@a:1/", user("me", "pw"), "tls://a:1"),
            ("nats://s3cr3t@[::1]:5", token("s3cr3t"), "nats://[::1]:5"),
            (
                "nats://m%40e:p%2F%2C%3a%25@a",
                user("m@e", "p/,:%"),
                "nats://a:4222",
            ),
            (
                "nats://me:p:w@a, nats://b:7,me:p:w@c",
                user("me", "p:w"),
                "nats://a:4222,nats://b:7,nats://c:4222",
            ),
        ] {
            let servers = Servers::parse(url).unwrap();
            assert_eq!(servers.login, login, "{url}");
            assert_eq!(servers.to_string(), shown, "{url}");
            let told = format!("{servers:?}");
            for secret in ["pw", "p:w", "s3cr3t"] {
                assert!(!told.contains(secret), "{told}");
            }
        }
    }

    #[test]
    fn one_tls_address_requires_tls_of_all() {
        assert!(!Servers::parse("nats://a,b").unwrap().tls);
        assert!(Servers::parse("nats://a,tls://b").unwrap().tls);
    }

    #[test]
    fn d27_a_url_that_says_what_would_be_ignored_is_refused() {
        for (url, part) in [
            ("", "is empty"),
            ("nats://a,,nats://b", "is empty"),
            ("nats://a,", "is empty"),
            ("nats://", "host"),
            ("nats:///x", "host"),
            ("nats://a:0", "port 0"),
            ("nats://a b", "white space"),
            ("http://a", "scheme"),
            ("ws://a:8080", "WebSocket"),
            ("wss://a", "WebSocket"),
            ("nats://a:4222/cluster", "`/`"),
            ("nats://a?tls=true", "`?`"),
            ("nats://a/?x", "`?`"),
            ("nats://a#b", "`#`"),
            ("nats://a:4222:1", "cannot be read"),
            ("nats://@a", "no user"),
            ("nats://:pw@a", "no user"),
            ("nats://me:@a", "empty password"),
            ("nats://%ff:pw@a", "UTF-8"),
            ("nats://me:pw@a,nats://you:pw@b", "another user"),
            ("nats://me:pw@a,nats://token@b", "another user"),
        ] {
            let error = wrong(url);
            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("pw") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn an_error_shows_no_part_of_a_password() {
        for url in [
            "nats://me:hush@a/x",
            "nats://me:hu/sh@a:x",
            "nats://me:hush,hush@a",
            "nats://me:hush?hush@a",
            "nats://a?token=hush",
            "http://me:hush@a",
        ] {
            let error = wrong(url);
            assert!(!error.contains("hu"), "{url}: {error}");
        }
        assert!(wrong("a:b").contains("\"a:b\""));
    }

    #[test]
    fn d17_announced_servers_are_candidates_once_and_with_the_first_one_s_scheme() {
        let servers = Servers::parse("tls://me:secret@a:4222,tls://b:4222").unwrap();
        let announced = ["a:4222", "b:4222", "10.0.0.3:4333", "?"].map(str::to_owned);
        let all = servers.candidates(&announced);
        let all: Vec<_> = all
            .iter()
            .map(|s| (s.scheme(), s.host(), s.port()))
            .collect();
        assert_eq!(
            all,
            [
                ("tls", "a", 4222),
                ("tls", "b", 4222),
                ("tls", "10.0.0.3", 4333)
            ]
        );
    }
}

//! The front that a smoke test plays through: its address, and how it is connected to.

use std::fmt;
use std::str::FromStr;

use url::{Position, Url};

/// The path for WebSockets, if the address has none.
const PATH: &str = "/v1/ws";

/// The address of a front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(Url);

/// The text is not the address of a front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    #[error("it cannot be read: {0}; write it like wss://play.example.com or ws://127.0.0.1:8080")]
    Url(#[from] url::ParseError),
    #[error("it must begin with ws:// or wss://, not {0}://")]
    Scheme(String),
    #[error("it names no host")]
    Host,
    #[error("it must have no user, no password, no query and no fragment; `--token` takes tokens")]
    More,
}

impl Target {
    /// Whether the connection has TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme() == "wss"
    }

    /// The host, without the brackets of IPv6.
    pub(super) fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The address of the handshake, with this player in the query if there is one.
    pub(super) fn request(&self, player: Option<&str>) -> String {
        let mut url = self.0.clone();
        if let Some(player) = player {
            url.query_pairs_mut().append_pair("user", player);
        }
        url.into()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..Position::AfterPath])
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let mut url = Url::parse(text.trim())?;
        if !matches!(url.scheme(), "ws" | "wss") {
            return Err(TargetError::Scheme(url.scheme().to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(TargetError::Host);
        }
        let has_login = !url.username().is_empty() || url.password().is_some();
        if has_login || url.query().is_some() || url.fragment().is_some() {
            return Err(TargetError::More);
        }
        if url.path() == "/" {
            url.set_path(PATH);
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_has_that_of_the_protocol() {
        for (text, shown, port) in [
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/ws", 8080),
            (
                "wss://play.example.com/",
                "wss://play.example.com/v1/ws",
                443,
            ),
            ("ws://[::1]/game/ws", "ws://[::1]/game/ws", 80),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.to_string().as_str(), target.port()), (shown, port));
            assert_eq!(target.is_tls(), text.starts_with("wss"));
        }
        let target: Target = "ws://[::1]:1".parse().unwrap();
        assert_eq!(target.host(), "::1");
        assert_eq!(target.request(Some("a b")), "ws://[::1]:1/v1/ws?user=a+b");
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        for (text, part) in [
            ("http://127.0.0.1:8080", "ws:// or wss://, not http://"),
            ("127.0.0.1:8080", "cannot be read"),
            ("wss://", "cannot be read"),
            ("wss://a/?token=1", "--token"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

//! The address of a front.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use crate::error::BenchError;
use crate::load::job::Front;

/// The path of the WebSocket, unless the address has one.
const PATH: &str = "/v1/ws";

/// The most time for the connection that shows whether something listens.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A URL with the scheme `ws` or `wss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FrontUrl(Url);

impl FrontUrl {
    /// The front, as the generators need to know it.
    pub(super) fn front(&self) -> Front {
        let path = match self.0.path() {
            "" | "/" => PATH,
            path => path,
        };
        let query = self.0.query().map(|query| format!("?{query}"));
        let name = self.name();
        Front {
            host: match self.0.port() {
                Some(port) => format!("{}:{port}", self.0.host_str().unwrap_or_default()),
                None => self.0.host_str().unwrap_or_default().to_owned(),
            },
            name,
            path: format!("{path}{}", query.unwrap_or_default()),
            tls: self.0.scheme() == "wss",
        }
    }

    /// The host without the brackets of IPv6.
    fn name(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The first address of the name at which something listens.
    ///
    /// # Errors
    /// If the name cannot be resolved, or nothing listens.
    pub(super) async fn resolve(&self) -> Result<SocketAddr, BenchError> {
        let port = self.0.port_or_known_default().unwrap_or(80);
        let name = self.name();
        let mut why = "it has no address".to_owned();
        match tokio::net::lookup_host((name.as_str(), port)).await {
            Ok(addresses) => {
                for address in addresses {
                    match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                        Ok(Ok(_)) => return Ok(address),
                        Ok(Err(error)) => why = error.to_string(),
                        Err(_) => why = "no answer".to_owned(),
                    }
                }
            }
            Err(error) => why = error.to_string(),
        }
        let url = self.to_string();
        Err(BenchError::Unreachable { url, why })
    }
}

impl fmt::Display for FrontUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FrontUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| {
            format!("{error}; an address is like ws://127.0.0.1:8080 or wss://play.example.com")
        })?;
        match url.scheme() {
            "ws" | "wss" if url.host().is_some() => Ok(Self(url)),
            "http" | "https" => {
                let scheme = url.scheme().replace("http", "ws");
                Err(format!(
                    "players use WebSockets: begin the address with {scheme}://"
                ))
            }
            _ => Err("an address begins with ws:// or wss://, and names a host".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(text: &str) -> Front {
        text.parse::<FrontUrl>().unwrap().front()
    }

    #[test]
    fn an_address_gives_host_name_path_and_tls() {
        let plain = front("ws://127.0.0.1:8080");
        assert_eq!(
            (plain.host.as_str(), plain.path.as_str()),
            ("127.0.0.1:8080", PATH)
        );
        assert!(!plain.tls);
        let secured = front("wss://play.example.com/game/ws?x=1");
        assert_eq!(secured.host, "play.example.com");
        assert_eq!((secured.path.as_str(), secured.tls), ("/game/ws?x=1", true));
        let six = front("wss://[::1]:7777/");
        assert_eq!(
            (six.host.as_str(), six.name.as_str()),
            ("[::1]:7777", "::1")
        );
    }

    #[test]
    fn other_schemes_are_refused_with_advice() {
        let error = "https://play.example.com".parse::<FrontUrl>().unwrap_err();
        assert!(error.contains("wss://"), "{error}");
        for text in ["play.example.com", "ftp://x", "ws://"] {
            assert!(text.parse::<FrontUrl>().is_err(), "{text}");
        }
    }
}

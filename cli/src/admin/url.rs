//! The address of an admin port.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The address of an admin port, which speaks HTTP without TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AdminUrl {
    /// The host, an address of IPv6 in brackets.
    host: String,
    port: u16,
}

/// The text is not the address of an admin port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdminUrlError {
    #[error("it cannot be read: {0}; write it like http://127.0.0.1:8081")]
    Url(#[from] url::ParseError),
    #[error("an admin port speaks http://, not {0}://")]
    Scheme(String),
    #[error("it must have no user and no password; `--token` is for the admin API")]
    Login,
    #[error("it must end after the port, because the path is added to it")]
    Path,
    #[error("it names no host; write it like http://127.0.0.1:8081")]
    Host,
}

impl AdminUrl {
    /// The host, as a socket takes it.
    pub(super) fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host and the port, as the header `Host` has them.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl FromStr for AdminUrl {
    type Err = AdminUrlError;

    fn from_str(text: &str) -> Result<Self, AdminUrlError> {
        let text = text.trim();
        let url = if text.contains("://") {
            Url::parse(text)?
        } else {
            Url::parse(&format!("http://{text}"))?
        };
        if url.scheme() != "http" {
            return Err(AdminUrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AdminUrlError::Login);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(AdminUrlError::Path);
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        Ok(Self {
            host: host.ok_or(AdminUrlError::Host)?.to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port_and_nothing_else() {
        for (text, shown, host) in [
            (
                "http://127.0.0.1:8081",
                "http://127.0.0.1:8081",
                "127.0.0.1",
            ),
            ("edge-1:8081", "http://edge-1:8081", "edge-1"),
            (" http://[::1]:8082/ ", "http://[::1]:8082", "::1"),
            ("http://edge-1", "http://edge-1:80", "edge-1"),
        ] {
            let url: AdminUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.host()), (shown, host));
        }
        for (text, part) in [
            ("https://edge-1:8081", "not https://"),
            ("http://edge-1:8081/health", "after the port"),
            ("http://me:secret@edge-1:8081", "--token"),
            ("http://edge-1:80810", "cannot be read"),
            ("", "cannot be read"),
        ] {
            let error = text.parse::<AdminUrl>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

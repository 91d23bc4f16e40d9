//! Networks: those of proxies, and those that are not limited.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A set of networks. A configuration lists them as texts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Networks(Arc<[IpNet]>);

/// Text that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "has {text:?}, which is no network; write one as 10.0.0.0/8 or fd00::/8, or an address as 192.0.2.7"
)]
pub struct NetworkError {
    /// The text.
    pub text: String,
}

impl TryFrom<Vec<String>> for Networks {
    type Error = NetworkError;

    fn try_from(all: Vec<String>) -> Result<Self, NetworkError> {
        Self::parse(&all)
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        let text = |network: &IpNet| {
            if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            }
        };
        networks.0.iter().map(text).collect()
    }
}

impl Networks {
    /// The networks of this machine itself.
    pub fn loopback() -> Self {
        let machine = [
            IpNet::new_assert(IpAddr::from([127, 0, 0, 0]), 8),
            IpNet::from(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])),
        ];
        Self(machine.into())
    }

    /// Parses networks (`10.0.0.0/8`) and addresses.
    ///
    /// # Errors
    /// Names the first text that is neither.
    pub fn parse<'a>(all: impl IntoIterator<Item = &'a String>) -> Result<Self, NetworkError> {
        let parse = |text: &String| {
            let network = text.parse::<IpNet>();
            let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| NetworkError { text: text.clone() })
        };
        let networks = all.into_iter().map(parse);
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is in one of the networks. An IPv4 address that is written as an IPv6 one counts as what it is.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

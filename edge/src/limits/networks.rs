//! Networks: those of proxies, and those that are not limited.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The bits before the IPv4 address in an IPv6 one that stands for it (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

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
            let network = network.map_err(|_| NetworkError { text: text.clone() })?;
            Ok(canonical(network))
        };
        let networks = all.into_iter().map(parse);
        Ok(Self(networks.collect::<Result<_, NetworkError>>()?))
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

/// The network of IPv4 that is written as one of IPv6, and any other as it is.
fn canonical(network: IpNet) -> IpNet {
    let bits = network.prefix_len().checked_sub(MAPPED_BITS);
    match (network.network().to_canonical(), bits) {
        (address @ IpAddr::V4(_), Some(bits)) if network.addr().is_ipv6() => {
            IpNet::new(address, bits).unwrap_or(network)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv4_may_be_written_as_one_of_ipv6() {
        for (network, inside, outside) in [
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
            ("::ffff:0.0.0.0/96", "192.0.2.1", "2001:db8::1"),
            ("10.0.0.7/8", "::ffff:10.0.0.1", "11.0.0.1"),
            ("fd00::/8", "fd12::1", "10.0.0.1"),
        ] {
            let networks = Networks::parse([&network.to_owned()]).unwrap();
            let contain = |address: &str| networks.contain(address.parse().unwrap());
            assert!(contain(inside) && !contain(outside), "{network}");
        }
    }
}

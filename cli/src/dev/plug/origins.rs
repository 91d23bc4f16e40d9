//! The origins of the pages that `dev` serves to browsers on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The origins at which a browser on this machine opens the pages of a server that listens at these addresses, without TLS
/// and with it. A server that listens at no loopback address has none.
pub(in crate::dev) fn origins(plain: Option<SocketAddr>, tls: Option<SocketAddr>) -> Vec<String> {
    let plain = plain.map(|address| ("http", 80, address));
    let tls = tls.map(|address| ("https", 443, address));
    let mut origins = Vec::new();
    for (scheme, usual, address) in plain.into_iter().chain(tls) {
        // Browsers leave the usual port out.
        let port = match address.port() {
            port if port == usual => String::new(),
            port => format!(":{port}"),
        };
        for host in hosts(address.ip()) {
            origins.push(format!("{scheme}://{host}{port}"));
        }
    }
    origins
}

/// The names of a listening address on this machine.
fn hosts(ip: IpAddr) -> Vec<String> {
    const V4: &str = "127.0.0.1";
    const V6: &str = "[::1]";
    const NAME: &str = "localhost";
    let hosts: &[&str] = match ip {
        IpAddr::V4(Ipv4Addr::LOCALHOST | Ipv4Addr::UNSPECIFIED) => &[V4, NAME],
        IpAddr::V6(Ipv6Addr::LOCALHOST) => &[V6, NAME],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => &[V4, NAME, V6],
        ip if ip.is_loopback() => return vec![ip.to_string()],
        _ => &[],
    };
    hosts.iter().map(|host| (*host).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(plain: &str, tls: &str) -> Vec<String> {
        origins(plain.parse().ok(), tls.parse().ok())
    }

    #[test]
    fn a_page_has_the_names_of_this_machine_with_each_port() {
        assert_eq!(
            of("127.0.0.1:8080", "0.0.0.0:8443"),
            [
                "http://127.0.0.1:8080",
                "http://localhost:8080",
                "https://127.0.0.1:8443",
                "https://localhost:8443",
            ]
        );
        assert_eq!(
            of("[::]:8080", "-"),
            [
                "http://127.0.0.1:8080",
                "http://localhost:8080",
                "http://[::1]:8080"
            ]
        );
        assert_eq!(of("127.0.0.2:8080", "-"), ["http://127.0.0.2:8080"]);
    }

    #[test]
    fn the_usual_ports_are_left_out() {
        assert_eq!(
            of("[::1]:80", "[::1]:443"),
            [
                "http://[::1]",
                "http://localhost",
                "https://[::1]",
                "https://localhost"
            ]
        );
        assert_eq!(of("-", "[::1]:80")[0], "https://[::1]:80");
    }

    #[test]
    fn pages_at_an_address_of_the_network_have_no_origin() {
        assert_eq!(of("192.168.0.7:8080", "[2001:db8::7]:8443"), [""; 0]);
    }
}

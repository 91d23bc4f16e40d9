//! The part of a client's address that is limited as one.

use std::net::IpAddr;

use crate::limits::table::Key;

/// The part of an IPv4-mapped key that no /64 of IPv6 has, because 0000::/8 is reserved (RFC 4291 section 4).
const IPV4: u32 = 1;

/// The key of an address: all of an IPv4 address, and the first 64 bits of an IPv6 one, because a single customer usually
/// has as many (RFC 6177).
pub(super) fn key(address: IpAddr) -> Key {
    match address.to_canonical() {
        IpAddr::V4(address) => Key([IPV4, address.to_bits()]),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            Key([(bits >> 96) as u32, (bits >> 64) as u32])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_64_is_one_address_and_a_mapped_address_is_its_ipv4() {
        let key = |text: &str| key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
        assert_ne!(key("::1"), key("0.0.0.1"));
    }
}

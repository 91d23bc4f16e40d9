//! The timestamp in a message: `@` and 16 hexadecimal digits of its due time. Servers send no other `@` here, so
//! messages can be counted by their timestamps in any envelope.

/// The length of a timestamp in bytes.
pub(crate) const LEN: usize = 17;

/// Appends a timestamp.
pub(crate) fn put(ns: u64, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'@');
    out.extend(
        (0..16)
            .rev()
            .map(|digit| HEX[(ns >> (digit * 4)) as usize & 15]),
    );
}

/// Returns the first timestamp in `bytes` and the offset of its end.
pub(crate) fn find(bytes: &[u8]) -> Option<(u64, usize)> {
    let start = memchr::memchr(b'@', bytes)? + 1;
    let digits = bytes.get(start..start + 16)?;
    let mut ns = 0;
    for &digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        ns = ns << 4 | u64::from(value);
    }
    Some((ns, start + 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_found_in_any_envelope() {
        for ns in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut bytes = b"{\"data\":\"".to_vec();
            put(ns, &mut bytes);
            let end = bytes.len();
            bytes.extend_from_slice(b"ppp\"}");
            assert_eq!(find(&bytes), Some((ns, end)));
            assert_eq!(find(&bytes[end..]), None);
        }
        for none in [
            &b""[..],
            b"@12",
            b"@000000000000000G",
            b"no timestamp at all",
        ] {
            assert_eq!(find(none), None);
        }
    }
}

//! The time at which a message was due, carried inside it: `@` and 16 hexadecimal digits. Nothing else that servers send
//! here has an `@`, so a message is counted by its stamp, however a server wraps it.

/// Bytes that a stamp takes.
pub(crate) const LEN: usize = 17;

/// Appends one.
pub(crate) fn put(ns: u64, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'@');
    out.extend(
        (0..16)
            .rev()
            .map(|digit| HEX[(ns >> (digit * 4)) as usize & 15]),
    );
}

/// The first stamp in `bytes`, and where it ends.
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
    fn a_stamp_is_found_in_what_surrounds_it() {
        for ns in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut bytes = b"{\"data\":\"".to_vec();
            put(ns, &mut bytes);
            let end = bytes.len();
            bytes.extend_from_slice(b"ppp\"}");
            assert_eq!(find(&bytes), Some((ns, end)));
            assert_eq!(find(&bytes[end..]), None);
        }
        for none in [&b""[..], b"@12", b"@000000000000000G", b"no stamp at all"] {
            assert_eq!(find(none), None);
        }
    }
}

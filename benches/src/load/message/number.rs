//! Decimal numbers in messages.

/// Returns the number after a room's prefix.
pub(super) fn number(room: &[u8], prefix: &[u8]) -> Option<u32> {
    let digits = room.strip_prefix(prefix)?;
    let (number, rest) = integer(digits)?;
    rest.is_empty().then_some(u32::try_from(number).ok()?)
}

/// Returns the leading decimal number and the bytes after it.
pub(super) fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut at = 0;
    while let Some(&digit @ b'0'..=b'9') = bytes.get(at) {
        number = number.wrapping_mul(10) + u64::from(digit - b'0');
        at += 1;
    }
    (at > 0).then(|| (number, &bytes[at..]))
}

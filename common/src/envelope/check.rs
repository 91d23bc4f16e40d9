//! Checks of client messages that both encodings share.

use bytes::Bytes;
use grandstand_types::id::RoomId;
use serde_json::value::RawValue;

use crate::envelope::message::{DecodeError, MessageContext, Role};
use crate::error::ErrorKind;

/// The largest integer in a message: the largest that JavaScript's numbers hold exactly.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The most arrays and objects that a client's JSON may nest.
pub const MAX_JSON_DEPTH: usize = 64;

/// The most bytes of `client` in a `join`. The text is logged with every session.
pub const MAX_CLIENT_BYTES: usize = 64;

/// The reason why a message is refused, before its id and room are known.
#[derive(Debug)]
pub(in crate::envelope) struct MessageError {
    kind: ErrorKind,
    message: String,
}

impl MessageError {
    pub(in crate::envelope) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(in crate::envelope) fn bad_message(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadMessage, message)
    }

    pub(in crate::envelope) fn into_decode_error(
        self,
        context: MessageContext,
    ) -> Box<DecodeError> {
        Box::new(DecodeError {
            kind: self.kind,
            message: self.message,
            id: context.id,
            room: context.room,
            seq: context.seq,
        })
    }
}

pub(in crate::envelope) fn integer(name: &str, value: u64) -> Result<u64, MessageError> {
    if value > MAX_INTEGER {
        return Err(not_an_integer(name));
    }
    Ok(value)
}

/// Parses a JSON number that is a whole number, however it is written: `7`, `7.0`, `70e-1`. Exact, unlike a conversion to a
/// double and back.
pub(in crate::envelope) fn whole(number: &str) -> Option<u64> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (positive, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (false, mantissa),
        None => (true, mantissa),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || before.bytes().chain(after.bytes());
    if before.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // The digits before this place are the whole part.
    let point = i64::try_from(before.len()).ok()? + i64::from(exponent);
    let mut value = 0_u64;
    for (place, digit) in (0_i64..).zip(digits()) {
        match digit - b'0' {
            digit if place < point => value = value.checked_mul(10)?.checked_add(digit.into())?,
            0 => {}
            _ => return None,
        }
    }
    let zeros = point - i64::try_from(digits().count()).ok()?;
    if value > 0 && zeros > 0 {
        value = value.checked_mul(10_u64.checked_pow(u32::try_from(zeros).ok()?)?)?;
    }
    (positive || value == 0).then_some(value)
}

pub(in crate::envelope) fn not_an_integer(name: &str) -> MessageError {
    MessageError::bad_message(format!("`{name}` must be an integer from 0 to 2^53 - 1"))
}

pub(in crate::envelope) fn room(text: &str) -> Result<RoomId, MessageError> {
    text.parse()
        .map_err(|why| MessageError::new(ErrorKind::BadRoom, format!("`room` {why}")))
}

pub(in crate::envelope) fn role(text: &str) -> Result<Role, MessageError> {
    Role::from_name(text)
        .ok_or_else(|| MessageError::bad_message("`role` must be \"player\" or \"spectator\""))
}

pub(in crate::envelope) fn client(text: String) -> Result<String, MessageError> {
    if text.len() > MAX_CLIENT_BYTES {
        return Err(MessageError::bad_message(format!(
            "`client` must be a string of at most {MAX_CLIENT_BYTES} bytes"
        )));
    }
    Ok(text)
}

/// Checks a JSON value that is copied into other clients' messages: see [`check_relayable`].
pub(in crate::envelope) fn value(name: &str, raw: &RawValue) -> Result<Bytes, MessageError> {
    check_relayable(raw.get())
        .map_err(|why| MessageError::new(ErrorKind::BadData, format!("`{name}` {}", why.text())))?;
    Ok(Bytes::copy_from_slice(raw.get().as_bytes()))
}

/// Checks like [`value`], and requires an object.
pub(in crate::envelope) fn object(name: &str, raw: &RawValue) -> Result<Bytes, MessageError> {
    if !raw.get().starts_with('{') {
        return Err(MessageError::bad_message(format!(
            "`{name}` must be an object"
        )));
    }
    value(name, raw)
}

/// The reason why a JSON value cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::envelope) enum RelayError {
    Depth,
    Surrogate,
    Number,
}

impl RelayError {
    fn text(self) -> &'static str {
        match self {
            Self::Depth => "nests deeper than 64 levels",
            Self::Surrogate => "has half of a surrogate pair in a string",
            Self::Number => "has a number that is out of range",
        }
    }
}

/// Finds what other clients' parsers would reject in `json`, which is one JSON value by its grammar: too many levels,
/// strings that are not Unicode text, numbers that no double holds. Does not recurse.
pub(in crate::envelope) fn check_relayable(json: &str) -> Result<(), RelayError> {
    let bytes = json.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'"' => scan_string(bytes, at + 1)?,
            b'-' | b'0'..=b'9' => scan_number(json, at)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(RelayError::Depth);
                }
                at + 1
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
    }
    Ok(())
}

/// Whether a JSON value is one that clients may send.
pub(crate) fn is_relayable(json: &str) -> bool {
    check_relayable(json).is_ok()
}

/// Returns the place after a string's closing quote; `at` is the place after its opening quote.
fn scan_string(bytes: &[u8], mut at: usize) -> Result<usize, RelayError> {
    loop {
        match bytes.get(at) {
            None => return Ok(at),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match unit(bytes, at) {
                Some(0xD800..=0xDBFF) => match unit(bytes, at + 6) {
                    Some(0xDC00..=0xDFFF) => at += 12,
                    _ => return Err(RelayError::Surrogate),
                },
                Some(0xDC00..=0xDFFF) => return Err(RelayError::Surrogate),
                _ => at += 2,
            },
            Some(_) => at += 1,
        }
    }
}

/// The UTF-16 code unit of a `\uXXXX` at `at`; `None` if there is none.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Returns the place after a number's last byte.
fn scan_number(json: &str, start: usize) -> Result<usize, RelayError> {
    let bytes = json.as_bytes();
    let mut end = start + 1;
    let mut exponent = false;
    while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = bytes.get(end) {
        exponent |= matches!(bytes[end], b'e' | b'E');
        end += 1;
    }
    // Without an exponent, only a number of 309 digits or more is out of range.
    if exponent || end - start > 300 {
        let finite = json[start..end].parse::<f64>().is_ok_and(f64::is_finite);
        if !finite {
            return Err(RelayError::Number);
        }
    }
    Ok(end)
}

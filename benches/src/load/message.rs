//! What a load generator must know of a server's message, read in one pass over the fields before its data.

use memchr::memmem;

/// A message of the edge (`docs/protocol.md`), in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// The `type`.
    pub(crate) kind: &'a [u8],
    /// Everything between the type and the data.
    head: &'a [u8],
    /// All of it.
    all: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None` if it does not look like one.
    pub(crate) fn parse(all: &'a [u8]) -> Option<Self> {
        let rest = all.strip_prefix(b"{\"type\":\"")?;
        let end = memchr::memchr(b'"', rest)?;
        let (kind, rest) = rest.split_at(end);
        let head = match memmem::find(rest, b",\"data\":") {
            Some(at) => &rest[..at],
            None => rest,
        };
        Some(Self { kind, head, all })
    }

    /// A field that is a string without escapes.
    pub(crate) fn text(&self, field: &str) -> Option<&'a [u8]> {
        let value = self.value(field)?.strip_prefix(b"\"")?;
        Some(&value[..memchr::memchr(b'"', value)?])
    }

    /// A field that is an integer.
    pub(crate) fn integer(&self, field: &str) -> Option<u64> {
        let value = self.value(field)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(None, |sum: Option<u64>, digit| {
            Some(sum.unwrap_or(0).wrapping_mul(10) + u64::from(digit - b'0'))
        })
    }

    /// The number behind the last `-` of the room's name.
    pub(crate) fn room(&self) -> Option<u32> {
        let name = std::str::from_utf8(self.text("room")?).ok()?;
        name.rsplit_once('-')?.1.parse().ok()
    }

    /// The stamp in its data.
    pub(crate) fn stamp(&self) -> Option<u64> {
        super::stamp::find(self.all).map(|(ns, _)| ns)
    }

    fn value(&self, field: &str) -> Option<&'a [u8]> {
        let mut rest = self.head;
        loop {
            let at = memmem::find(rest, field.as_bytes())?;
            let (before, after) = (&rest[..at], &rest[at + field.len()..]);
            if before.ends_with(b"\"")
                && let Some(value) = after.strip_prefix(b"\":")
            {
                return Some(value);
            }
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::data::Data;
    use grandstand_common::envelope::{Encoding, ServerMessage, encode_server};

    use super::*;

    fn json(message: &ServerMessage<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode_server(Encoding::Json, message, &mut out);
        out
    }

    #[test]
    fn it_reads_what_the_edge_writes() {
        let room = "relay-x-17".parse().unwrap();
        let mut data = b"\"".to_vec();
        super::super::stamp::put(77, &mut data);
        data.push(b'"');
        let bytes = json(&ServerMessage::Update {
            room: &room,
            version: 12,
            prev: 11,
            data: &Data::Json(data.into()),
        });
        let update = Message::parse(&bytes).unwrap();
        assert_eq!(update.kind, b"update");
        assert_eq!(update.room(), Some(17));
        assert_eq!(update.integer("version"), Some(12));
        assert_eq!(update.integer("prev"), Some(11));
        assert_eq!(update.stamp(), Some(77));
        assert_eq!(update.integer("seq"), None);

        let bytes = json(&ServerMessage::Snapshot {
            room: &room,
            epoch: "1.2.p",
            version: 3,
            data: &Data::Json(b"{\"version\":9}".to_vec().into()),
        });
        let snapshot = Message::parse(&bytes).unwrap();
        assert_eq!(snapshot.text("epoch"), Some(&b"1.2.p"[..]));
        assert_eq!(snapshot.integer("version"), Some(3));
        assert_eq!(snapshot.stamp(), None);

        let bytes = json(&ServerMessage::Ack {
            room: &room,
            seq: 5,
        });
        assert_eq!(Message::parse(&bytes).unwrap().integer("seq"), Some(5));
        assert_eq!(Message::parse(b"[]"), None);
    }
}

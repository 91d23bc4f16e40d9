//! A fast reader of updates, acks and frames with their fields in the edge's order. The full decoder handles all other
//! messages.

use super::super::timestamp;
use super::event::Message;
use super::number::integer;

/// Returns `None` for other messages or another order of fields.
pub(super) fn read(payload: &[u8], prefix: &[u8]) -> Option<Message> {
    let rest = payload.strip_prefix(b"{\"type\":\"")?;
    if let Some(rest) = rest.strip_prefix(b"update\",\"room\":\"") {
        let (room, rest) = integer(rest.strip_prefix(prefix)?)?;
        let (version, rest) = integer(rest.strip_prefix(b"\",\"version\":")?)?;
        let (prev, rest) = integer(rest.strip_prefix(b",\"prev\":")?)?;
        let data = rest.strip_prefix(b",\"data\":")?;
        return Some(Message::Update {
            room: room.try_into().ok()?,
            version,
            prev,
            due_ns: timestamp::find(data).map(|(ns, _)| ns),
        });
    }
    if let Some(rest) = rest.strip_prefix(b"live\",\"room\":\"") {
        let (room, rest) = integer(rest.strip_prefix(prefix)?)?;
        let (tick, _) = integer(rest.strip_prefix(b"\",\"data\":{\"tick\":")?)?;
        let room = room.try_into().ok()?;
        return Some(Message::Frame { room, tick });
    }
    let rest = rest.strip_prefix(b"ack\",\"room\":\"")?;
    let (room, rest) = integer(rest.strip_prefix(prefix)?)?;
    let (seq, rest) = integer(rest.strip_prefix(b"\",\"seq\":")?)?;
    (rest == b"}").then_some(Message::Ack {
        room: room.try_into().ok()?,
        seq,
    })
}

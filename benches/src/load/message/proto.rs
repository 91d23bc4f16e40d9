//! A fast reader of updates and acks of `proto/grandstand.proto`, without copies. The full decoder handles all other
//! messages.

use super::super::timestamp;
use super::event::Message;
use super::number::number;

/// Field numbers of `ServerMessage`.
const UPDATE: u32 = 6;
const ACK: u32 = 9;

/// A field's value. Fixed-size values do not occur.
enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
}

/// Returns `None` for other messages or another order of fields.
pub(super) fn read(payload: &[u8], prefix: &[u8]) -> Option<Message> {
    let mut rest = payload;
    let (kind, Value::Bytes(mut fields)) = field(&mut rest)? else {
        return None;
    };
    if !rest.is_empty() {
        return None;
    }
    let mut room = None;
    let mut integers = [0; 2];
    let mut due_ns = None;
    // The room is followed by two integers; an update's data come first.
    let (data, first) = match kind {
        UPDATE => (2, 3),
        ACK => (0, 1),
        _ => return None,
    };
    while !fields.is_empty() {
        match field(&mut fields)? {
            (at, Value::Bytes(bytes)) if at == first => room = Some(number(bytes, prefix)?),
            (at, Value::Bytes(bytes)) if (1..=data).contains(&at) => {
                due_ns = timestamp::find(bytes).map(|(ns, _)| ns);
            }
            (at, Value::Integer(value)) if at == first + 1 => integers[0] = value,
            (at, Value::Integer(value)) if at == first + 2 => integers[1] = value,
            _ => {}
        }
    }
    let room = room?;
    Some(match kind {
        UPDATE => Message::Update {
            room,
            version: integers[0],
            prev: integers[1],
            due_ns,
        },
        _ => Message::Ack {
            room,
            seq: integers[0],
        },
    })
}

/// Takes the first field and its number.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let tag = varint(bytes)?;
    let value = match tag & 7 {
        0 => Value::Integer(varint(bytes)?),
        2 => {
            let len = usize::try_from(varint(bytes)?).ok()?;
            let (value, rest) = bytes.split_at_checked(len)?;
            *bytes = rest;
            Value::Bytes(value)
        }
        _ => return None,
    };
    Some((u32::try_from(tag >> 3).ok()?, value))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

//! Reads what an error names from a client's message that may be damaged or cut.

use grandstand_types::id::RoomId;
use prost::encoding::{self, DecodeContext, WireType};

use crate::envelope::check::MAX_INTEGER;
use crate::envelope::message::MessageContext;

/// The tags of `id` and of the kinds that name a room, in `ClientMessage`.
mod tag {
    pub(super) const ID: u32 = 1;
    pub(super) const JOIN: u32 = 2;
    pub(super) const LEAVE: u32 = 3;
    pub(super) const INPUT: u32 = 4;
    pub(super) const LIVE: u32 = 5;
}

/// Reads fields up to the first that is damaged.
pub(in crate::envelope) fn read_context(payload: &[u8]) -> MessageContext {
    let mut context = MessageContext::default();
    read_message(payload, &mut context);
    context
}

/// Returns `None` at a damaged field.
fn read_message(mut left: &[u8], context: &mut MessageContext) -> Option<()> {
    while !left.is_empty() {
        let (tag, wire) = encoding::decode_key(&mut left).ok()?;
        match (tag, wire) {
            (tag::ID, WireType::Varint) => context.id = integer(&mut left)?,
            (tag::JOIN | tag::LEAVE, WireType::LengthDelimited) => {
                read_kind(take(&mut left)?.0, 1, None, context);
            }
            (tag::INPUT, WireType::LengthDelimited) => {
                let (input, whole) = take(&mut left)?;
                // A seq of 0 is not encoded.
                context.seq = whole.then_some(0);
                let read = read_kind(input, 3, Some(4), context);
                context.seq = context.seq.filter(|&seq| seq > 0 || read.is_some());
            }
            (tag::LIVE, WireType::LengthDelimited) => {
                read_kind(take(&mut left)?.0, 3, None, context);
            }
            _ => encoding::skip_field(wire, tag, &mut left, DecodeContext::default()).ok()?,
        }
    }
    Some(())
}

/// Reads the room and the seq, which have these tags. Returns `None` at a damaged field.
fn read_kind(
    mut left: &[u8],
    room: u32,
    seq: Option<u32>,
    context: &mut MessageContext,
) -> Option<()> {
    while !left.is_empty() {
        let (tag, wire) = encoding::decode_key(&mut left).ok()?;
        match wire {
            WireType::LengthDelimited if tag == room => {
                let length = encoding::decode_varint(&mut left).ok()?;
                let (text, rest) = left.split_at_checked(usize::try_from(length).ok()?)?;
                let text = std::str::from_utf8(text).ok()?;
                context.room = text.parse::<RoomId>().ok();
                left = rest;
            }
            WireType::Varint if Some(tag) == seq => context.seq = integer(&mut left)?,
            _ => encoding::skip_field(wire, tag, &mut left, DecodeContext::default()).ok()?,
        }
    }
    Some(())
}

/// Takes the bytes of a nested message, as many of them as there are, and whether these are all.
fn take<'a>(left: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    let length = usize::try_from(encoding::decode_varint(left).ok()?).ok()?;
    let (nested, rest) = left.split_at(length.min(left.len()));
    *left = rest;
    Some((nested, nested.len() == length))
}

/// The outer option is `None` for a damaged number, the inner one for one that is out of range.
fn integer(left: &mut &[u8]) -> Option<Option<u64>> {
    let value = encoding::decode_varint(left).ok()?;
    Some(Some(value).filter(|&value| value <= MAX_INTEGER))
}

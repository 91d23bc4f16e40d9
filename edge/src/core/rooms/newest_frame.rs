//! The newest frame of a lane, of a room in real time. Each replaces the one before.

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use crate::codec::{self, Encoder, WireFormat, put_message};

/// A frame, encoded once for all members.
#[derive(Debug)]
pub(crate) struct NewestFrame {
    data: Data,
    /// Its place among the lane's frames.
    position: u64,
    /// The encoded frame by [`WireFormat::index`]; empty for formats that no member has.
    formats: [Bytes; WireFormat::ALL.len()],
    /// The encoded frame with its number, by [`Encoding::index`], for members that get datagrams.
    datagrams: Option<[Bytes; Encoding::ALL.len()]>,
}

impl NewestFrame {
    /// A frame that is not encoded yet.
    pub(super) fn new(data: Data, position: u64) -> Self {
        Self {
            data,
            position,
            formats: std::array::from_fn(|_| Bytes::new()),
            datagrams: None,
        }
    }

    /// Encodes it in the `wanted` formats. Returns how often it was encoded.
    pub(super) fn encode(
        &mut self,
        room: &RoomId,
        wants_datagrams: bool,
        wanted: [bool; WireFormat::ALL.len()],
        encoder: &mut Encoder,
    ) -> u64 {
        let data = &self.data;
        let live = |n| ServerMessage::Live { room, data, n };
        let mut encoded = 0;
        for encoding in Encoding::ALL {
            let plain = WireFormat::from(encoding);
            let deflate = WireFormat {
                deflate: true,
                ..plain
            };
            let wants = [plain, deflate].map(|format| wanted[format.index()]);
            if wants == [false, false] {
                continue;
            }
            let mut text = Vec::new();
            put_message(&mut text, encoding, &live(None));
            encoded += 1;
            if wants[1] {
                let mut deflated = Vec::new();
                encoder.put_deflated(&mut deflated, encoding, &text);
                self.formats[deflate.index()] = deflated.into();
            }
            self.formats[plain.index()] = text.into();
        }
        self.datagrams = wants_datagrams.then(|| {
            let numbered = live(Some(self.position));
            Encoding::ALL.map(|encoding| codec::message(encoding, &numbered))
        });
        encoded
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    /// Whether a member that has been sent the lane up to `offset` lacks it.
    pub(super) fn is_due(&self, offset: u64) -> bool {
        offset < self.position
    }

    /// The frame for members with a wire format, and as a datagram.
    pub(super) fn for_format(&self, format: WireFormat) -> (&Bytes, Option<&Bytes>) {
        let datagrams = self.datagrams.as_ref();
        let datagram = datagrams.map(|all| &all[format.encoding.index()]);
        (&self.formats[format.index()], datagram)
    }

    /// The frame for one member, which may be the first with its wire format.
    pub(super) fn encoded(&self, room: &RoomId, format: WireFormat) -> Bytes {
        let known = &self.formats[format.index()];
        if !known.is_empty() {
            return known.clone();
        }
        let live = ServerMessage::Live {
            room,
            data: &self.data,
            n: None,
        };
        codec::message(format.encoding, &live)
    }
}

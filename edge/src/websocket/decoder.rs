//! Decodes what a client sends on one WebSocket connection, without I/O: bytes in, events out (RFC 6455).
//!
//! An idle decoder owns no buffer. Bytes are read into a buffer that all connections share and are unmasked in place. The
//! payload of a complete frame is borrowed from there; only incomplete ones are copied. Complete compressed messages
//! (RFC 7692) are inflated by an [`Inflater`] that all connections share.

#[cfg(test)]
mod deflate_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod start_tests;
#[cfg(test)]
mod tests;

use crate::websocket::control::Control;
use crate::websocket::error::{ProtocolError, close_code};
use crate::websocket::frame::{MAX_CONTROL_PAYLOAD, Message, MessageKind, Opcode};
use crate::websocket::header::{FrameFormat, Header, PartialHeader};
use crate::websocket::inflate::{self, Inflater};
use crate::websocket::partial_frame::PartialFrame;
use crate::websocket::payload::{self, Utf8};

/// A message or control frame from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A complete message.
    Message(Message<'a>),
    /// A ping. The caller must send a pong with the same payload.
    Ping(&'a [u8]),
    /// A pong, solicited or not.
    Pong,
    /// A close frame, with this code if it has one. No event follows. The caller must reply with
    /// [`frame::close_reply`](crate::websocket::frame::close_reply), unless it has sent a close frame, and end the
    /// connection.
    Close(Option<u16>),
}

/// The most bytes that are kept of a message that is too big.
pub const START_BYTES: usize = 4096;

/// The place where an event's payload is stored.
enum PayloadSource<'b> {
    Input(&'b [u8]),
    /// Valid text in the input.
    Text(&'b str),
    Message,
    Control,
}

/// A complete event, which borrows nothing from the decoder so that an error can still change the decoder.
enum Complete {
    Message(MessageKind),
    Ping,
    Pong,
    Close(Option<u16>),
}

/// Decodes the byte stream of one connection.
#[derive(Debug)]
pub struct Decoder {
    /// The message so far, if it did not arrive in one piece.
    buffer: Vec<u8>,
    control: Option<Box<Control>>,
    frame: Option<PartialFrame>,
    /// The most bytes of a message.
    limit: u32,
    header: PartialHeader,
    /// The type of the incomplete message; `None` between messages.
    message: Option<MessageKind>,
    utf8: Utf8,
    format: FrameFormat,
    /// Whether the incomplete message, or else the last one, is compressed.
    deflated: bool,
    /// Whether the client has closed or broken the protocol.
    over: bool,
    /// Complete fragments that ended no message, not yet taken.
    fragments: u32,
}

impl Decoder {
    /// Creates a decoder for a new connection with messages of at most `limit` bytes.
    pub fn new(limit: u32) -> Self {
        Self {
            buffer: Vec::new(),
            control: None,
            frame: None,
            limit,
            header: PartialHeader::default(),
            message: None,
            utf8: Utf8::default(),
            format: FrameFormat {
                deflate: false,
                masked: true,
            },
            deflated: false,
            over: false,
            fragments: 0,
        }
    }

    /// Sets whether the client's messages may be compressed, each on its own.
    pub fn with_deflate(mut self, deflate: bool) -> Self {
        self.format.deflate = deflate;
        self
    }

    /// Sets whether the client's frames are masked, as those of a WebSocket over TCP must be.
    pub fn with_masks(mut self, masked: bool) -> Self {
        self.format.masked = masked;
        self
    }

    /// Consumes `input`, which it unmasks in place, up to the next event. A compressed message's event borrows from
    /// `inflater`.
    ///
    /// Call it until it returns `None`: then all input is consumed, and incomplete frames are kept. After a close event
    /// or an error it discards all input and returns `None`.
    ///
    /// # Errors
    /// If the client broke the protocol. All earlier events have been returned.
    pub fn handle_bytes<'e, 'b: 'e>(
        &'e mut self,
        input: &mut &'b mut [u8],
        inflater: &'e mut Inflater,
    ) -> Result<Option<Event<'e>>, ProtocolError> {
        self.release();
        if self.over {
            *input = &mut [];
            return Ok(None);
        }
        let (complete, place) = match self.advance(input) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.refuse(error)),
        };
        if let Complete::Close(code) = complete {
            self.end();
            return Ok(Some(Event::Close(code)));
        }
        if let Complete::Message(kind) = complete
            && self.deflated
        {
            let deflated = match &place {
                PayloadSource::Input(payload) => payload,
                _ => self.buffer.as_slice(),
            };
            let inflated = inflate::message(inflater, kind, deflated, self.limit);
            return inflated
                .map(|message| Some(Event::Message(message)))
                .map_err(|error| self.refuse(error));
        }
        let payload = match place {
            PayloadSource::Input(payload) => payload,
            PayloadSource::Text(text) => return Ok(Some(Event::Message(Message::Text(text)))),
            PayloadSource::Message => self.buffer.as_slice(),
            PayloadSource::Control => self.control_payload(),
        };
        Ok(Some(match complete {
            Complete::Message(MessageKind::Binary) => Event::Message(Message::Binary(payload)),
            Complete::Message(MessageKind::Text) => {
                // Its pieces have been checked, so this does not fail.
                let text = payload::text(payload).map_err(|_| ProtocolError::Utf8)?;
                Event::Message(Message::Text(text))
            }
            Complete::Ping => Event::Ping(payload),
            Complete::Pong => Event::Pong,
            Complete::Close(code) => Event::Close(code),
        }))
    }

    /// The start of a message that was refused because it is too big, as far as it has arrived, with at most
    /// [`START_BYTES`]. Call it once, after the error.
    pub fn take_start(&mut self, inflater: &mut Inflater) -> Vec<u8> {
        let mut start = if self.deflated {
            inflater.take_start().to_vec()
        } else {
            std::mem::take(&mut self.buffer)
        };
        start.truncate(START_BYTES);
        start
    }

    /// Whether the client has closed or broken the protocol.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The number of fragments that ended no message, since the last call.
    pub fn take_fragments(&mut self) -> u32 {
        std::mem::take(&mut self.fragments)
    }

    /// The bytes of buffers that it owns: 0 between messages.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity() + self.control.as_ref().map_or(0, |_| size_of::<Control>())
    }

    /// Frees the buffers from which the last event borrowed.
    fn release(&mut self) {
        if self.message.is_none() {
            self.buffer = Vec::new();
        }
        if !self.frame.is_some_and(|f| f.opcode.is_control()) {
            self.control = None;
        }
    }

    fn refuse(&mut self, error: ProtocolError) -> ProtocolError {
        let start = match error {
            ProtocolError::TooBig { .. } => std::mem::take(&mut self.buffer),
            _ => Vec::new(),
        };
        self.end();
        self.buffer = start;
        error
    }

    fn end(&mut self) {
        self.over = true;
        self.message = None;
        self.frame = None;
        self.release();
    }

    fn advance<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<(Complete, PayloadSource<'b>)>, ProtocolError> {
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => {
                    let Some(header) = self.header.take(input, self.format)? else {
                        return Ok(None);
                    };
                    let checked = self.on_header(header);
                    if let Err(ProtocolError::TooBig { .. }) = checked
                        && !self.deflated
                    {
                        let here = input.len().min(START_BYTES).min(header.len as usize);
                        payload::unmask(&mut input[..here], header.mask);
                        self.buffer.extend_from_slice(&input[..here]);
                    }
                    checked?
                }
            };
            let (piece, rest) = frame.take_piece(input);
            let complete = rest.is_none();
            self.frame = rest;
            let found = if frame.opcode.is_control() {
                self.on_control(frame, piece, complete)?
            } else {
                self.on_data(frame, piece, complete)?
            };
            if found.is_some() || !complete {
                return Ok(found);
            }
            self.fragments += 1;
        }
    }

    /// Checks a header against the current message and the limits, before any payload is stored.
    fn on_header(&mut self, header: Header) -> Result<PartialFrame, ProtocolError> {
        match (header.opcode, self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(ProtocolError::Interleaved),
            (Opcode::Text, None) => self.message = Some(MessageKind::Text),
            (Opcode::Binary, None) => self.message = Some(MessageKind::Binary),
            _ => {}
        }
        let room = if header.opcode.is_control() {
            MAX_CONTROL_PAYLOAD as u32
        } else {
            if header.opcode != Opcode::Continuation {
                self.deflated = header.deflated;
            }
            let limit = if self.deflated {
                inflate::deflated_limit(self.limit)
            } else {
                self.limit
            };
            limit.saturating_sub(self.buffer.len() as u32)
        };
        let left = u32::try_from(header.len).ok().filter(|&len| len <= room);
        let left = left.ok_or(ProtocolError::TooBig { limit: self.limit })?;
        Ok(PartialFrame::new(header, left))
    }

    fn on_data<'b>(
        &mut self,
        frame: PartialFrame,
        piece: &'b [u8],
        complete: bool,
    ) -> Result<Option<(Complete, PayloadSource<'b>)>, ProtocolError> {
        let Some(kind) = self.message else {
            return Err(ProtocolError::NothingToContinue);
        };
        let last = complete && frame.fin;
        let is_whole = last && !frame.begun && self.buffer.is_empty();
        if kind == MessageKind::Text && !self.deflated {
            if is_whole {
                self.message = None;
                let text = payload::text(piece).map_err(|_| ProtocolError::Utf8)?;
                return Ok(Some((Complete::Message(kind), PayloadSource::Text(text))));
            }
            // Pieces are checked as they arrive, so that invalid text is rejected before the message is complete.
            self.utf8
                .handle_piece(piece)
                .map_err(|_| ProtocolError::Utf8)?;
            if last && !self.utf8.is_whole() {
                return Err(ProtocolError::Utf8);
            }
        }
        if last {
            self.message = None;
            if is_whole {
                return Ok(Some((Complete::Message(kind), PayloadSource::Input(piece))));
            }
        }
        self.keep(piece, frame.left);
        Ok(last.then_some((Complete::Message(kind), PayloadSource::Message)))
    }

    /// Appends to the message's buffer. Its capacity follows the bytes received, not the announced length, and never
    /// exceeds the latter.
    fn keep(&mut self, piece: &[u8], left: u32) {
        let len = self.buffer.len();
        let needed = len + piece.len();
        if needed > self.buffer.capacity() {
            let announced = len + left as usize;
            let target = needed.saturating_mul(2).min(announced.max(needed));
            self.buffer.reserve_exact(target - len);
        }
        self.buffer.extend_from_slice(piece);
    }

    fn on_control<'b>(
        &mut self,
        frame: PartialFrame,
        piece: &'b [u8],
        complete: bool,
    ) -> Result<Option<(Complete, PayloadSource<'b>)>, ProtocolError> {
        let place = if complete && !frame.begun {
            PayloadSource::Input(piece)
        } else {
            let control = self.control.get_or_insert_with(|| Box::new(Control::new()));
            control.push(piece);
            PayloadSource::Control
        };
        if !complete {
            return Ok(None);
        }
        let found = match frame.opcode {
            Opcode::Ping => Complete::Ping,
            Opcode::Pong => Complete::Pong,
            _ => Complete::Close(close_code(match place {
                PayloadSource::Input(payload) => payload,
                _ => self.control_payload(),
            })?),
        };
        Ok(Some((found, place)))
    }

    fn control_payload(&self) -> &[u8] {
        self.control
            .as_deref()
            .map_or(&[], |control| control.payload())
    }
}

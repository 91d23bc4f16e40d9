//! The server's side of one WebSocket connection, without I/O: bytes in, events out (RFC 6455).
//!
//! An idle session owns no buffer. Bytes are read into a buffer that all connections share and are unmasked where they
//! lie; a frame that came whole is handed on from there. Only what is incomplete is copied. Compressed messages (RFC 7692)
//! are inflated, once they are whole, by an [`Inflater`] that all connections share.

#[cfg(test)]
mod deflate_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod tests;

use crate::websocket::error::{ProtocolError, close_code};
use crate::websocket::frame::{MAX_CONTROL_PAYLOAD, MessageKind, Opcode};
use crate::websocket::header::{self, Header, MAX_HEADER};
use crate::websocket::inflate::{self, Inflater};
use crate::websocket::payload::{self, Utf8};

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message, known to be UTF-8.
    Text(&'a [u8]),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping: send a pong with the same payload.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong,
    /// The client closes, with this code if it gave one. Nothing comes after it: answer with
    /// [`frame::close_reply`] (unless a close frame was sent before) and end the connection.
    Close(Option<u16>),
}

impl<'a> Event<'a> {
    fn message(kind: MessageKind, payload: &'a [u8]) -> Self {
        match kind {
            MessageKind::Text => Self::Text(payload),
            MessageKind::Binary => Self::Binary(payload),
        }
    }
}

/// A frame whose header is known and whose payload has not fully come.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: u32,
    mask: [u8; 4],
    opcode: Opcode,
    fin: bool,
    /// Some of the payload was copied already.
    begun: bool,
}

/// A control frame that came in pieces.
#[derive(Debug)]
struct Control {
    len: u8,
    payload: [u8; MAX_CONTROL_PAYLOAD],
}

/// Where an event's payload lies.
enum PayloadSource<'b> {
    Input(&'b [u8]),
    Message,
    Control,
}

/// What is complete. Borrows nothing of the session, so that a fault can still change it.
enum Complete {
    Message(MessageKind),
    Ping,
    Pong,
    Close(Option<u16>),
}

/// One connection's protocol machine.
#[derive(Debug)]
pub struct Decoder {
    /// The message so far, if it did not come whole.
    buffer: Vec<u8>,
    control: Option<Box<Control>>,
    frame: Option<Frame>,
    /// The most bytes that a message may have.
    limit: u32,
    head: [u8; MAX_HEADER],
    head_len: u8,
    /// The message that has begun and not ended.
    message: Option<MessageKind>,
    utf8: Utf8,
    /// Compression was agreed on.
    deflate: bool,
    /// The message that has begun, or was the last, is compressed.
    deflated: bool,
    over: bool,
}

impl Decoder {
    /// A session right after the handshake, for messages of at most `limit` bytes.
    pub fn new(limit: u32) -> Self {
        Self {
            buffer: Vec::new(),
            control: None,
            frame: None,
            limit,
            head: [0; MAX_HEADER],
            head_len: 0,
            message: None,
            utf8: Utf8::default(),
            deflate: false,
            deflated: false,
            over: false,
        }
    }

    /// The same, for a client whose messages may be compressed, each by itself, if `deflate`.
    pub fn with_deflate(self, deflate: bool) -> Self {
        Self { deflate, ..self }
    }

    /// Takes bytes off the front of `input`, which it unmasks in place, up to the next event. A compressed message lies in
    /// `inflater`.
    ///
    /// Call it until it returns `None`: then the input is used up, and what is incomplete is kept. Once it returned a
    /// close or a fault, it takes all further input and says nothing.
    ///
    /// # Errors
    /// If the client broke the protocol. What it sent before was returned before.
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
            Err(error) => {
                self.end();
                return Err(error);
            }
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
            return match inflate::message(inflater, kind, deflated, self.limit) {
                Ok(payload) => Ok(Some(Event::message(kind, payload))),
                Err(error) => {
                    self.end();
                    Err(error)
                }
            };
        }
        let payload = match place {
            PayloadSource::Input(payload) => payload,
            PayloadSource::Message => self.buffer.as_slice(),
            PayloadSource::Control => self.control_payload(),
        };
        Ok(Some(match complete {
            Complete::Message(kind) => Event::message(kind, payload),
            Complete::Ping => Event::Ping(payload),
            Complete::Pong => Event::Pong,
            Complete::Close(code) => Event::Close(code),
        }))
    }

    /// Whether the client has closed, or broken the protocol.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many bytes of buffers it owns: 0 when it waits for nothing but a new frame.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity() + self.control.as_ref().map_or(0, |_| size_of::<Control>())
    }

    /// Frees what the last event was borrowed from.
    fn release(&mut self) {
        if self.message.is_none() {
            self.buffer = Vec::new();
        }
        if !self.frame.is_some_and(|f| f.opcode.is_control()) {
            self.control = None;
        }
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
                    let Some(header) = self.take_header(input)? else {
                        return Ok(None);
                    };
                    self.on_header(header)?
                }
            };
            let here = input
                .len()
                .min(usize::try_from(frame.left).unwrap_or(usize::MAX));
            let (piece, rest) = std::mem::take(input).split_at_mut(here);
            *input = rest;
            payload::unmask(piece, frame.mask);
            let complete = here == frame.left as usize;
            if complete {
                self.frame = None;
            } else {
                let mut mask = frame.mask;
                mask.rotate_left(here % 4);
                self.frame = Some(Frame {
                    left: frame.left - here as u32,
                    mask,
                    begun: true,
                    ..frame
                });
            }
            let found = if frame.opcode.is_control() {
                self.on_control(frame, piece, complete)?
            } else {
                self.on_data(frame, piece, complete)?
            };
            if found.is_some() || !complete {
                return Ok(found);
            }
        }
    }

    /// The next header; what there is of one that is not whole is kept.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, ProtocolError> {
        if self.head_len == 0
            && let Some(header) = header::parse(input, self.deflate)?
        {
            *input = &mut std::mem::take(input)[header.size..];
            return Ok(Some(header));
        }
        while let Some((&mut byte, rest)) = std::mem::take(input).split_first_mut() {
            *input = rest;
            self.head[usize::from(self.head_len)] = byte;
            self.head_len += 1;
            if let Some(header) =
                header::parse(&self.head[..usize::from(self.head_len)], self.deflate)?
            {
                self.head_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Checks a header against the message that it belongs to, before a byte of payload is kept.
    fn on_header(&mut self, header: Header) -> Result<Frame, ProtocolError> {
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
            let limit = match self.deflated {
                true => inflate::deflated_limit(self.limit),
                false => self.limit,
            };
            limit.saturating_sub(self.buffer.len() as u32)
        };
        let left = u32::try_from(header.len).ok().filter(|&len| len <= room);
        Ok(Frame {
            left: left.ok_or(ProtocolError::TooBig { limit: self.limit })?,
            mask: header.mask,
            opcode: header.opcode,
            fin: header.fin,
            begun: false,
        })
    }

    fn on_data<'b>(
        &mut self,
        frame: Frame,
        piece: &'b [u8],
        complete: bool,
    ) -> Result<Option<(Complete, PayloadSource<'b>)>, ProtocolError> {
        let Some(kind) = self.message else {
            return Err(ProtocolError::NothingToContinue);
        };
        let last = complete && frame.fin;
        if kind == MessageKind::Text && !self.deflated {
            self.utf8
                .handle_piece(piece)
                .map_err(|_| ProtocolError::Utf8)?;
            if last && !self.utf8.is_whole() {
                return Err(ProtocolError::Utf8);
            }
        }
        if last {
            self.message = None;
            if !frame.begun && self.buffer.is_empty() {
                return Ok(Some((Complete::Message(kind), PayloadSource::Input(piece))));
            }
        }
        self.keep(piece, frame.left);
        Ok(last.then_some((Complete::Message(kind), PayloadSource::Message)))
    }

    /// Appends to the message's buffer. It grows with what has come, not with what a header announces, but never beyond
    /// that either.
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
        frame: Frame,
        piece: &'b [u8],
        complete: bool,
    ) -> Result<Option<(Complete, PayloadSource<'b>)>, ProtocolError> {
        let place = if complete && !frame.begun {
            PayloadSource::Input(piece)
        } else {
            let control = self.control.get_or_insert_with(|| {
                Box::new(Control {
                    len: 0,
                    payload: [0; MAX_CONTROL_PAYLOAD],
                })
            });
            let at = usize::from(control.len);
            control.payload[at..at + piece.len()].copy_from_slice(piece);
            control.len += piece.len() as u8;
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
            .map_or(&[], |c| &c.payload[..usize::from(c.len)])
    }
}

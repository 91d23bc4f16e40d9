//! The frames of a lane, encoded once and kept until all members have been sent them.

use std::collections::VecDeque;

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use super::newest_frame::NewestFrame;
use crate::codec::{Encoder, SentKind, WireFormat, put_message};
use crate::conn::key::ConnKey;

/// A member of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// The connection.
    pub(crate) conn: ConnKey,
    /// The wire format of its messages.
    pub(crate) format: WireFormat,
    /// The position up to which it has been sent, or does not need, the lane's frames.
    pub(crate) offset: u64,
    /// Whether the member is slow. It gets no frames until its outbox is empty; then it gets a snapshot.
    pub(crate) stale: bool,
    /// Whether the member gets lossy messages as datagrams.
    pub(crate) datagrams: bool,
    /// Whether the member read too slowly to be sent the newest frame.
    pub(crate) missed_frame: bool,
}

/// A lossy message as one frame per encoding, for members that get datagrams.
pub(crate) type Datagrams = [Bytes; Encoding::ALL.len()];

/// The frames that a flush writes to a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing<'a> {
    /// Frames, in order.
    Frames(&'a Bytes),
    /// Nothing: the member lacks more bytes than are kept, and needs a snapshot.
    Missed,
    /// One frame, as a datagram if possible.
    Datagram(&'a Bytes),
    /// The newest frame, as a datagram if there is one and it is possible, else only if the socket has accepted all
    /// earlier frames.
    Newest(&'a Bytes, Option<&'a Bytes>),
}

/// The number of wire formats.
pub(crate) const FORMATS: usize = WireFormat::ALL.len();

/// The end of a frame in each wire format, in bytes since the lane began, and the members that must not get the frame.
#[derive(Debug, Clone)]
struct FrameEnd {
    ends: [u64; FORMATS],
    except: Option<ConnKey>,
    /// Members that get datagrams get the message in this form instead.
    datagrams: Option<Box<Datagrams>>,
    /// The arrival of the input that caused it, in Unix microseconds; 0 if it is not known.
    arrived_us: u64,
}

impl FrameEnd {
    fn is_for_all(&self) -> bool {
        self.except.is_none() && self.datagrams.is_none()
    }

    fn excludes(&self, member: &Member) -> bool {
        self.except == Some(member.conn) || (member.datagrams && self.datagrams.is_some())
    }
}

/// The frames that the member visited last had not been sent. Most members lack what the one before them lacked, and share
/// it without a count of references.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    format_and_offset: Option<(WireFormat, u64)>,
    frames: Option<Bytes>,
}

impl Unsent {
    /// The frames that `member` has not been sent; `None` if some were dropped. The log must be frozen, and no frame may be
    /// appended between two calls.
    #[inline]
    pub(crate) fn find(&mut self, log: &FrameLog, member: &Member) -> Option<&Bytes> {
        let format_and_offset = Some((member.format, member.offset));
        if self.format_and_offset != format_and_offset || log.exceptions > 0 {
            self.frames = log.unsent(member);
            self.format_and_offset = format_and_offset;
        }
        self.frames.as_ref()
    }
}

/// The last frames of a lane. A member's unsent frames are one slice of it, from the member's offset to the end.
#[derive(Debug, Default)]
pub(crate) struct FrameLog {
    /// The frames in one buffer per format, which writes share.
    frozen: [Bytes; FORMATS],
    /// The position in bytes at which the frozen buffer begins.
    begins: [u64; FORMATS],
    /// The frames since the last [`freeze`](Self::freeze).
    fresh: [Vec<u8>; FORMATS],
    /// The ends of all frames, frozen and fresh.
    frames: VecDeque<FrameEnd>,
    /// The position of the last frame that was dropped.
    from: u64,
    /// The end of that frame, in bytes.
    start: [u64; FORMATS],
    /// The number of frames that are not for all members.
    exceptions: usize,
    /// The newest message of those of which only the newest matters.
    newest: Option<Box<NewestFrame>>,
}

impl FrameLog {
    /// The position of the last frame.
    pub(crate) fn position(&self) -> u64 {
        self.from + self.frames.len() as u64
    }

    /// Counts a frame of a lane without members. Must be called only after [`clear`](Self::clear).
    pub(crate) fn skip(&mut self) {
        self.from += 1;
    }

    /// Appends a message in the formats that have `members`, encoded once and compressed once for each encoding. Members that get
    /// datagrams get it as one of `datagrams`, if there are any. Returns how often it was encoded.
    pub(crate) fn push(
        &mut self,
        message: &ServerMessage<'_>,
        except: Option<ConnKey>,
        datagrams: Option<Box<Datagrams>>,
        members: [u32; FORMATS],
        encoder: &mut Encoder,
    ) -> u64 {
        encoder.count(message, members);
        let wanted = members.map(|members| members > 0);
        let mut encoded = 0;
        let (plain, deflated) = self.fresh.split_at_mut(Encoding::ALL.len());
        for encoding in Encoding::ALL {
            let format = WireFormat::from(encoding);
            let deflate = WireFormat {
                deflate: true,
                ..format
            };
            let plain = &mut plain[encoding.index()];
            let deflated = &mut deflated[encoding.index()];
            let wants = (wanted[format.index()], wanted[deflate.index()]);
            if wants == (false, false) {
                continue;
            }
            let start = plain.len();
            put_message(plain, encoding, message);
            encoded += 1;
            if wants.1 {
                encoder.put_deflated(deflated, encoding, &plain[start..]);
            }
            if !wants.0 {
                plain.truncate(start);
            }
        }
        self.end_frame(except, datagrams);
        encoded
    }

    fn end_frame(&mut self, except: Option<ConnKey>, datagrams: Option<Box<Datagrams>>) {
        let ends = std::array::from_fn(|index| {
            self.begins[index] + (self.frozen[index].len() + self.fresh[index].len()) as u64
        });
        let frame = FrameEnd {
            ends,
            except,
            datagrams,
            arrived_us: 0,
        };
        self.exceptions += usize::from(!frame.is_for_all());
        self.frames.push_back(frame);
    }

    /// Sets the newest message of those of which only the newest matters, in the formats that have `members`. It takes a place in the
    /// log, but no space. Returns how often it was encoded.
    pub(crate) fn set_newest(
        &mut self,
        room: &RoomId,
        data: Data,
        wants_datagrams: bool,
        members: [u32; FORMATS],
        encoder: &mut Encoder,
    ) -> u64 {
        encoder.count(SentKind::Live, members);
        let wanted = members.map(|members| members > 0);
        if wanted.contains(&true) {
            self.end_frame(None, None);
        } else {
            self.skip();
        }
        let mut newest = NewestFrame::new(data, self.position());
        let encoded = newest.encode(room, wants_datagrams, wanted, encoder);
        self.newest = Some(Box::new(newest));
        encoded
    }

    /// Forgets the newest message.
    pub(crate) fn clear_newest(&mut self) {
        self.newest = None;
    }

    /// The newest message of those of which only the newest matters.
    pub(crate) fn newest(&self) -> Option<&NewestFrame> {
        self.newest.as_deref()
    }

    /// Moves the fresh frames into the frozen buffer, after the frozen frames that some member has not been sent.
    /// Copies both unless no such frames are left.
    pub(crate) fn freeze(&mut self) {
        for (index, fresh) in self.fresh.iter_mut().enumerate() {
            if fresh.is_empty() {
                continue;
            }
            let gone = (self.start[index] - self.begins[index]) as usize;
            let old = self.frozen[index].split_off(gone.min(self.frozen[index].len()));
            let gone_fresh = gone - self.frozen[index].len();
            self.begins[index] = self.start[index];
            self.frozen[index] = if old.is_empty() && gone_fresh == 0 {
                std::mem::take(fresh).into()
            } else {
                let mut whole = Vec::with_capacity(old.len() + fresh.len() - gone_fresh);
                whole.extend_from_slice(&old);
                whole.extend_from_slice(&fresh[gone_fresh..]);
                *fresh = Vec::new();
                whole.into()
            };
        }
    }

    /// Returns the frozen bytes that `member` has not been sent; `None` if some were dropped.
    pub(crate) fn unsent(&self, member: &Member) -> Option<Bytes> {
        let skip = usize::try_from(member.offset.checked_sub(self.from)?).ok()?;
        if skip >= self.frames.len() {
            return Some(Bytes::new());
        }
        let index = member.format.index();
        let frozen = &self.frozen[index];
        let begin = self.begins[index];
        let start = match skip {
            0 => self.start[index],
            _ => self.frames[skip - 1].ends[index],
        };
        let place = |end: u64| (end - begin) as usize;
        let excluded = |frame: &FrameEnd| frame.excludes(member);
        if self.exceptions == 0 || !self.frames.range(skip..).any(excluded) {
            return Some(frozen.slice(place(start)..));
        }
        let mut rest = Vec::new();
        let mut from = place(start);
        for frame in self.frames.range(skip..) {
            let end = place(frame.ends[index]);
            if !excluded(frame) {
                rest.extend_from_slice(&frozen[from..end]);
            }
            from = end;
        }
        Some(rest.into())
    }

    /// The lossy messages that `member`, which gets datagrams, has not been sent.
    pub(crate) fn datagrams(&self, member: &Member) -> impl Iterator<Item = &Bytes> {
        let skip = member.offset.saturating_sub(self.from) as usize;
        let conn = member.conn;
        let encoding = member.format.encoding.index();
        let frames = self.frames.iter().skip(skip);
        let frames = frames.filter(move |frame| frame.except != Some(conn));
        frames.filter_map(move |frame| Some(&frame.datagrams.as_ref()?[encoding]))
    }

    /// Drops the frames up to `position`. Members that have not been sent them need a snapshot.
    pub(crate) fn forget(&mut self, position: u64) {
        while self.from < position
            && let Some(frame) = self.frames.pop_front()
        {
            self.from += 1;
            self.start = frame.ends;
            self.exceptions -= usize::from(!frame.is_for_all());
        }
    }

    /// Notes when the input arrived that caused the last frame.
    pub(crate) fn stamp_last(&mut self, arrived_us: u64) {
        if let Some(last) = self.frames.back_mut() {
            last.arrived_us = arrived_us;
        }
    }

    /// Drops the frames up to `position`, which all members have been sent, and adds their stamps to `stamps`.
    pub(crate) fn complete(&mut self, position: u64, stamps: &mut Vec<u64>) {
        let count = position.saturating_sub(self.from) as usize;
        let stamped = self.frames.iter().take(count).map(|frame| frame.arrived_us);
        stamps.extend(stamped.filter(|at| *at > 0));
        self.forget(position);
    }

    /// Drops the oldest frames until each format has at most `cap` bytes. The latest frame always stays.
    pub(crate) fn bound(&mut self, cap: usize) {
        while self.frames.len() > 1
            && self.frames.back().is_some_and(|last| {
                (0..FORMATS).any(|index| last.ends[index] - self.start[index] > cap as u64)
            })
        {
            self.forget(self.from + 1);
        }
    }

    /// The size in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let frozen = self.frozen.iter().map(Bytes::len);
        let fresh = self.fresh.iter().map(Vec::capacity);
        frozen.chain(fresh).sum()
    }

    /// Drops all frames but the newest message of those of which only the newest matters.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            from: self.position(),
            newest: self.newest.take(),
            ..Self::default()
        };
    }
}

/// The frames of all members, followed by those of one.
#[cold]
pub(crate) fn joined(shared: &Bytes, private: Vec<u8>) -> Bytes {
    if shared.is_empty() {
        private.into()
    } else {
        [shared.as_ref(), &private].concat().into()
    }
}

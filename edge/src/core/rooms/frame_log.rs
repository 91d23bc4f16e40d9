//! The frames of a lane, encoded once and kept until all members have been sent them.

use std::collections::VecDeque;

use bytes::Bytes;
use grandstand_common::envelope::{Encoding, ServerMessage};

use crate::codec::{Encoder, WireFormat, put_message};
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
    /// It is slow: it gets no frames until a snapshot is sent once its outbox is empty.
    pub(crate) stale: bool,
}

/// The number of wire formats.
pub(crate) const FORMATS: usize = WireFormat::ALL.len();

/// The end of a frame in each wire format, in bytes since the lane began, and the member that must not get the frame.
#[derive(Debug, Clone, Copy)]
struct FrameEnd {
    ends: [u64; FORMATS],
    except: Option<ConnKey>,
}

/// The frames that the member visited last had not been sent. Most members lack what the one before them lacked, and share
/// it without a count of references.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    of: Option<(WireFormat, u64)>,
    frames: Option<Bytes>,
}

impl Unsent {
    /// The frames that `member` has not been sent; `None` if some were dropped. The log must be frozen, and no frame may be
    /// appended between two calls.
    #[inline]
    pub(crate) fn find(&mut self, log: &FrameLog, member: &Member) -> Option<&Bytes> {
        let of = Some((member.format, member.offset));
        if self.of != of || log.exceptions > 0 {
            self.frames = log.unsent(member);
            self.of = of;
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
    /// The number of frames that some member must not get.
    exceptions: usize,
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

    /// Appends a message in the `wanted` formats, encoded once and compressed once for each encoding. Returns how often
    /// it was encoded.
    pub(crate) fn push(
        &mut self,
        message: &ServerMessage<'_>,
        except: Option<ConnKey>,
        wanted: [bool; FORMATS],
        encoder: &mut Encoder,
    ) -> u64 {
        let mut encoded = 0;
        let (plain, deflated) = self.fresh.split_at_mut(Encoding::ALL.len());
        for encoding in Encoding::ALL {
            let format = WireFormat::from(encoding);
            let deflate = WireFormat {
                deflate: true,
                ..format
            };
            let (plain, deflated) = (
                &mut plain[encoding.index()],
                &mut deflated[encoding.index()],
            );
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
        let ends = std::array::from_fn(|index| {
            self.begins[index] + (self.frozen[index].len() + self.fresh[index].len()) as u64
        });
        self.exceptions += usize::from(except.is_some());
        self.frames.push_back(FrameEnd { ends, except });
        encoded
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
        let (frozen, begin) = (&self.frozen[index], self.begins[index]);
        let start = match skip {
            0 => self.start[index],
            _ => self.frames[skip - 1].ends[index],
        };
        let place = |end: u64| (end - begin) as usize;
        let excluded = |frame: &FrameEnd| frame.except == Some(member.conn);
        if self.exceptions == 0 || !self.frames.range(skip..).any(excluded) {
            return Some(frozen.slice(place(start)..));
        }
        let (mut rest, mut from) = (Vec::new(), place(start));
        for frame in self.frames.range(skip..) {
            let end = place(frame.ends[index]);
            if !excluded(frame) {
                rest.extend_from_slice(&frozen[from..end]);
            }
            from = end;
        }
        Some(rest.into())
    }

    /// Drops the frames up to `position`. Members that have not been sent them need a snapshot.
    pub(crate) fn forget(&mut self, position: u64) {
        while self.from < position
            && let Some(frame) = self.frames.pop_front()
        {
            self.from += 1;
            self.start = frame.ends;
            self.exceptions -= usize::from(frame.except.is_some());
        }
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

    /// Drops all frames.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            from: self.position(),
            ..Self::default()
        };
    }
}

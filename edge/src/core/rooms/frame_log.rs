//! Frames for a whole lane, encoded once, for as long as some member may lack them.

use std::collections::VecDeque;

use bytes::Bytes;
use grandstand_common::envelope::{Encoding, ServerMessage};

use crate::codec::{Deflater, WireFormat, put_deflated, put_message};
use crate::conn::key::ConnKey;

/// A member of the lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// Its connection.
    pub(crate) conn: ConnKey,
    /// In which form it is sent its messages.
    pub(crate) form: WireFormat,
    /// It was sent, or needs not be sent, the lane's frames up to this position.
    pub(crate) offset: u64,
    /// It could not keep up: it is served anew, from the snapshot, when its socket has drained.
    pub(crate) stale: bool,
}

/// How many forms there are.
pub(crate) const FORMS: usize = WireFormat::ALL.len();

/// Where a frame ends in each form, in bytes since the lane's begin, and who must not get it.
#[derive(Debug, Clone, Copy)]
struct FrameEnd {
    ends: [u64; FORMS],
    except: Option<ConnKey>,
}

/// The last frames of a lane: whatever a member lacks is one piece of it, from where it was served to the end.
#[derive(Debug, Default)]
pub(crate) struct FrameLog {
    /// The frames in one piece, which writes share.
    frozen: [Bytes; FORMS],
    /// Where that piece begins.
    begins: [u64; FORMS],
    /// What came since.
    fresh: [Vec<u8>; FORMS],
    frames: VecDeque<FrameEnd>,
    /// The position of the last frame that is gone.
    from: u64,
    /// Where that frame ends.
    start: [u64; FORMS],
    exceptions: usize,
}

impl FrameLog {
    /// The position of the last frame.
    pub(crate) fn position(&self) -> u64 {
        self.from + self.frames.len() as u64
    }

    /// Counts a frame that nobody is there to see. Only while it is [cleared](Self::clear).
    pub(crate) fn skip(&mut self) {
        self.from += 1;
    }

    /// Appends a message in the forms that are `wanted`, encoded once and compressed once for each encoding; returns how
    /// often it was encoded.
    pub(crate) fn push(
        &mut self,
        message: &ServerMessage<'_>,
        except: Option<ConnKey>,
        wanted: [bool; FORMS],
        deflater: &mut Deflater,
    ) -> u64 {
        let mut encoded = 0;
        let (plain, deflated) = self.fresh.split_at_mut(Encoding::ALL.len());
        for encoding in Encoding::ALL {
            let form = WireFormat::from(encoding);
            let deflate = WireFormat {
                deflate: true,
                ..form
            };
            let (plain, deflated) = (
                &mut plain[encoding.index()],
                &mut deflated[encoding.index()],
            );
            let wants = (wanted[form.index()], wanted[deflate.index()]);
            if wants == (false, false) {
                continue;
            }
            let start = plain.len();
            put_message(plain, encoding, message);
            encoded += 1;
            if wants.1 {
                put_deflated(deflated, encoding, &plain[start..], deflater);
            }
            if !wants.0 {
                plain.truncate(start);
            }
        }
        let ends = std::array::from_fn(|at| {
            self.begins[at] + (self.frozen[at].len() + self.fresh[at].len()) as u64
        });
        self.exceptions += usize::from(except.is_some());
        self.frames.push_back(FrameEnd { ends, except });
        encoded
    }

    /// Puts what came since the last call into one piece with what is still lacked of what was before: a copy of what
    /// fits between two visits to a member, once for each time that something came.
    pub(crate) fn freeze(&mut self) {
        for (at, fresh) in self.fresh.iter_mut().enumerate() {
            if fresh.is_empty() {
                continue;
            }
            let gone = (self.start[at] - self.begins[at]) as usize;
            let old = self.frozen[at].split_off(gone.min(self.frozen[at].len()));
            let gone_fresh = gone - self.frozen[at].len();
            self.begins[at] = self.start[at];
            self.frozen[at] = if old.is_empty() && gone_fresh == 0 {
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

    /// What `member` lacks of what is frozen; empty if nothing, `None` if some of that is gone.
    pub(crate) fn unsent(&self, member: &Member) -> Option<Bytes> {
        let skip = usize::try_from(member.offset.checked_sub(self.from)?).ok()?;
        if skip >= self.frames.len() {
            return Some(Bytes::new());
        }
        let at = member.form.index();
        let (frozen, begin) = (&self.frozen[at], self.begins[at]);
        let start = match skip {
            0 => self.start[at],
            _ => self.frames[skip - 1].ends[at],
        };
        let place = |end: u64| (end - begin) as usize;
        let spared = |frame: &FrameEnd| frame.except == Some(member.conn);
        if self.exceptions == 0 || !self.frames.range(skip..).any(spared) {
            return Some(frozen.slice(place(start)..));
        }
        let (mut rest, mut from) = (Vec::new(), place(start));
        for frame in self.frames.range(skip..) {
            let end = place(frame.ends[at]);
            if !spared(frame) {
                rest.extend_from_slice(&frozen[from..end]);
            }
            from = end;
        }
        Some(rest.into())
    }

    /// Forgets the frames up to `position`: nobody lacks them, or who does is served anew.
    pub(crate) fn forget(&mut self, position: u64) {
        while self.from < position
            && let Some(frame) = self.frames.pop_front()
        {
            self.from += 1;
            self.start = frame.ends;
            self.exceptions -= usize::from(frame.except.is_some());
        }
    }

    /// Forgets the oldest frames beyond `cap` bytes in a form.
    pub(crate) fn bound(&mut self, cap: usize) {
        while self.frames.len() > 1
            && self.frames.back().is_some_and(|last| {
                (0..FORMS).any(|at| last.ends[at] - self.start[at] > cap as u64)
            })
        {
            self.forget(self.from + 1);
        }
    }

    /// What it holds, in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let frozen = self.frozen.iter().map(Bytes::len);
        let fresh = self.fresh.iter().map(Vec::capacity);
        frozen.chain(fresh).sum()
    }

    /// Forgets all frames.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            from: self.position(),
            ..Self::default()
        };
    }
}

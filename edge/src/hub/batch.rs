//! Frames for a whole lane, encoded once, and who still lacks which of them.

use bytes::Bytes;
use grandstand_common::envelope::Encoding;

use crate::sink::ConnKey;

/// A member of the lane.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its connection.
    pub conn: ConnKey,
    /// How its messages are encoded.
    pub encoding: Encoding,
    /// It was sent, or needs not be sent, the lane's frames up to this position.
    pub sent: u64,
    /// It could not keep up: it is served anew, from the snapshot, when its socket has drained.
    pub stale: bool,
}

/// Where a frame of a batch ends, and who must not get it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) ends: [usize; 2],
    pub(super) except: Option<ConnKey>,
}

/// Frames for all members, gathered since the last flush.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    pub(super) frames: [Vec<u8>; 2],
    pub(super) marks: Vec<Mark>,
}

impl Gathering {
    /// Takes what has gathered, up to the lane's `position`.
    pub(super) fn seal(&mut self, position: u64) -> Batch {
        let marks = std::mem::take(&mut self.marks);
        Batch {
            frames: self.frames.each_mut().map(|f| std::mem::take(f).into()),
            from: position - marks.len() as u64,
            to: position,
            has_exceptions: marks.iter().any(|m| m.except.is_some()),
            marks,
        }
    }
}

/// Frames that are being written to one member after the other.
#[derive(Debug)]
pub struct Batch {
    frames: [Bytes; 2],
    marks: Vec<Mark>,
    /// The position of the last frame before the batch.
    from: u64,
    /// The position of its last frame.
    to: u64,
    has_exceptions: bool,
}

impl Batch {
    /// What `member` still lacks of the batch; empty if nothing.
    pub fn rest_for(&self, member: &Member) -> Bytes {
        let frames = &self.frames[member.encoding.index()];
        if member.sent >= self.to {
            return Bytes::new();
        }
        let skip = usize::try_from(member.sent.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let start = skip
            .checked_sub(1)
            .and_then(|i| self.marks.get(i))
            .map_or(0, |m| m.ends[member.encoding.index()]);
        if !self.has_exceptions
            || !self.marks[skip..]
                .iter()
                .any(|m| m.except == Some(member.conn))
        {
            return frames.slice(start..);
        }
        let (mut rest, mut at) = (Vec::new(), start);
        for mark in &self.marks[skip..] {
            let end = mark.ends[member.encoding.index()];
            if mark.except != Some(member.conn) {
                rest.extend_from_slice(&frames[at..end]);
            }
            at = end;
        }
        rest.into()
    }

    /// The position of its last frame.
    pub fn to(&self) -> u64 {
        self.to
    }
}

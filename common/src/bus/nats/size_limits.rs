//! The most bytes that the streams accept in a message.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The `max_msg_size` of streams, the smallest of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeLimits {
    pub(super) entry: usize,
    pub(super) value: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            entry: usize::MAX,
            value: usize::MAX,
        }
    }
}

impl SizeLimits {
    /// Takes the limit of one more stream into account; -1 means no limit.
    pub(super) fn lower(&mut self, is_log: bool, max: i32) {
        let limit = if is_log {
            &mut self.entry
        } else {
            &mut self.value
        };
        if let Ok(max) = usize::try_from(max)
            && max > 0
        {
            *limit = max.min(*limit);
        }
    }
}

/// Limits that all handles of a connection share.
#[derive(Debug)]
pub(super) struct SharedSizeLimits {
    entry: AtomicUsize,
    value: AtomicUsize,
}

impl Default for SharedSizeLimits {
    fn default() -> Self {
        let SizeLimits { entry, value } = SizeLimits::default();
        Self {
            entry: entry.into(),
            value: value.into(),
        }
    }
}

impl SharedSizeLimits {
    pub(super) fn set(&self, limits: SizeLimits) {
        self.entry.store(limits.entry, Ordering::Relaxed);
        self.value.store(limits.value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> SizeLimits {
        SizeLimits {
            entry: self.entry.load(Ordering::Relaxed),
            value: self.value.load(Ordering::Relaxed),
        }
    }
}

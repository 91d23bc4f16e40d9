//! The labels of a shard's metrics.

use grandstand_common::process::metrics::Label;

use crate::codec::{ReceivedKind, SentKind};
use crate::core::Counts;
use crate::limits::Limit;

impl Label for Limit {
    const NAME: &'static str = "limit";
    const ALL: &'static [Self] = &Limit::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        self.name()
    }
}

impl Label for ReceivedKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &ReceivedKind::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        self.name()
    }
}

impl Label for SentKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &SentKind::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        self.name()
    }
}

/// The reason why messages for clients, or of clients, were dropped.
#[derive(Debug, Clone, Copy)]
pub(super) enum DropReason {
    SlowClient,
    EdgeBehind,
    LiveBacklog,
    DelayFull,
    OldOwner,
    Unreadable,
}

impl DropReason {
    /// The number of times that it has happened.
    pub(super) fn count(self, counts: &Counts) -> u64 {
        match self {
            Self::SlowClient => counts.stale,
            Self::EdgeBehind => counts.unreached,
            Self::LiveBacklog => counts.live_dropped,
            Self::DelayFull => counts.delays_overflowed,
            Self::OldOwner => counts.old_epochs,
            Self::Unreadable => counts.unreadable,
        }
    }
}

impl Label for DropReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::SlowClient,
        Self::EdgeBehind,
        Self::LiveBacklog,
        Self::DelayFull,
        Self::OldOwner,
        Self::Unreadable,
    ];

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        match self {
            Self::SlowClient => "slow_client",
            Self::EdgeBehind => "edge_behind",
            Self::LiveBacklog => "live_backlog",
            Self::DelayFull => "delay_full",
            Self::OldOwner => "old_owner",
            Self::Unreadable => "unreadable",
        }
    }
}

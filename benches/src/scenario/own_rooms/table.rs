//! The state that all players of a run share.

use std::time::Duration;

use tokio::time::Instant;

use crate::load::tally::Tally;

/// The state that all players share.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) tally: Tally,
    /// Times at which nothing was to be done.
    pub(super) passes: u64,
    /// Rooms that ended.
    pub(super) finished: u64,
    /// The number of rooms that have ended in each place.
    pub(super) generations: Vec<u64>,
    /// The time between two inputs of a player; `None` before the game begins.
    pub(super) interval: Option<Duration>,
    /// The window that is measured.
    pub(super) window: Option<(Instant, Instant)>,
    /// Whether no more inputs are sent.
    pub(super) is_over: bool,
}

impl Table {
    pub(super) fn new(places: usize) -> Self {
        Self {
            tally: Tally::default(),
            passes: 0,
            finished: 0,
            generations: vec![0; places],
            interval: None,
            window: None,
            is_over: false,
        }
    }

    /// Whether an input that is due at `at` is measured.
    pub(super) fn is_in_window(&self, at: Instant) -> bool {
        let window = self.window;
        window.is_some_and(|(start, end)| start <= at && at < end)
    }
}

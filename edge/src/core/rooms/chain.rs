//! One session's chain of numbered entries, from the edge to the log, by go-back-N (D1 to D4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use grandstand_common::wire::{Body, Entry};
use prost::Message;

#[cfg(test)]
mod tests;

/// The size of a chain's window, and when its entries are appended again.
#[derive(Debug, Clone, Copy)]
pub struct ChainConfig {
    /// The most entries in the window.
    pub window: usize,
    /// The most bytes of encoded entries in the window.
    pub window_bytes: usize,
    /// The wait after an unanswered append before the first entry is appended again.
    pub receipt_timeout: Duration,
    /// The longest backoff of both timeouts.
    pub max_backoff: Duration,
    /// The wait after the owner's last progress before the whole window is appended again.
    pub progress_timeout: Duration,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            window: 64,
            window_bytes: 256 * 1024,
            receipt_timeout: Duration::from_millis(500),
            max_backoff: Duration::from_secs(4),
            progress_timeout: Duration::from_secs(1),
        }
    }
}

/// An entry that the owner has not reported yet.
#[derive(Debug)]
struct Unprocessed {
    entry: Entry,
    bytes: usize,
    /// The time at which it was added.
    since: Instant,
    /// Its sequence in the log in this round; `None` until the log has confirmed it.
    stored: Option<u64>,
}

/// An entry to append, with the numbers that identify its result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AppendRequest {
    /// The entry's number in the chain.
    pub(crate) n: u64,
    /// The round in which it is appended.
    pub(crate) round: u32,
    /// The encoded [`Entry`].
    pub(crate) payload: bytes::Bytes,
}

/// A session's window of entries that are not yet processed.
#[derive(Debug)]
pub(crate) struct Chain {
    player: String,
    session: u64,
    edge: String,
    window: VecDeque<Unprocessed>,
    bytes: usize,
    next_n: u64,
    round: u32,
    appends: VecDeque<AppendRequest>,
    /// The time at which the owner last reported progress, or the window stopped being empty.
    progress_at: Instant,
    /// The time at which the first entry is appended again.
    deadline: Instant,
    progress_timeout: Duration,
    backoff: Duration,
    config: ChainConfig,
}

impl Chain {
    /// Creates an empty chain. Its first entry must be `Joined`.
    pub(crate) fn new(
        player: &str,
        session: u64,
        edge: &str,
        config: ChainConfig,
        now: Instant,
    ) -> Self {
        Self {
            player: player.to_owned(),
            session,
            edge: edge.to_owned(),
            window: VecDeque::new(),
            bytes: 0,
            next_n: 0,
            round: 0,
            appends: VecDeque::new(),
            progress_at: now,
            deadline: now,
            progress_timeout: config.progress_timeout,
            backoff: config.receipt_timeout,
            config,
        }
    }

    /// Adds an entry to the window, and queues it for the log.
    pub(crate) fn push(&mut self, body: Body, now: Instant) {
        if self.window.is_empty() {
            self.progress_at = now;
            self.arm(now);
        }
        let entry = Entry {
            player: self.player.clone(),
            session: self.session,
            n: self.next_n,
            round: self.round,
            edge: self.edge.clone(),
            logged_ms: 0,
            body: Some(body),
        };
        let bytes = entry.encoded_len();
        self.next_n += 1;
        self.bytes += bytes;
        self.appends.push_back(Self::request_of(&entry));
        self.window.push_back(Unprocessed {
            entry,
            bytes,
            since: now,
            stored: None,
        });
    }

    /// Whether the window is full. The caller then stops reading from the client; messages that are read already may
    /// still be pushed.
    pub(crate) fn is_full(&self) -> bool {
        self.window.len() >= self.config.window || self.bytes >= self.config.window_bytes
    }

    /// Whether the log has the first entry of the window, as far as it is known in this round.
    pub(crate) fn is_stored(&self) -> bool {
        self.window.front().is_some_and(|w| w.stored.is_some())
    }

    /// The bytes of the encoded entries in the window.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether all entries are processed.
    pub(crate) fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// Whether the owner has reported an entry after `n` as processed.
    pub(crate) fn is_beyond(&self, n: u64) -> bool {
        let first = self.window.front().map_or(self.next_n, |w| w.entry.n);
        first > n + 1
    }

    /// The times for which the inputs up to entry `n` have been in the window.
    pub(crate) fn waited(&self, n: u64, now: Instant) -> impl Iterator<Item = Duration> {
        let reported = self.window.iter().take_while(move |w| w.entry.n <= n);
        let inputs = reported.filter(|w| matches!(w.entry.body, Some(Body::Input(_))));
        inputs.map(move |w| now.saturating_duration_since(w.since))
    }

    /// The number of the current round.
    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    /// The next entry to append. Call until `None`, after every call of another method.
    pub(crate) fn poll_append(&mut self) -> Option<AppendRequest> {
        self.appends.pop_front()
    }

    /// Notes that entry `n` of `round` is stored under sequence `seq`. Starts a new round if the log has it before its
    /// predecessor.
    pub(crate) fn handle_stored(&mut self, n: u64, round: u32, seq: u64, now: Instant) {
        let Some(index) = self.index_of(n).filter(|_| round == self.round) else {
            return;
        };
        let seq = self.window[index]
            .stored
            .map_or(seq, |earlier| earlier.min(seq));
        self.window[index].stored = Some(seq);
        let before = index.checked_sub(1).and_then(|i| self.window[i].stored);
        let after = self.window.get(index + 1).and_then(|w| w.stored);
        if before.is_some_and(|b| b >= seq) || after.is_some_and(|a| a <= seq) {
            self.restart(now);
        } else if index == 0 {
            self.backoff = self.config.receipt_timeout;
            self.arm(now);
        }
    }

    /// Notes that entry `n` of `round` may not be stored, because of a disconnect or a stream that rejects it. The
    /// first entry is appended again after a fifth of the current backoff.
    pub(crate) fn handle_failed(&mut self, n: u64, round: u32, now: Instant) {
        if round == self.round && self.index_of(n).is_some() {
            self.deadline = self.deadline.min(now + self.backoff / 5);
            if let Some(index) = self.index_of(n) {
                self.window[index].stored = None;
            }
        }
    }

    /// Replaces the data of input `n` of `round` by the code of its refusal, and appends the window again. The entry
    /// keeps its number, so that the chain has no gap, and the owner answers it in its place.
    pub(crate) fn handle_refused(&mut self, n: u64, round: u32, code: &str, now: Instant) {
        let Some(index) = self.index_of(n).filter(|_| round == self.round) else {
            return;
        };
        let unprocessed = &mut self.window[index];
        if let Some(Body::Input(input)) = &mut unprocessed.entry.body
            && input.refused.is_empty()
        {
            input.data = None;
            code.clone_into(&mut input.refused);
            let bytes = unprocessed.entry.encoded_len();
            self.bytes = self.bytes - unprocessed.bytes + bytes;
            unprocessed.bytes = bytes;
            self.restart(now);
        }
    }

    /// Notes that the owner has processed all entries up to `n`. `gap` is the round in which the owner found the next
    /// one missing.
    pub(crate) fn handle_processed(&mut self, n: u64, gap: Option<u32>, now: Instant) {
        let before = self.window.len();
        while self.window.front().is_some_and(|w| w.entry.n <= n) {
            if let Some(done) = self.window.pop_front() {
                self.bytes -= done.bytes;
            }
        }
        if self.window.len() < before {
            self.progress_at = now;
            self.progress_timeout = self.config.progress_timeout;
            self.backoff = self.config.receipt_timeout;
            self.arm(now);
        }
        if gap == Some(self.round) && !self.window.is_empty() {
            self.restart(now);
        }
    }

    /// Appends the whole window again, in a new round: after disorder, a gap, a reconnect or a change of owner (D3).
    pub(crate) fn restart(&mut self, now: Instant) {
        if self.window.is_empty() {
            return;
        }
        self.round += 1;
        self.appends.clear();
        for unprocessed in &mut self.window {
            unprocessed.stored = None;
            unprocessed.entry.round = self.round;
            self.appends.push_back(Self::request_of(&unprocessed.entry));
        }
        self.progress_at = now;
        self.arm(now);
    }

    /// The time of the next call of [`handle_timeout`](Self::handle_timeout), if nothing else happens.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (!self.window.is_empty())
            .then(|| self.deadline.min(self.progress_at + self.progress_timeout))
    }

    /// Appends overdue entries again.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let Some(first) = self.window.front() else {
            return;
        };
        if now >= self.progress_at + self.progress_timeout {
            self.progress_timeout = (self.progress_timeout * 2).min(self.config.max_backoff);
            self.restart(now);
        } else if now >= self.deadline {
            if first.stored.is_none() {
                self.appends.push_back(Self::request_of(&first.entry));
                self.backoff = (self.backoff * 2).min(self.config.max_backoff);
            }
            self.arm(now);
        }
    }

    /// Sets the deadline of the first entry.
    fn arm(&mut self, now: Instant) {
        self.deadline = now + self.backoff;
    }

    /// The index of entry `n` in the window.
    fn index_of(&self, n: u64) -> Option<usize> {
        let first = self.window.front()?.entry.n;
        let index = usize::try_from(n.checked_sub(first)?).ok()?;
        (index < self.window.len()).then_some(index)
    }

    fn request_of(entry: &Entry) -> AppendRequest {
        AppendRequest {
            n: entry.n,
            round: entry.round,
            payload: entry.encode_to_vec().into(),
        }
    }
}

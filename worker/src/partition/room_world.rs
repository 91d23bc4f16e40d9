//! The world of one room: what its owner does next with it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_game::host::{RealtimeKind, World};

use crate::room::StampedWorld;

/// The time after which an entry is appended again if the log has not shown it.
const APPEND_AGAIN: Duration = Duration::from_secs(1);
/// The time until a failed read or write of a world is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// The least time between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// The most ticks that are made up for. Of more, all but the last are skipped.
const MAX_BEHIND: u64 = 5;
/// The most commits that the log has not shown. Later changes wait.
const MAX_UNREAD: usize = 8;
/// The bytes that a change takes beside its text.
const CHANGE_OVERHEAD: usize = 16;
/// The most bytes of changes that wait. The world stands still until they are appended.
const MAX_WAITING_BYTES: usize = 128 * 1024;

/// The next thing to do with a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorldStep {
    /// Read the stored world.
    Read,
    /// Append that this owner begins.
    AppendBegan,
    /// Begin the world, from the newest that is stored.
    Begin,
    /// Move the world, after so many ticks that are left out.
    Tick(u64),
    /// Append the changes that wait.
    Commit,
    /// Append the unread commits again.
    Repeat,
    /// Write the world.
    Store,
}

/// A commit that the log has not shown.
#[derive(Debug)]
struct UnreadCommit {
    no: u64,
    /// The last tick before.
    tick: u64,
    entry: Bytes,
    is_appended: bool,
}

/// The stored world of a room.
#[derive(Debug, Default)]
struct StoredState {
    /// The revision of its key; `None` until it is read.
    revision: Option<u64>,
    /// The world that was read and has not begun.
    found: Option<StampedWorld>,
    is_reading: bool,
    /// The tick of the world that is being written.
    writing: Option<u64>,
    /// The last tick that is stored, here or with a commit in the log.
    tick: u64,
    /// The time before which nothing is tried.
    not_before: Option<Instant>,
}

/// The world of a room of which this worker is the owner.
#[derive(Debug)]
pub(super) struct RoomWorld {
    kind: RealtimeKind,
    /// The time from which its ticks are counted.
    origin: Instant,
    /// Whether somebody is there to see the world.
    is_active: bool,
    stored: StoredState,
    /// Whether the log says that this owner began last.
    has_begun: bool,
    /// The time at which the entry was last appended that says so.
    began_at: Option<Instant>,
    world: Option<World>,
    next_tick: Instant,
    store_at: Instant,
    /// The number of the last commit that was appended.
    last_no: u64,
    /// Changes that are not appended yet, in order, and their bytes.
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    unread: VecDeque<UnreadCommit>,
    /// The time at which the unread commits were last appended.
    appended_at: Option<Instant>,
    next_commit: Instant,
}

impl RoomWorld {
    pub(super) fn new(kind: RealtimeKind, origin: Instant, now: Instant) -> Self {
        Self {
            kind,
            origin,
            is_active: true,
            stored: StoredState::default(),
            has_begun: false,
            began_at: None,
            world: None,
            next_tick: now,
            store_at: now,
            last_no: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            unread: VecDeque::new(),
            appended_at: None,
            next_commit: now,
        }
    }

    pub(super) fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    pub(super) fn world_mut(&mut self) -> Option<&mut World> {
        self.world.as_mut()
    }

    pub(super) fn set_active(&mut self, is_active: bool, now: Instant) {
        if is_active && !self.is_active {
            self.begin_ticks(now);
        }
        self.is_active = is_active;
    }

    /// Makes the changes that wait due at once.
    pub(super) fn commit_now(&mut self, now: Instant) {
        self.next_commit = now;
    }

    /// Whether everything of the world is stored, or on its way through the log, so that it may be dropped from memory.
    pub(super) fn is_settled(&self) -> bool {
        let is_appended = self.unread.iter().all(|commit| commit.is_appended);
        let tick = self.world.as_ref().map_or(0, World::number);
        let last = self
            .unread
            .back()
            .map_or(self.stored.tick, |last| last.tick);
        self.waiting.is_empty()
            && is_appended
            && self.stored.writing.is_none()
            && (tick <= last || self.kind.most_lost().is_none())
    }

    /// Whether no commit is unread, and everything is stored.
    pub(super) fn may_unload(&self) -> bool {
        self.unread.is_empty() && self.is_settled()
    }

    /// Returns the next step, or when there may be one.
    pub(super) fn next(&mut self, now: Instant) -> Result<WorldStep, Option<Instant>> {
        let mut due = Due(None);
        let stores = self.kind.most_lost().is_some();
        let can_try = due.is_reached(self.stored.not_before, now);
        if stores && self.stored.revision.is_none() && !self.stored.is_reading && can_try {
            return Ok(WorldStep::Read);
        }
        let Some(world) = &self.world else {
            if !self.is_active {
                return Err(None);
            }
            if !self.has_begun {
                let again = self.began_at.map(|at| at + APPEND_AGAIN);
                return if due.is_reached(again, now) {
                    Ok(WorldStep::AppendBegan)
                } else {
                    Err(due.0)
                };
            }
            return if stores && self.stored.revision.is_none() {
                Err(due.0)
            } else {
                Ok(WorldStep::Begin)
            };
        };
        let tick = world.number();
        if let Some(at) = self.appended_at.filter(|_| !self.unread.is_empty())
            && due.is_reached(Some(at + APPEND_AGAIN), now)
        {
            return Ok(WorldStep::Repeat);
        }
        let may_commit = !self.waiting.is_empty() && self.unread.len() < MAX_UNREAD;
        if may_commit && due.is_reached(Some(self.next_commit), now) {
            return Ok(WorldStep::Commit);
        }
        let is_moving = self.is_active && self.waiting_bytes < MAX_WAITING_BYTES;
        if is_moving && due.is_reached(Some(self.next_tick), now) {
            return Ok(WorldStep::Tick(self.behind(now)));
        }
        // A commit carries the world as well. Without it the stored world would be ahead of the room's state.
        let has_commits = !self.waiting.is_empty() || !self.unread.is_empty();
        let may_store = stores && !has_commits && self.stored.writing.is_none();
        let store_at = Some(self.store_at).filter(|_| self.is_active);
        if may_store && can_try && tick > self.stored.tick && due.is_reached(store_at, now) {
            return Ok(WorldStep::Store);
        }
        Err(due.0)
    }

    /// Returns the number of ticks to skip; 0 unless the world is more than [`MAX_BEHIND`] ticks behind.
    fn behind(&self, now: Instant) -> u64 {
        let late = now.saturating_duration_since(self.next_tick).as_nanos();
        let behind = late / self.kind.step().as_nanos().max(1);
        let behind = u64::try_from(behind).unwrap_or(u64::MAX);
        if behind > MAX_BEHIND { behind } else { 0 }
    }

    /// Notes that a tick was done, after so many that were skipped.
    pub(super) fn on_tick(&mut self, skipped: u64, changes: Vec<Bytes>) {
        let steps = u32::try_from(skipped.saturating_add(1)).unwrap_or(u32::MAX);
        self.next_tick += self.kind.step() * steps;
        let bytes = changes.iter().map(|change| change.len() + CHANGE_OVERHEAD);
        self.waiting_bytes += bytes.sum::<usize>();
        self.waiting.extend(changes);
    }

    /// The bytes of changes that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(super) fn on_read_begun(&mut self) {
        self.stored.is_reading = true;
    }

    /// Notes the stored world, with the revision of its key; `None` if it could not be read.
    pub(super) fn on_read(&mut self, read: Option<(Option<StampedWorld>, u64)>, now: Instant) {
        self.stored.is_reading = false;
        match read {
            Some((found, revision)) => {
                self.stored.revision = Some(revision);
                self.stored.found = found;
            }
            None => self.stored.not_before = Some(now + RETRY),
        }
    }

    pub(super) fn on_began_appended(&mut self, now: Instant) {
        self.began_at = Some(now);
    }

    /// Takes the world that was found in the bucket.
    pub(super) fn take_found(&mut self) -> Option<StampedWorld> {
        self.stored.found.take()
    }

    /// Begins the world. `no` is the number of this owner's last commit in the log.
    pub(super) fn begin(&mut self, world: World, no: u64, now: Instant) {
        self.stored.tick = world.number();
        self.stored.found = None;
        self.world = Some(world);
        self.last_no = no;
        self.begin_ticks(now);
        self.schedule_store(now);
    }

    /// Sets the next tick to the first of its times that is not past.
    fn begin_ticks(&mut self, now: Instant) {
        let step = self.kind.step().as_nanos().max(1);
        let passed = now.saturating_duration_since(self.origin).as_nanos();
        let left = u64::try_from((step - passed % step) % step).unwrap_or(0);
        self.next_tick = now.max(self.origin) + Duration::from_nanos(left);
    }

    fn schedule_store(&mut self, now: Instant) {
        if let Some(most) = self.kind.most_lost() {
            self.store_at = now + most / 2;
        }
    }

    /// The number of the next commit, and the changes that wait for it.
    pub(super) fn take_waiting(&mut self) -> (u64, Vec<Bytes>) {
        self.waiting_bytes = 0;
        (self.last_no + 1, std::mem::take(&mut self.waiting))
    }

    /// Notes that the entry of the next commit is appended.
    pub(super) fn on_commit(&mut self, entry: Bytes, now: Instant) {
        self.last_no += 1;
        self.unread.push_back(UnreadCommit {
            no: self.last_no,
            tick: self.world.as_ref().map_or(0, World::number),
            entry,
            is_appended: false,
        });
        self.appended_at.get_or_insert(now);
        self.next_commit = now + COMMIT_INTERVAL;
    }

    /// Returns the unread commits, which are appended again.
    pub(super) fn repeat(&mut self, now: Instant) -> Vec<(u64, Bytes)> {
        self.appended_at = Some(now);
        let unread = self.unread.iter();
        unread
            .map(|commit| (commit.no, commit.entry.clone()))
            .collect()
    }

    /// Notes that the bus has stored a commit.
    pub(super) fn on_appended(&mut self, no: u64) {
        let mut unread = self.unread.iter_mut();
        if let Some(commit) = unread.find(|commit| commit.no == no) {
            commit.is_appended = true;
        }
    }

    /// Notes that the room has applied this owner's commits up to `no`; `None` if another owner began last.
    pub(super) fn on_applied(&mut self, no: Option<u64>, now: Instant) {
        let Some(no) = no else {
            // A later owner moves the world. Nothing of this one counts.
            *self = Self {
                is_active: self.is_active,
                ..Self::new(self.kind, self.origin, now)
            };
            return;
        };
        self.has_begun = true;
        while self.unread.front().is_some_and(|commit| commit.no <= no) {
            let read = self.unread.pop_front();
            let tick = read.map_or(0, |commit| commit.tick);
            self.stored.tick = self.stored.tick.max(tick);
            self.appended_at = (!self.unread.is_empty()).then_some(now);
            self.schedule_store(now);
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.stored.revision.unwrap_or(0)
    }

    pub(super) fn on_write_begun(&mut self) {
        self.stored.writing = self.world.as_ref().map(World::number);
    }

    /// Postpones a write, because too many are in flight.
    pub(super) fn postpone_write(&mut self, now: Instant) {
        self.stored.not_before = Some(now + Duration::from_millis(20));
    }

    /// Notes the outcome of a write: the revision, or `None` if the stored world must be read.
    pub(super) fn on_written(&mut self, revision: Option<u64>, now: Instant) {
        let tick = self.stored.writing.take();
        self.stored.revision = revision;
        if revision.is_some() {
            self.stored.tick = self.stored.tick.max(tick.unwrap_or(0));
            self.schedule_store(now);
        }
    }
}

/// The next time at which something is due.
struct Due(Option<Instant>);

impl Due {
    /// Whether a time is reached. If not, it may be the next one.
    fn is_reached(&mut self, at: Option<Instant>, now: Instant) -> bool {
        match at.filter(|at| *at > now) {
            Some(at) => {
                self.0 = Some(self.0.map_or(at, |due| due.min(at)));
                false
            }
            None => true,
        }
    }
}

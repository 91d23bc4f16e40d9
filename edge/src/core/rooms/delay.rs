//! Conflation and delay: the events that a lane's members do not see yet.
//!
//! Events from the owner are grouped into releases. A lane with a maximum rate has at most that many releases per
//! second. A release keeps only the updates that a member needs to be current (conflation). A delayed lane gets each
//! release after its delay, including snapshots, presence, a new epoch and the end, so that no spectator's client has
//! data before it is due (D22).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::event::{EVENT_OVERHEAD, LaneEvent, LaneView, UpdateOutcome};

#[cfg(test)]
mod tests;

/// The weight of an empty release, in bytes.
const RELEASE_OVERHEAD: usize = 1024;
/// The most bytes of live messages in one release. Beyond that the oldest are dropped.
const LIVE_BYTES: usize = 64 * 1024;

/// The rate and the delay at which a lane's members get events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// The least time between two releases; 0 for no limit and no conflation.
    pub interval: Duration,
    /// The time between the arrival of an event and its release.
    pub delay: Duration,
}

impl DeliveryPolicy {
    /// Creates a policy from releases per second (0: no limit) and a delay in milliseconds.
    pub fn new(max_rate_hz: u32, delay_ms: u32) -> Self {
        let interval = match max_rate_hz {
            0 => Duration::ZERO,
            rate => Duration::from_secs(1) / rate,
        };
        Self {
            interval,
            delay: Duration::from_millis(delay_ms.into()),
        }
    }

    /// The longer interval and the longer delay of both.
    pub fn max(self, other: Self) -> Self {
        Self {
            interval: self.interval.max(other.interval),
            delay: self.delay.max(other.delay),
        }
    }

    /// Whether events are applied at once, without conflation.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }
}

/// Events that are released at one time.
#[derive(Debug)]
struct Release {
    /// The time of the release without the delay.
    at: Instant,
    /// The time of the release.
    due: Instant,
    /// The events by number, in order of arrival.
    events: BTreeMap<u64, LaneEvent>,
    /// The number of the last update of each key.
    keys: HashMap<String, u64>,
    /// The bytes of updates and snapshots that members would be sent.
    cost: usize,
    /// The numbers of the live messages, oldest first.
    live: VecDeque<u64>,
    live_bytes: usize,
}

/// The events of a lane that are not due yet.
#[derive(Debug)]
pub(crate) struct DelayBuffer {
    policy: DeliveryPolicy,
    /// The last version that has arrived in the latest epoch; `None` if a snapshot is needed.
    head: Option<u64>,
    releases: VecDeque<Release>,
    /// The time of the latest release without the delay.
    last: Option<Instant>,
    /// The number of the last event.
    order: u64,
    /// The weight of all releases and events.
    bytes: usize,
    cap: usize,
    /// An update has exceeded `cap`: all but a new epoch, presence and the end is dropped until half of `cap` is free.
    full: bool,
}

impl DelayBuffer {
    /// Creates a buffer of about `cap` bytes for a lane at version `head`.
    pub(crate) fn new(policy: DeliveryPolicy, head: Option<u64>, cap: usize) -> Self {
        Self {
            policy,
            head,
            releases: VecDeque::new(),
            last: None,
            order: 0,
            bytes: 0,
            cap,
            full: false,
        }
    }

    /// The last version that has arrived; `None` if a snapshot is needed.
    pub(crate) fn head(&self) -> Option<u64> {
        self.head
    }

    /// The weight of its contents, in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets the policy for events from now on.
    pub(crate) fn set_policy(&mut self, policy: DeliveryPolicy) {
        self.policy = policy;
    }

    /// Whether the buffer is empty and the policy needs none.
    pub(crate) fn is_done(&self) -> bool {
        self.policy.is_plain() && self.releases.is_empty() && !self.full
    }

    /// The time of the next call of [`poll`](Self::poll).
    pub(crate) fn next(&self) -> Option<Instant> {
        self.releases.front().map(|release| release.due)
    }

    /// The next event that is due. Call until `None`, again at [`next`](Self::next).
    pub(crate) fn poll(&mut self, now: Instant) -> Option<LaneEvent> {
        loop {
            let release = self
                .releases
                .front_mut()
                .filter(|release| release.due <= now)?;
            if let Some((_, event)) = release.events.pop_first() {
                self.bytes -= event.weight();
                return Some(event);
            }
            self.releases.pop_front();
            self.bytes -= RELEASE_OVERHEAD;
        }
    }

    /// Whether the buffer was full and is no longer. The caller then asks the owner for a snapshot.
    pub(crate) fn take_recovered(&mut self) -> bool {
        let recovered = self.full && self.bytes <= self.cap / 2;
        self.full &= !recovered;
        recovered
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, now: Instant, event: LaneEvent) -> UpdateOutcome {
        match event {
            LaneEvent::Begin(..) => self.begin(now, event),
            LaneEvent::Snapshot { version, view, .. } => return self.snapshot(now, version, view),
            LaneEvent::Update { version, .. } => return self.update(now, version, event),
            LaneEvent::Live(_) | LaneEvent::Frame(_)
                if self.full || self.bytes + event.weight() > self.cap =>
            {
                return UpdateOutcome::Old;
            }
            LaneEvent::Live(_) => self.live(now, event),
            LaneEvent::Presence(_) => {
                self.replace(now, event, |event| matches!(event, LaneEvent::Presence(_)));
            }
            LaneEvent::Frame(_) => {
                self.replace(now, event, |event| matches!(event, LaneEvent::Frame(_)));
            }
            LaneEvent::End(_) => {
                self.add(now, event);
            }
        }
        UpdateOutcome::New
    }

    fn begin(&mut self, now: Instant, event: LaneEvent) {
        self.head = None;
        let index = self.open(now);
        if self.conflates() && !self.has_end(index) {
            // The events of the earlier epoch are obsolete.
            self.drop_events(index, |_| true);
        }
        self.releases[index].keys.clear();
        self.add(now, event);
    }

    fn snapshot(&mut self, now: Instant, version: u64, view: LaneView) -> UpdateOutcome {
        if self.full {
            return UpdateOutcome::Old;
        }
        let is_newer = self.head.is_none_or(|head| version > head);
        if is_newer {
            self.head = Some(version);
        }
        let index = self.open(now);
        let mut whole = is_newer;
        // An older one serves clients that join later. The updates behind it stay.
        if self.conflates() && self.head == Some(version) {
            whole |= self.releases[index].cost > view.data.len() + EVENT_OVERHEAD;
            let superseded = |event: &LaneEvent| match event {
                LaneEvent::Update { .. } => whole,
                LaneEvent::Snapshot { whole: other, .. } => whole || !*other,
                _ => false,
            };
            if !self.has_end(index) {
                self.drop_events(index, superseded);
            }
            if whole {
                self.releases[index].keys.clear();
            }
        }
        self.add(
            now,
            LaneEvent::Snapshot {
                version,
                view,
                whole,
            },
        );
        UpdateOutcome::New
    }

    fn update(&mut self, now: Instant, version: u64, event: LaneEvent) -> UpdateOutcome {
        match self.head {
            None => return UpdateOutcome::Old,
            Some(head) if version <= head => return UpdateOutcome::Old,
            Some(head) if version > head + 1 => return UpdateOutcome::Gap,
            Some(_) => {}
        }
        if self.bytes + event.weight() > self.cap {
            self.full = true;
            self.head = None;
            return UpdateOutcome::Old;
        }
        self.head = Some(version);
        let index = self.open(now);
        let key = match &event {
            LaneEvent::Update { key, .. } if self.conflates() && !key.is_empty() => {
                Some(key.clone())
            }
            _ => None,
        };
        let number = self.add(now, event);
        if let Some(key) = key
            && let Some(earlier) = self.releases[index].keys.insert(key, number)
        {
            self.remove(index, earlier);
        }
        UpdateOutcome::New
    }

    fn live(&mut self, now: Instant, event: LaneEvent) {
        let index = self.open(now);
        let weight = event.weight();
        let number = self.add(now, event);
        let release = &mut self.releases[index];
        release.live.push_back(number);
        release.live_bytes += weight;
        while self.releases[index].live_bytes > LIVE_BYTES {
            let Some(oldest) = self.releases[index].live.pop_front() else {
                return;
            };
            let freed = self.remove(index, oldest);
            self.releases[index].live_bytes -= freed;
        }
    }

    /// Adds an event in place of those of the same release that it replaces.
    fn replace(&mut self, now: Instant, event: LaneEvent, earlier: impl Fn(&LaneEvent) -> bool) {
        let index = self.open(now);
        self.drop_events(index, earlier);
        self.add(now, event);
    }

    fn conflates(&self) -> bool {
        !self.policy.interval.is_zero()
    }

    fn has_end(&self, index: usize) -> bool {
        let mut events = self.releases[index].events.values();
        events.any(|event| matches!(event, LaneEvent::End(_)))
    }

    /// The index of the release for events that arrive at `now`. Adds a release if the last one is in the past.
    fn open(&mut self, now: Instant) -> usize {
        if self.releases.back().is_none_or(|release| release.at < now) {
            let at = self
                .last
                .map_or(now, |last| now.max(last + self.policy.interval));
            let due = at + self.policy.delay;
            let due = self
                .releases
                .back()
                .map_or(due, |release| due.max(release.due));
            self.last = Some(at);
            self.bytes += RELEASE_OVERHEAD;
            self.releases.push_back(Release {
                at,
                due,
                events: BTreeMap::new(),
                keys: HashMap::new(),
                cost: 0,
                live: VecDeque::new(),
                live_bytes: 0,
            });
        }
        self.releases.len() - 1
    }

    /// Adds an event to the current release; returns the event's number.
    fn add(&mut self, now: Instant, event: LaneEvent) -> u64 {
        let index = self.open(now);
        self.order += 1;
        self.bytes += event.weight();
        self.releases[index].cost += cost(&event);
        self.releases[index].events.insert(self.order, event);
        self.order
    }

    /// Removes an event from a release; returns its weight in bytes.
    fn remove(&mut self, index: usize, number: u64) -> usize {
        let Some(event) = self.releases[index].events.remove(&number) else {
            return 0;
        };
        self.bytes -= event.weight();
        self.releases[index].cost -= cost(&event);
        event.weight()
    }

    /// Removes the matching events from a release.
    fn drop_events(&mut self, index: usize, which: impl Fn(&LaneEvent) -> bool) {
        let release = &mut self.releases[index];
        let bytes = &mut self.bytes;
        release.events.retain(|_, event| {
            let dropped = which(event);
            if dropped {
                *bytes -= event.weight();
                release.cost -= cost(event);
            }
            !dropped
        });
        let events = &release.events;
        let live = &mut release.live;
        live.retain(|number| events.contains_key(number));
        let weight = |number: &u64| events.get(number).map_or(0, LaneEvent::weight);
        release.live_bytes = live.iter().map(weight).sum();
    }
}

/// The bytes that members would be sent of an update or a snapshot.
fn cost(event: &LaneEvent) -> usize {
    match event {
        LaneEvent::Update { .. } | LaneEvent::Snapshot { whole: true, .. } => event.weight(),
        _ => 0,
    }
}

//! Conflation and delay: what a lane's members are not shown yet.
//!
//! Events from the owner are grouped into releases. A lane with a highest rate has at most so many releases a second; of
//! the updates of one release, only those that a member needs to be current are kept. A delayed lane is shown each release
//! that much later, with snapshots, presence, a new epoch and the end, so that no client holds the present (D22).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use grandstand_common::data::Data;

use super::event::{EVENT_OVERHEAD, LaneEvent, UpdateOutcome};

#[cfg(test)]
mod tests;

/// What a release weighs beside its events.
const RELEASE_OVERHEAD: usize = 1024;
/// Bytes of lossy messages that share a release; older ones are dropped.
const LIVE_BYTES: usize = 64 * 1024;

/// How a lane's members are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// The least time between two releases; none if 0.
    pub interval: Duration,
    /// How much later than it came everything is shown.
    pub delay: Duration,
}

impl DeliveryPolicy {
    /// From how often a second (0: any number of times) and how much later in milliseconds.
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

    /// The slower and the later of both.
    pub fn max(self, other: Self) -> Self {
        Self {
            interval: self.interval.max(other.interval),
            delay: self.delay.max(other.delay),
        }
    }

    /// Whether everything is shown at once.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }
}

/// What is shown at one time.
#[derive(Debug)]
struct Release {
    at: Instant,
    due: Instant,
    /// In order of their coming.
    events: BTreeMap<u64, LaneEvent>,
    /// Where the last update of each key is.
    keys: HashMap<String, u64>,
    /// What members would be sent of updates and snapshots.
    cost: usize,
    live: VecDeque<u64>,
    live_bytes: usize,
}

/// What waits to be shown to a lane's members.
#[derive(Debug)]
pub(crate) struct DelayBuffer {
    policy: DeliveryPolicy,
    /// The last version that came of the epoch that came last.
    head: Option<u64>,
    releases: VecDeque<Release>,
    /// The last release, shown or not.
    last: Option<Instant>,
    order: u64,
    bytes: usize,
    cap: usize,
    /// More came than it takes: nothing new is taken until half of it was shown.
    full: bool,
}

impl DelayBuffer {
    /// For a lane whose last version that came is `head`. Takes about `cap` bytes.
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

    /// The last version that came, if a snapshot has come.
    pub(crate) fn head(&self) -> Option<u64> {
        self.head
    }

    /// What it holds, in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Serves what comes from now on like this.
    pub(crate) fn set_policy(&mut self, policy: DeliveryPolicy) {
        self.policy = policy;
    }

    /// Whether nothing waits and nothing needs to.
    pub(crate) fn is_done(&self) -> bool {
        self.policy.is_plain() && self.releases.is_empty() && !self.full
    }

    /// When to call [`poll`](Self::poll).
    pub(crate) fn next(&self) -> Option<Instant> {
        self.releases.front().map(|release| release.due)
    }

    /// The next event whose time has come. Call until `None`.
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

    /// Whether it was full and takes again: the owner has then to be asked for what was missed.
    pub(crate) fn take_recovered(&mut self) -> bool {
        let recovered = self.full && self.bytes <= self.cap / 2;
        self.full &= !recovered;
        recovered
    }

    /// Takes the next event.
    pub(crate) fn push(&mut self, now: Instant, event: LaneEvent) -> UpdateOutcome {
        match event {
            LaneEvent::Begin(..) => self.begin(now, event),
            LaneEvent::Snapshot { version, data, .. } => return self.snapshot(now, version, data),
            LaneEvent::Update { version, .. } => return self.update(now, version, event),
            LaneEvent::Live(_) if self.full || self.bytes + event.weight() > self.cap => {
                return UpdateOutcome::Old;
            }
            LaneEvent::Live(_) => self.live(now, event),
            LaneEvent::Presence(_) => self.presence(now, event),
            LaneEvent::End(_) => {
                self.add(now, event);
            }
        }
        UpdateOutcome::New
    }

    fn begin(&mut self, now: Instant, event: LaneEvent) {
        self.head = None;
        let at = self.open(now);
        if self.conflates() && !self.has_end(at) {
            // Nothing of what was before holds any more.
            self.drop_events(at, |_| true);
        }
        self.releases[at].keys.clear();
        self.add(now, event);
    }

    fn snapshot(&mut self, now: Instant, version: u64, data: Data) -> UpdateOutcome {
        if self.full || self.head.is_some_and(|head| version < head) {
            return UpdateOutcome::Old;
        }
        let behind = self.head.is_none_or(|head| version > head);
        self.head = Some(version);
        let at = self.open(now);
        let mut whole = behind;
        if self.conflates() {
            whole |= self.releases[at].cost > data.len() + EVENT_OVERHEAD;
            let superseded = |event: &LaneEvent| match event {
                LaneEvent::Update { .. } => whole,
                LaneEvent::Snapshot { whole: other, .. } => whole || !*other,
                _ => false,
            };
            if !self.has_end(at) {
                self.drop_events(at, superseded);
            }
            if whole {
                self.releases[at].keys.clear();
            }
        }
        self.add(
            now,
            LaneEvent::Snapshot {
                version,
                data,
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
        let at = self.open(now);
        let key = match &event {
            LaneEvent::Update { key, .. } if self.conflates() && !key.is_empty() => {
                Some(key.clone())
            }
            _ => None,
        };
        let place = self.add(now, event);
        if let Some(key) = key
            && let Some(earlier) = self.releases[at].keys.insert(key, place)
        {
            self.remove(at, earlier);
        }
        UpdateOutcome::New
    }

    fn live(&mut self, now: Instant, event: LaneEvent) {
        let (at, weight) = (self.open(now), event.weight());
        let place = self.add(now, event);
        let release = &mut self.releases[at];
        release.live.push_back(place);
        release.live_bytes += weight;
        while self.releases[at].live_bytes > LIVE_BYTES {
            let Some(oldest) = self.releases[at].live.pop_front() else {
                return;
            };
            let freed = self.remove(at, oldest);
            self.releases[at].live_bytes -= freed;
        }
    }

    fn presence(&mut self, now: Instant, event: LaneEvent) {
        let at = self.open(now);
        self.drop_events(at, |event| matches!(event, LaneEvent::Presence(_)));
        self.add(now, event);
    }

    fn conflates(&self) -> bool {
        !self.policy.interval.is_zero()
    }

    fn has_end(&self, at: usize) -> bool {
        let mut events = self.releases[at].events.values();
        events.any(|event| matches!(event, LaneEvent::End(_)))
    }

    /// The release that what comes now is for.
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

    fn add(&mut self, now: Instant, event: LaneEvent) -> u64 {
        let at = self.open(now);
        self.order += 1;
        self.bytes += event.weight();
        self.releases[at].cost += cost(&event);
        self.releases[at].events.insert(self.order, event);
        self.order
    }

    fn remove(&mut self, at: usize, place: u64) -> usize {
        let Some(event) = self.releases[at].events.remove(&place) else {
            return 0;
        };
        self.bytes -= event.weight();
        self.releases[at].cost -= cost(&event);
        event.weight()
    }

    fn drop_events(&mut self, at: usize, which: impl Fn(&LaneEvent) -> bool) {
        let release = &mut self.releases[at];
        let bytes = &mut self.bytes;
        release.events.retain(|_, event| {
            let goes = which(event);
            if goes {
                *bytes -= event.weight();
                release.cost -= cost(event);
            }
            !goes
        });
        let (events, live) = (&release.events, &mut release.live);
        live.retain(|place| events.contains_key(place));
        let weight = |place: &u64| events.get(place).map_or(0, LaneEvent::weight);
        release.live_bytes = live.iter().map(weight).sum();
    }
}

fn cost(event: &LaneEvent) -> usize {
    match event {
        LaneEvent::Update { .. } | LaneEvent::Snapshot { whole: true, .. } => event.weight(),
        _ => 0,
    }
}

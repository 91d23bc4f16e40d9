//! The deliveries to one endpoint: which items are delivered when.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use grandstand_common::bus::{
    Bucket, BusError, KvEntry, KvReader, OutItem, OutReader, PutError, Read,
};
use grandstand_common::clock::unix_ms;
use grandstand_common::process::drain;
use tokio::time::{Instant, sleep_until};

use super::letter::{Letter, gone_prefix, prefix};
use super::placed::Placed;
use super::store::{Store, parse};
use super::target::Target;
use super::webhook::{Delivered, Deliverer, Fate, Parcel};

/// The most letters that wait for another attempt. Beyond it items wait in the stream.
const MAX_WAITING: usize = 10_000;
/// The longest time between two looks at what is due, so that a clock that is set counts soon.
const LOOK: Duration = Duration::from_secs(10);
/// The time between two looks while a request of another part tries whether the endpoint is well again.
const PROBING: Duration = Duration::from_millis(100);

/// The reason why the work has ended before the process.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the stream cannot be read: {0}")]
    Bus(#[from] BusError),
    #[error("the place in the stream cannot be stored: {0}")]
    Place(#[from] PutError),
    #[error("a reader has lost its place")]
    Lost,
}

/// The deliveries to an endpoint.
pub(super) struct Deliveries {
    deliverer: Deliverer,
    placed: Placed,
    reader: OutReader,
    /// The letters of the endpoint, and whether it wants no requests any more.
    watcher: KvReader,
    /// Whether the letters that were there have been read.
    is_complete: bool,
    is_gone: bool,
    /// An item of the stream that waits until it may be sent.
    held: Option<OutItem>,
    letters: Letters,
    running: FuturesUnordered<BoxFuture<'static, Delivered>>,
}

/// The letters that wait, by the time of their next attempt.
#[derive(Debug, Default)]
struct Letters {
    /// The time of the next attempt, Unix milliseconds, and the id.
    due: BTreeSet<(u64, String)>,
    /// The revision, and the time of the next attempt.
    waiting: HashMap<String, (u64, u64)>,
    /// The ids of those that are being sent.
    sending: BTreeSet<String>,
}

impl Letters {
    fn set(&mut self, id: &str, next: Option<(u64, u64)>) {
        if let Some((_, next_ms)) = self.waiting.remove(id) {
            self.due.remove(&(next_ms, id.to_owned()));
        }
        if let Some((revision, next_ms)) = next {
            self.waiting.insert(id.to_owned(), (revision, next_ms));
            self.due.insert((next_ms, id.to_owned()));
        }
    }

    /// Takes the letter that is due first.
    fn take(&mut self, now_ms: u64) -> Option<String> {
        let (next_ms, id) = self.due.first()?.clone();
        if next_ms > now_ms {
            return None;
        }
        self.set(&id, None);
        self.sending.insert(id.clone());
        Some(id)
    }
}

impl Deliveries {
    /// Opens the stream and the letters of an endpoint.
    ///
    /// # Errors
    /// If the bus is away.
    pub(super) async fn open(
        target: Target,
        store: Store,
        dead_for: Duration,
    ) -> Result<Self, BusError> {
        let endpoint = &target.endpoint;
        let name = endpoint.name.as_str();
        let opened = Placed::open(&store, name, &endpoint.topics, endpoint.from).await?;
        let (placed, reader) = opened;
        let prefixes = [prefix(name), gone_prefix(name)];
        let watcher = store.bus().watch_all(Bucket::Outlet, &prefixes).await?;
        Ok(Self {
            placed,
            reader,
            watcher,
            is_complete: false,
            is_gone: false,
            held: None,
            letters: Letters::default(),
            running: FuturesUnordered::new(),
            deliverer: Deliverer {
                target,
                store,
                dead_for,
            },
        })
    }

    /// Delivers items until the drain begins and the requests under way have ended.
    ///
    /// # Errors
    /// If the bus is away, or another process is at work.
    pub(super) async fn run(mut self, watch: drain::Watch) -> Result<(), SessionError> {
        let mut draining = false;
        loop {
            self.show();
            if draining {
                match self.running.next().await {
                    Some(done) => self.on_done(done),
                    None => break,
                }
                continue;
            }
            while self.start() {}
            let reads = self.is_complete
                && !self.is_gone
                && self.held.is_none()
                && self.running.len() < self.deliverer.target.endpoint.concurrency
                && self.letters.waiting.len() < MAX_WAITING
                && self.deliverer.target.opens_at().is_none();
            let wake = self.wake_at();
            tokio::select! {
                biased;
                _ = watch.signaled() => draining = true,
                Some(done) = self.running.next() => self.on_done(done),
                read = self.watcher.next() => self.on_letter(read)?,
                saved = self.placed.save() => saved?,
                read = self.reader.next(), if reads => self.on_item(read)?,
                () = sleep_until(wake) => {}
            }
        }
        self.placed.finish().await;
        Ok(())
    }

    /// Starts a delivery, if there is one that may start.
    fn start(&mut self) -> bool {
        let target = &self.deliverer.target;
        if self.is_gone
            || !self.is_complete
            || self.running.len() >= target.endpoint.concurrency
            || target.opens_at().is_some()
        {
            return false;
        }
        let is_due = |(next_ms, _): &(u64, String)| *next_ms <= unix_ms();
        let has_letter = self.letters.due.first().is_some_and(is_due);
        if !(has_letter || self.held.is_some()) || !target.admit() {
            return false;
        }
        let deliverer = self.deliverer.clone();
        if let Some(id) = self.letters.take(unix_ms()) {
            self.running.push(again(deliverer, id).boxed());
        } else if let Some(item) = self.held.take() {
            let parcel = Parcel::new(&deliverer.target.endpoint.name, &item);
            self.letters.sending.insert(item.id);
            self.running.push(deliverer.deliver(parcel).boxed());
        }
        true
    }

    /// The time of the next look.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let next_ms = self.letters.due.first().map(|(next_ms, _)| *next_ms);
        let target = &self.deliverer.target;
        if self.is_gone || self.running.len() >= target.endpoint.concurrency {
            return now + LOOK;
        }
        let wait = |next_ms: u64| match next_ms.saturating_sub(unix_ms()) {
            0 => PROBING,
            ms => Duration::from_millis(ms),
        };
        let due = next_ms.map(|next_ms| now + wait(next_ms).min(LOOK));
        let opens = target.opens_at();
        let wake = match (due, opens) {
            (Some(due), Some(opens)) => due.max(opens),
            (due, opens) => due.or(opens).unwrap_or(now + LOOK),
        };
        wake.min(now + LOOK)
    }

    fn on_item(&mut self, read: Read<OutItem>) -> Result<(), SessionError> {
        match read {
            Read::Item(item, behind) => {
                let lag = i64::try_from(behind).unwrap_or(i64::MAX);
                self.deliverer.target.metrics.lag.set(lag);
                if self.placed.place.begin(item.seq) {
                    self.held = Some(item);
                }
            }
            Read::Idle => drop(self.deliverer.target.metrics.lag.set(0)),
            Read::Lost => return Err(SessionError::Lost),
        }
        Ok(())
    }

    fn on_done(&mut self, done: Delivered) {
        self.letters.sending.remove(&done.id);
        match done.fate {
            Fate::Taken | Fate::Dead => self.letters.set(&done.id, None),
            Fate::Waits { revision, next_ms } => {
                self.letters.set(&done.id, Some((revision, next_ms)));
            }
            Fate::Gone { revision, next_ms } => {
                self.letters.set(&done.id, Some((revision, next_ms)));
                self.set_gone(true);
            }
        }
        if let Some(seq) = done.seq {
            self.placed.place.end(seq);
        }
    }

    /// Handles a letter that this process or an operator has written.
    fn on_letter(&mut self, read: Read<KvEntry>) -> Result<(), SessionError> {
        let entry = match read {
            Read::Item(entry, _) => entry,
            Read::Idle => {
                self.is_complete = true;
                return Ok(());
            }
            Read::Lost => return Err(SessionError::Lost),
        };
        let name = self.deliverer.target.endpoint.name.as_str();
        let letters = prefix(name);
        let Some(id) = entry.key.strip_prefix(&letters) else {
            self.set_gone(entry.value.is_some());
            return Ok(());
        };
        // This process knows its own changes of a letter before the bucket tells of them.
        if self.letters.sending.contains(id) {
            return Ok(());
        }
        if let Some((known, _)) = self.letters.waiting.get(id)
            && *known >= entry.revision
        {
            return Ok(());
        }
        let next_ms = parse::<Letter>(&entry).and_then(|letter| letter.next_ms);
        let next = next_ms.map(|next_ms| (entry.revision, next_ms));
        self.letters.set(id, next);
        Ok(())
    }

    fn set_gone(&mut self, is_gone: bool) {
        let endpoint = self.deliverer.target.endpoint.name.as_str();
        if is_gone && !self.is_gone {
            tracing::error!(
                endpoint,
                "the endpoint has answered with 410 (gone) and gets nothing until `grandstand outlet enable`"
            );
        }
        self.is_gone = is_gone;
        self.deliverer
            .target
            .metrics
            .disabled
            .set(i64::from(is_gone));
    }

    fn show(&self) {
        self.deliverer.target.show();
        let waiting = self.letters.waiting.len() + self.letters.sending.len();
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.deliverer.target.metrics.waiting.set(waiting);
    }
}

/// Delivers a letter of the bucket again.
async fn again(deliverer: Deliverer, id: String) -> Delivered {
    let key = format!("{}{id}", prefix(&deliverer.target.endpoint.name));
    let found = loop {
        match deliverer.store.read::<Letter>(&key).await {
            Ok(found) => break found,
            Err(error) => {
                tracing::debug!(key, %error, "a letter is read again");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    };
    let (found, revision) = found;
    // An operator may have deleted it.
    let Some(letter) = found.filter(|letter| letter.next_ms.is_some()) else {
        deliverer.target.forget();
        let fate = Fate::Dead;
        return Delivered {
            id,
            seq: None,
            fate,
        };
    };
    let parcel = Parcel {
        letter,
        revision,
        seq: None,
    };
    deliverer.deliver(parcel).await
}

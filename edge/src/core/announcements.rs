//! Notices for all clients. Each client is told in its turn, as part of the flush, so that others are served in between
//! (D25).

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::effects::Notice;

/// A notice for all clients.
#[derive(Debug)]
enum Announcement {
    /// The same for each client.
    Notice(&'static str),
    /// Clients are told to reconnect.
    Drain,
}

/// The times at which clients are to reconnect: random ones before `until`.
#[derive(Debug)]
struct Drain {
    within: Duration,
    until: Instant,
    rng: StdRng,
}

impl Drain {
    fn notice(&mut self, within: Duration) -> Notice {
        Notice {
            code: "draining",
            reconnect_in_ms: Some(self.rng.random_range(0..=within.as_millis() as u64)),
        }
    }
}

/// The latest notice for all clients, and how far it has come. A later one replaces it: of a bus that comes and goes faster
/// than clients can be told, they learn the last state (D26).
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    current: Option<Announcement>,
    /// Set once clients are told to reconnect; then there is no other announcement.
    drain: Option<Box<Drain>>,
    /// The slot of the client that is told next.
    next_slot: usize,
    /// The number of the current announcement; wraps around.
    number: u16,
}

impl Announcements {
    /// Announces to all clients that the bus has failed or recovered. Clients that are being told to reconnect learn
    /// nothing else.
    pub(crate) fn announce(&mut self, code: &'static str) {
        if self.drain.is_none() {
            self.begin(Announcement::Notice(code));
        }
    }

    /// Tells all clients to reconnect, at random times within `within` from `now` on, which `seed` determines.
    pub(crate) fn drain(&mut self, within: Duration, now: Instant, seed: u64) {
        self.drain = Some(Box::new(Drain {
            within,
            until: now + within,
            rng: StdRng::seed_from_u64(seed),
        }));
        self.begin(Announcement::Drain);
    }

    /// The notice for a client that connects while the others are told to reconnect.
    pub(crate) fn notice_for_new(&mut self, now: Instant) -> Option<Notice> {
        let drain = self.drain.as_mut()?;
        let within = drain.until.saturating_duration_since(now);
        Some(drain.notice(within))
    }

    /// Whether some client has not been told.
    pub(crate) fn is_active(&self) -> bool {
        self.current.is_some()
    }

    /// The number of the current announcement. A client that has it is not told.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// The slot of the client that is told next.
    pub(crate) fn next_slot(&self) -> usize {
        self.next_slot
    }

    /// Notes that the clients before this slot have been told.
    pub(crate) fn advance(&mut self, slot: usize) {
        self.next_slot = slot;
    }

    /// Notes that all clients have been told.
    pub(crate) fn end(&mut self) {
        self.current = None;
    }

    /// The notice for the next client.
    pub(crate) fn notice(&mut self) -> Option<Notice> {
        Some(match self.current.as_ref()? {
            Announcement::Notice(code) => Notice {
                code,
                reconnect_in_ms: None,
            },
            Announcement::Drain => {
                let drain = self.drain.as_mut()?;
                drain.notice(drain.within)
            }
        })
    }

    fn begin(&mut self, announcement: Announcement) {
        self.current = Some(announcement);
        self.number = self.number.wrapping_add(1);
        self.next_slot = 0;
    }
}
